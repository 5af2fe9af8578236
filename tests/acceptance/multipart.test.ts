/**
 * Multipart uploads: all seven calls, order and re-upload of parts, what Complete refuses, listings of parts and uploads.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import { pattern, sameBytes } from '../support/pattern.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'multipart'
const mib = 1024 * 1024
const five = pattern(5 * mib)
let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  await server?.stop()
})

type Headers = Record<string, string>

async function create(name: string, headers: Headers = {}): Promise<string> {
  const answer = await server.raw.send({ method: 'POST', bucket, name, query: { uploads: undefined }, headers })
  expect([answer.status, answer.element('Bucket'), answer.element('Key')]).toEqual([200, bucket, name])
  return answer.element('UploadId') ?? ''
}

const upload = async (
  name: string,
  uploadId: string,
  number: number,
  body: Uint8Array | string,
  headers: Headers = {},
) =>
  await server.raw.send({ method: 'PUT', bucket, name, query: { partNumber: String(number), uploadId }, headers, body })

const etagOf = (answer: RawResponse): string => String(answer.headers.etag)

async function complete(
  name: string,
  uploadId: string,
  parts: readonly (readonly [number: number, etag: string])[],
  headers: Headers = {},
): Promise<RawResponse> {
  const list = parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join('')}</CompleteMultipartUpload>`
  return await server.raw.send({ method: 'POST', bucket, name, query: { uploadId }, headers, body })
}

const md5 = (content: Uint8Array): Buffer => createHash('md5').update(content).digest()

describe('a multipart upload', () => {
  it.each([
    ['the default', {}, {}],
    ['SSE-KMS', sseKms(), {}],
    ['SSE-C', sseC(keyOne), sseC(keyOne)],
  ])('under %s joins parts sent in any order, the last of each number', async (mode, write, read) => {
    const name = `any order ${mode}`
    const uploadId = await create(name, { ...write, 'x-amz-meta-a': 'b', 'content-type': 'text/x' })
    const last = await upload(name, uploadId, 10_000, 'the end', read)
    await upload(name, uploadId, 7, 'thrown away', read)
    const second = await upload(name, uploadId, 7, five, read)
    const backwards = Buffer.from(five).reverse()
    const first = await upload(name, uploadId, 3, backwards, read)
    const content = Buffer.concat([backwards, five, Buffer.from('the end')])
    const done = await complete(
      name,
      uploadId,
      [
        [3, etagOf(first)],
        [7, etagOf(second)],
        [10_000, etagOf(last)],
      ],
      read,
    )
    expect([done.status, done.element('Bucket'), done.element('Key')]).toEqual([200, bucket, name])
    const got = await server.raw.send({ method: 'GET', bucket, name, headers: read })
    expect(sameBytes(got.body, content)).toBe('same')
    expect(got.headers).toMatchObject({ etag: done.element('ETag'), 'x-amz-meta-a': 'b', 'content-type': 'text/x' })
    const part = await server.raw.send({ method: 'GET', bucket, name, query: { partNumber: '7' }, headers: read })
    expect([part.status, part.headers['x-amz-mp-parts-count']]).toEqual([206, '3'])
    expect(sameBytes(part.body, content.subarray(5 * mib, 10 * mib))).toBe('same')
  })

  it('has the MD5 of its parts for an entity tag', async () => {
    const uploadId = await create('tag')
    const parts = [five, Buffer.from('end')]
    const etags = await Promise.all(parts.map(async (body, n) => etagOf(await upload('tag', uploadId, n + 1, body))))
    expect(etags).toEqual(parts.map((body) => `"${md5(body).toString('hex')}"`))
    const done = await complete(
      'tag',
      uploadId,
      etags.map((etag, n) => [n + 1, etag] as const),
    )
    expect(done.element('ETag')).toBe(`"${md5(Buffer.concat(parts.map(md5))).toString('hex')}-2"`)
  })

  it('is completed once more with the same answer', async () => {
    const uploadId = await create('twice')
    const etag = etagOf(await upload('twice', uploadId, 1, 'only'))
    const [first, second] = [
      await complete('twice', uploadId, [[1, etag]]),
      await complete('twice', uploadId, [[1, etag]]),
    ]
    expect([first.status, second.status, second.element('ETag')]).toEqual([200, 200, first.element('ETag')])
  })

  it('is refused with parts that are missing, out of order, too small or none', async () => {
    const uploadId = await create('refused')
    const [one, two] = [await upload('refused', uploadId, 1, 'a'), await upload('refused', uploadId, 2, 'b')]
    const cases: readonly (readonly [string, readonly (readonly [number, string])[]])[] = [
      [
        'InvalidPart',
        [
          [1, etagOf(one)],
          [3, etagOf(two)],
        ],
      ],
      ['InvalidPart', [[1, etagOf(two)]]],
      [
        'InvalidPartOrder',
        [
          [2, etagOf(two)],
          [1, etagOf(one)],
        ],
      ],
      [
        'EntityTooSmall',
        [
          [1, etagOf(one)],
          [2, etagOf(two)],
        ],
      ],
      ['MalformedXML', []],
    ]
    for (const [code, parts] of cases) {
      const answer = await complete('refused', uploadId, parts)
      expect([answer.status, answer.code]).toEqual([400, code])
    }
    const broken = await server.raw.send({ method: 'POST', bucket, name: 'refused', query: { uploadId }, body: '<a' })
    expect(broken.code).toBe('MalformedXML')
    expect((await server.raw.send({ method: 'GET', bucket, name: 'refused' })).code).toBe('NoSuchKey')
  })

  it('takes part numbers from 1 to 10,000', async () => {
    const uploadId = await create('numbers')
    for (const number of [0, 10_001, -1]) {
      const answer = await upload('numbers', uploadId, number, 'x')
      expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
    }
  })

  it('that was aborted takes no more parts and leaves nothing', async () => {
    const uploadId = await create('aborted')
    const etag = etagOf(await upload('aborted', uploadId, 1, 'x'))
    const abort = async () => await server.raw.send({ method: 'DELETE', bucket, name: 'aborted', query: { uploadId } })
    expect((await abort()).status).toBe(204)
    for (const answer of [
      await upload('aborted', uploadId, 2, 'x'),
      await complete('aborted', uploadId, [[1, etag]]),
      await abort(),
    ]) {
      expect([answer.status, answer.code]).toEqual([404, 'NoSuchUpload'])
    }
  })

  it('holds up the removal of its bucket in no way', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'going' })
    const created = await server.raw.send({ method: 'POST', bucket: 'going', name: 'x', query: { uploads: undefined } })
    expect(created.status).toBe(200)
    const answer = await server.raw.send({ method: 'DELETE', bucket: 'going' })
    expect(answer.status).toBe(204)
  })
})

describe('the listing of parts', () => {
  it('has sizes, tags and pages', async () => {
    const uploadId = await create('parts', sseKms())
    const etags = new Map<string, string>()
    for (const number of [5, 1, 3]) {
      etags.set(String(number), etagOf(await upload('parts', uploadId, number, 'x'.repeat(number))))
    }
    const first = await server.raw.send({ method: 'GET', bucket, name: 'parts', query: { uploadId, 'max-parts': '2' } })
    expect(first.elements('PartNumber')).toEqual(['1', '3'])
    expect(first.elements('Size')).toEqual(['1', '3'])
    expect(first.elements('ETag')).toEqual([etags.get('1'), etags.get('3')])
    expect([first.element('IsTruncated'), first.element('NextPartNumberMarker')]).toEqual(['true', '3'])
    const query = { uploadId, 'part-number-marker': '3' }
    const second = await server.raw.send({ method: 'GET', bucket, name: 'parts', query })
    expect([second.elements('PartNumber'), second.element('IsTruncated')]).toEqual([['5'], 'false'])
  })
})

describe('the listing of uploads', () => {
  it('has names in order, with prefix and delimiter, page by page', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'uploads' })
    const ids: string[] = []
    for (const name of ['a', 'a', 'b/1', 'b/2', 'c']) {
      const created = await server.raw.send({ method: 'POST', bucket: 'uploads', name, query: { uploads: undefined } })
      ids.push(`${name} ${created.element('UploadId')}`)
    }
    const found: string[] = []
    let markers: Record<string, string> = {}
    for (let isLast = false; !isLast; ) {
      const query = { uploads: undefined, 'max-uploads': '2', ...markers }
      const answer = await server.raw.send({ method: 'GET', bucket: 'uploads', query })
      const uploadIds = answer.elements('UploadId')
      for (const [index, key] of answer.elements('Key').entries()) found.push(`${key} ${uploadIds[index]}`)
      isLast = answer.element('IsTruncated') === 'false'
      markers = {
        'key-marker': answer.element('NextKeyMarker') ?? '',
        'upload-id-marker': answer.element('NextUploadIdMarker') ?? '',
      }
    }
    expect(found).toEqual(ids)
    const rolled = await server.raw.send({
      method: 'GET',
      bucket: 'uploads',
      query: { uploads: undefined, delimiter: '/' },
    })
    expect(rolled.elements('Key')).toEqual(['a', 'a', 'c'])
    expect(rolled.text).toContain('<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>')
  })
})
