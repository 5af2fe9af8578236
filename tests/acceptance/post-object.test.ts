/**
 * Browser forms: policy, fields, file, encryption fields, the three kinds of answer.
 *
 * @module
 */

import { PutBucketEncryptionCommand } from '@aws-sdk/client-s3'
import { createPresignedPost, type PresignedPostOptions } from '@aws-sdk/s3-presigned-post'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import { pattern, sameBytes } from '../support/pattern.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'forms'
let server: TestServer

type Fields = Readonly<Record<string, string>>

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  await server?.stop()
})

/** The fields that the SDK makes for a form whose policy allows exactly `fields`. */
async function signedFields(
  key: string,
  fields: Fields,
  conditions: PresignedPostOptions['Conditions'] = [],
): Promise<Fields> {
  const post = await createPresignedPost(server.sdk, {
    Bucket: bucket,
    Key: key,
    Fields: { ...fields },
    Conditions: conditions,
    Expires: 300,
  })
  return post.fields
}

interface Form {
  readonly fields: Fields
  readonly file: Uint8Array | string
  readonly filename?: string
  readonly after?: string
}

async function post({ fields, file, filename = 'f.txt', after = '' }: Form, to = bucket): Promise<RawResponse> {
  const boundary = '----form7MA4YWxkTrZu0gW'
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n`
  const body = Buffer.concat([
    Buffer.from(parts.join('') + head),
    Buffer.from(file),
    Buffer.from(`\r\n${after}--${boundary}--\r\n`),
  ])
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  return await server.raw.sendAsIs('POST', `/${to}`, headers, body)
}

const get = async (name: string, headers: Fields = {}): Promise<RawResponse> =>
  await server.raw.send({ method: 'GET', bucket, name, headers })

describe('a browser form', () => {
  it.each([0, 11, 300_000, 3_000_000])('stores a file of %d bytes', async (size) => {
    const name = `file ${size}`
    const fields = await signedFields(name, { 'x-amz-meta-a': 'b', 'Content-Type': 'text/x' })
    const answer = await post({ fields, file: pattern(size) })
    expect([answer.status, answer.text]).toEqual([204, ''])
    const got = await get(name)
    expect(sameBytes(got.body, pattern(size))).toBe('same')
    expect(got.headers).toMatchObject({ 'content-type': 'text/x', 'x-amz-meta-a': 'b', etag: answer.headers.etag })
  })

  it('puts the name of the file where the key says so', async () => {
    const fields = await signedFields(`user/$${'{filename}'}`, {}, [['starts-with', '$key', 'user/']])
    expect((await post({ fields, file: 'data', filename: 'photo 1.jpg' })).status).toBe(204)
    expect((await get('user/photo 1.jpg')).text).toBe('data')
  })

  it('is answered as it asks: 200, 201 with a document, or a redirect', async () => {
    const plain = await post({ fields: await signedFields('ok', { success_action_status: '200' }), file: 'x' })
    expect([plain.status, plain.text]).toEqual([200, ''])
    const made = await post({ fields: await signedFields('made', { success_action_status: '201' }), file: 'x' })
    expect([made.status, made.element('Bucket'), made.element('Key')]).toEqual([201, bucket, 'made'])
    expect(made.element('ETag')).toBe(made.headers.etag)
    const target = 'https://example.com/done?a=b'
    const moved = await post({ fields: await signedFields('moved', { success_action_redirect: target }), file: 'x' })
    expect(moved.status).toBe(303)
    const location = new URL(String(moved.headers.location))
    expect([location.origin, location.searchParams.get('a'), location.searchParams.get('key')]).toEqual([
      'https://example.com',
      'b',
      'moved',
    ])
    expect(location.searchParams.get('etag')).toBe(moved.headers.etag)
  })

  it('is encrypted as its fields say', async () => {
    const kms = await post({ fields: await signedFields('kms', sseKms()), file: 'secret' })
    expect([kms.status, kms.headers['x-amz-server-side-encryption']]).toEqual([204, 'aws:kms'])
    expect((await get('kms')).headers['x-amz-server-side-encryption']).toBe('aws:kms')
    const customer = await post({ fields: await signedFields('customer', sseC(keyOne)), file: 'secret' })
    expect(customer.status).toBe(204)
    expect((await get('customer')).status).toBe(400)
    expect((await get('customer', sseC(keyOne))).text).toBe('secret')
  })

  it("is encrypted as its bucket's rule says when it says nothing", async () => {
    await server.raw.send({ method: 'PUT', bucket: 'forms-kms' })
    await server.sdk.send(
      new PutBucketEncryptionCommand({
        Bucket: 'forms-kms',
        ServerSideEncryptionConfiguration: {
          Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }],
        },
      }),
    )
    const { fields } = await createPresignedPost(server.sdk, { Bucket: 'forms-kms', Key: 'x' })
    expect((await post({ fields, file: 'x' }, 'forms-kms')).headers['x-amz-server-side-encryption']).toBe('aws:kms')
  })

  it('may not mix encryptions, nor ask for unknown ones', async () => {
    const mixed = await signedFields('mixed', { ...sseC(keyOne), 'x-amz-server-side-encryption': 'AES256' })
    const conflict = await post({ fields: mixed, file: 'x' })
    expect([conflict.status, conflict.code]).toEqual([400, 'InvalidArgument'])
    const unknown = await signedFields('unknown', { 'x-amz-server-side-encryption': 'AES512' })
    expect((await post({ fields: unknown, file: 'x' })).code).toBe('InvalidArgument')
    const edges = { ...sseKms(' edges ') }
    expect((await post({ fields: await signedFields('edges', edges), file: 'x' })).code).toBe('KMS.NotFoundException')
  })

  it('may have no field that its policy does not name, customer keys included', async () => {
    const fields = await signedFields('covered', {})
    for (const extra of [{ 'x-amz-meta-a': 'b' }, { 'x-amz-server-side-encryption': 'AES256' }, sseC(keyOne)]) {
      const answer = await post({ fields: { ...fields, ...extra }, file: 'x' })
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      expect(answer.text).not.toContain(keyOne.base64)
    }
    expect((await post({ fields: { ...fields, 'x-ignore-this': 'x' }, file: 'x' })).status).toBe(204)
  })

  it('is refused with a wrong signature, an old policy, another key, or none of them', async () => {
    const fields = await signedFields('exact', {})
    const wrong = await post({ fields: { ...fields, 'X-Amz-Signature': '0'.repeat(64) }, file: 'x' })
    expect([wrong.status, wrong.code]).toEqual([403, 'SignatureDoesNotMatch'])
    const other = await post({ fields: { ...fields, key: 'other' }, file: 'x' })
    expect([other.status, other.code]).toEqual([403, 'AccessDenied'])
    const anonymous = await post({ fields: { key: 'anonymous' }, file: 'x' })
    expect([anonymous.status, anonymous.code]).toEqual([403, 'AccessDenied'])
  })

  it('keeps the file within the length that the policy allows', async () => {
    for (const [size, status, code] of [
      [9, 400, 'EntityTooSmall'],
      [10, 204, undefined],
      [20, 204, undefined],
      [21, 400, 'EntityTooLarge'],
    ] as const) {
      const fields = await signedFields(`length ${size}`, {}, [['content-length-range', 10, 20]])
      const answer = await post({ fields, file: 'x'.repeat(size) })
      expect([size, answer.status, answer.code]).toEqual([size, status, code])
    }
    const fields = await signedFields('long', {}, [['content-length-range', 0, 1_000_000]])
    expect((await post({ fields, file: pattern(2_000_000) })).code).toBe('EntityTooLarge')
    expect((await get('long')).status).toBe(404)
  })

  it('may go on after a small file, but not after a large one', async () => {
    const after = '------form7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name="late"\r\n\r\nvalue\r\n'
    expect((await post({ fields: await signedFields('early', {}), file: 'small', after })).status).toBe(204)
    expect((await get('early')).text).toBe('small')
    const late = await post({ fields: await signedFields('late', {}), file: pattern(2_000_000), after })
    expect([late.status, late.code]).toEqual([400, 'MalformedPOSTRequest'])
    expect((await get('late')).status).toBe(404)
  })

  it('has a key, and a body that is a form', async () => {
    const { key: _, ...fields } = await signedFields('no key', {})
    const missing = await post({ fields, file: 'x' })
    expect(missing.status).toBeGreaterThanOrEqual(400)
    const other = await server.raw.sendAsIs('POST', `/${bucket}`, { 'content-type': 'application/json' }, '{}')
    expect([other.status, other.code]).toEqual([412, 'PreconditionFailed'])
  })
})
