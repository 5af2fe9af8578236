/**
 * Dual-layer encryption over the network (server-side-encryption.md 1.5 row 5): accepted and echoed wherever SSE-KMS is.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dsseKms, keyOne, sourceSseC, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'dual'
const sse = 'x-amz-server-side-encryption'
const content = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff))
let server: TestServer

beforeAll(async () => {
  server = await startServer({ hasNoWorkers: true })
  await server.raw.send({ method: 'PUT', bucket })
})
afterAll(async () => {
  await server?.stop()
})

function expectDual(answer: RawResponse, keyId = 'strongroom-default'): void {
  expect([answer.status, answer.headers[sse], answer.headers[`${sse}-aws-kms-key-id`]]).toEqual([
    200,
    'aws:kms:dsse',
    keyId,
  ])
  expect(answer.headers[`${sse}-bucket-key-enabled`]).toBeUndefined()
}

const put = (name: string, headers: Readonly<Record<string, string>>, body: Uint8Array | string = content) =>
  server.raw.send({ method: 'PUT', bucket, name, headers, body })
const get = (name: string, headers = {}) => server.raw.send({ method: 'GET', bucket, name, headers })
const copy = (from: string, name: string, headers: Readonly<Record<string, string>>) =>
  server.raw.send({ method: 'PUT', bucket, name, headers: { 'x-amz-copy-source': `/${bucket}/${from}`, ...headers } })

describe('dual-layer encryption', () => {
  it('is echoed by PUT, with key and context, by GET and by HEAD', async () => {
    const written = await put('x', dsseKms('strongroom-default', '{"team":"blue"}'))
    expectDual(written)
    expect(written.headers[`${sse}-context`]).toBe(Buffer.from('{"team":"blue"}').toString('base64'))
    const read = await get('x')
    expectDual(read)
    expect(read.body.equals(content)).toBe(true)
    const range = await get('x', { range: 'bytes=65530-131080' })
    expect([range.status, range.body.equals(content.subarray(65_530, 131_081))]).toEqual([206, true])
    expectDual(await server.raw.send({ method: 'HEAD', bucket, name: 'x' }))
    for (const size of [0, 1, 10]) {
      expectDual(await put('small', dsseKms(), content.subarray(0, size)))
      expect((await get('small')).body.equals(content.subarray(0, size))).toBe(true)
    }
  })

  it('is echoed by every step of an upload, and by the object that it makes', async () => {
    const name = 'upload'
    const created = await server.raw.send({
      method: 'POST',
      bucket,
      name,
      query: { uploads: undefined },
      headers: dsseKms(),
    })
    expectDual(created)
    const uploadId = created.element('UploadId') ?? ''
    const part = await server.raw.send({
      method: 'PUT',
      bucket,
      name,
      query: { partNumber: '1', uploadId },
      body: content,
    })
    expectDual(part)
    const completed = await server.raw.send({
      method: 'POST',
      bucket,
      name,
      query: { uploadId },
      body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`,
    })
    expectDual(completed)
    expect((await get(name)).body.equals(content)).toBe(true)
  })

  it.each([
    ['dual', dsseKms(), {}, 'shared'],
    ['kms', sseKms(), {}, 'rewritten'],
    ['s3', sseS3, {}, 'rewritten'],
    ['customer', sseC(keyOne), sourceSseC(keyOne), 'rewritten'],
  ] as const)(
    'is copied to and from %s, and shares the data where the layers are the same',
    async (mode, headers, key, how) => {
      const counted = async (action: () => Promise<RawResponse>): Promise<RawResponse> => {
        const before = server.engine.stats()
        const answer = await action()
        const after = server.engine.stats()
        expect(after.copiesShared - before.copiesShared).toBe(how === 'shared' ? 1 : 0)
        expect(after.copiesRewritten - before.copiesRewritten).toBe(how === 'rewritten' ? 1 : 0)
        return answer
      }
      await put('source', headers)
      expectDual(await counted(() => copy('source', 'to-dual', { ...dsseKms(), ...key })))
      expect((await get('to-dual')).body.equals(content)).toBe(true)
      const back = await counted(() => copy('to-dual', `to-${mode}`, headers))
      expect(back.status).toBe(200)
      expect((await get(`to-${mode}`, mode === 'customer' ? headers : {})).body.equals(content)).toBe(true)
    },
  )

  it('is what a bucket gives by default if its rule says so', async () => {
    const rule =
      '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>' +
      '<KMSMasterKeyID>strongroom-default</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'
    const at = { bucket: 'by-default', query: { encryption: undefined } }
    await server.raw.send({ method: 'PUT', bucket: 'by-default' })
    expect((await server.raw.send({ method: 'PUT', ...at, body: rule })).status).toBe(200)
    expect((await server.raw.send({ method: 'GET', ...at })).element('SSEAlgorithm')).toBe('aws:kms:dsse')
    expectDual(await server.raw.send({ method: 'PUT', bucket: 'by-default', name: 'x', body: 'x' }))
    const withBucketKey = rule.replace('</Rule>', '<BucketKeyEnabled>true</BucketKeyEnabled></Rule>')
    const refused = await server.raw.send({ method: 'PUT', ...at, body: withBucketKey })
    expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument'])
  })

  it('needs no key service for LIST and HEAD', async () => {
    server.kms.cut()
    try {
      const listed = await server.raw.send({ method: 'GET', bucket, query: { prefix: 'x' } })
      expect(listed.elements('Size')).toEqual([String(content.length)])
      expectDual(await server.raw.send({ method: 'HEAD', bucket, name: 'x' }))
      expect((await get('x')).status).toBe(503)
    } finally {
      server.kms.restore()
    }
  })
})
