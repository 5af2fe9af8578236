/**
 * Every copy from every encryption to every other: CopyObject and UploadPartCopy, whole and in ranges, with the sizes at
 * which packages begin and end. A counter tells for each cell whether the stored data was shared or read and written once
 * (DESIGN 6: shared, unless the destination promises an MD5 that the source lacks).
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, keyTwo, sourceSseC, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import { pattern, sameBytes } from '../support/pattern.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'matrix'
const mib = 1024 * 1024
const sizes = [0, 1, 65_535, 65_536, 65_537, 5 * mib + 1, 30 * mib] as const

type Headers = Readonly<Record<string, string>>

interface Mode {
  readonly name: string
  /** To write as the source, and as the destination (another key where there is a choice). */
  readonly asSource: Headers
  readonly asDestination: Headers
  /** To read what was written so. */
  readonly readSource: Headers
  readonly readDestination: Headers
  /** On a copy from an object of this mode. */
  readonly copySource: Headers
  /** Its ETag is the MD5 of its content. */
  readonly promisesMd5: boolean
}

const modes: readonly Mode[] = [
  {
    name: 'none',
    asSource: {},
    asDestination: {},
    readSource: {},
    readDestination: {},
    copySource: {},
    promisesMd5: true,
  },
  {
    name: 'SSE-S3',
    asSource: sseS3,
    asDestination: sseS3,
    readSource: {},
    readDestination: {},
    copySource: {},
    promisesMd5: true,
  },
  {
    name: 'SSE-KMS',
    asSource: sseKms('matrix-a', '{"team":"a"}'),
    asDestination: sseKms('matrix-b'),
    readSource: {},
    readDestination: {},
    copySource: {},
    promisesMd5: false,
  },
  {
    name: 'SSE-C',
    asSource: sseC(keyOne),
    asDestination: sseC(keyTwo),
    readSource: sseC(keyOne),
    readDestination: sseC(keyTwo),
    copySource: sourceSseC(keyOne),
    promisesMd5: false,
  },
]

let server: TestServer

beforeAll(async () => {
  server = await startServer({ defaultEncryption: 'none' })
  const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
  for (const name of ['matrix-a', 'matrix-b']) await server.engine.createKey({ requester, name })
  await ok({ method: 'PUT', bucket })
})

afterAll(async () => {
  await server?.stop()
})

async function ok(request: Parameters<TestServer['raw']['send']>[0]): Promise<RawResponse> {
  const answer = await server.raw.send(request)
  if (answer.status >= 300) expect.fail(`${request.method} ${request.name}: ${answer.status} ${answer.text}`)
  return answer
}

/** What the counters of copies did meanwhile. */
async function copied(copy: () => Promise<void>): Promise<{ shared: number; rewritten: number }> {
  const before = await server.copies()
  await copy()
  const after = await server.copies()
  return {
    shared: after.copiesShared - before.copiesShared,
    rewritten: after.copiesRewritten - before.copiesRewritten,
  }
}

const once = { shared: { shared: 1, rewritten: 0 }, rewritten: { shared: 0, rewritten: 1 } } as const

/** Ranges over package and part borders, clipped to the size. */
function rangesOf(size: number, partSize: number): readonly (readonly [first: number, last: number])[] {
  const borders = [0, 65_536, 131_072, partSize, size - 65_536].filter((border) => border >= 0 && border < size)
  return borders.map((border) => [Math.max(0, border - 7), Math.min(size - 1, border + 9)])
}

async function expectContent(name: string, headers: Headers, expected: Buffer, partSize = 0): Promise<void> {
  const whole = await ok({ method: 'GET', bucket, name, headers })
  expect(sameBytes(whole.body, expected)).toBe('same')
  for (const [first, last] of rangesOf(expected.length, partSize)) {
    const part = await ok({ method: 'GET', bucket, name, headers: { ...headers, range: `bytes=${first}-${last}` } })
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes ${first}-${last}/${expected.length}`])
    expect(sameBytes(part.body, expected.subarray(first, last + 1))).toBe('same')
  }
}

async function putMultipart(name: string, parts: readonly Buffer[], create: Headers, each: Headers): Promise<void> {
  const created = await ok({ method: 'POST', bucket, name, query: { uploads: undefined }, headers: create })
  const uploadId = created.element('UploadId') ?? ''
  const list: string[] = []
  for (const [index, body] of parts.entries()) {
    const query = { partNumber: String(index + 1), uploadId }
    const part = await ok({ method: 'PUT', bucket, name, query, headers: each, body })
    list.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${part.headers.etag}</ETag></Part>`)
  }
  const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
  await ok({ method: 'POST', bucket, name, query: { uploadId }, headers: each, body })
}

describe.each(modes)('copies from $name', (from) => {
  const partSize = 5 * mib
  const partsTotal = 2 * partSize + 70_000

  beforeAll(async () => {
    for (const size of sizes) {
      await ok({ method: 'PUT', bucket, name: `${from.name}/${size}`, headers: from.asSource, body: pattern(size) })
    }
    const parts = [0, 1, 2].map((n) => pattern(partsTotal).subarray(n * partSize, (n + 1) * partSize))
    await putMultipart(`${from.name}/parts`, parts, from.asSource, from.readSource)
  })

  for (const to of modes) {
    const isShared = from.promisesMd5 || !to.promisesMd5

    it.each(sizes)(`to ${to.name}: CopyObject of %d bytes`, async (size) => {
      const name = `${from.name}/to ${to.name}/${size}`
      const counts = await copied(async () => {
        const answer = await ok({
          method: 'PUT',
          bucket,
          name,
          headers: { 'x-amz-copy-source': `${bucket}/${from.name}/${size}`, ...from.copySource, ...to.asDestination },
        })
        expectEncryption(answer, to)
      })
      expect(counts).toEqual(isShared || size === 0 ? once.shared : once.rewritten)
      await expectContent(name, to.readDestination, pattern(size))
      expectEncryption(await ok({ method: 'HEAD', bucket, name, headers: to.readDestination }), to)
    })

    it(`to ${to.name}: CopyObject of three parts`, async () => {
      const name = `${from.name}/to ${to.name}/parts`
      const counts = await copied(async () => {
        await ok({
          method: 'PUT',
          bucket,
          name,
          headers: { 'x-amz-copy-source': `${bucket}/${from.name}/parts`, ...from.copySource, ...to.asDestination },
        })
      })
      // The ETag of several parts is no MD5 of the whole, whatever the encryption.
      expect(counts).toEqual(to.promisesMd5 ? once.rewritten : once.shared)
      await expectContent(name, to.readDestination, pattern(partsTotal), partSize)
    })

    it(`to ${to.name}: UploadPartCopy of whole objects and of ranges`, async () => {
      const name = `${from.name}/to ${to.name}/part copies`
      const whole = 5 * mib + 1
      // Every part but the last has to have 5 MiB.
      const ranges = [undefined, [65_530, 65_530 + 5 * mib], undefined, [65_535, 131_073]] as const
      const created = await ok({
        method: 'POST',
        bucket,
        name,
        query: { uploads: undefined },
        headers: to.asDestination,
      })
      const uploadId = created.element('UploadId') ?? ''
      const list: string[] = []
      const contents: Buffer[] = []
      for (const [index, range] of ranges.entries()) {
        const source = range === undefined ? whole : 30 * mib
        const counts = await copied(async () => {
          const part = await ok({
            method: 'PUT',
            bucket,
            name,
            query: { partNumber: String(index + 1), uploadId },
            headers: {
              'x-amz-copy-source': `${bucket}/${from.name}/${source}`,
              ...(range === undefined ? {} : { 'x-amz-copy-source-range': `bytes=${range[0]}-${range[1]}` }),
              ...from.copySource,
              ...to.readDestination,
            },
          })
          list.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${part.element('ETag')}</ETag></Part>`)
        })
        expect([range, counts]).toEqual([range, range === undefined && isShared ? once.shared : once.rewritten])
        contents.push(range === undefined ? pattern(whole) : pattern(30 * mib).subarray(range[0], range[1] + 1))
      }
      const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
      await ok({ method: 'POST', bucket, name, query: { uploadId }, headers: to.readDestination, body })
      await expectContent(name, to.readDestination, Buffer.concat(contents), whole)
    })
  }
})

function expectEncryption(answer: RawResponse, mode: Mode): void {
  const sse = 'x-amz-server-side-encryption'
  const expected = { ...mode.asDestination }
  expect(answer.headers[sse]).toBe(expected[sse])
  expect(answer.headers[`${sse}-aws-kms-key-id`]).toBe(expected[`${sse}-aws-kms-key-id`])
  expect(answer.headers[`${sse}-customer-algorithm`]).toBe(expected[`${sse}-customer-algorithm`])
  expect(answer.headers[`${sse}-customer-key-md5`]).toBe(expected[`${sse}-customer-key-md5`])
  expect(answer.headers[`${sse}-customer-key`]).toBeUndefined()
}
