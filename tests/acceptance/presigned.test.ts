/**
 * Requests without a signature, with a wrong one, with an old one; presigned URLs, by hand and by the AWS SDK.
 *
 * @module
 */

import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC } from '../support/encryption-headers.ts'
import { sdkClient } from '../support/sdk-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'presigned'
const name = 'a b+c'
let server: TestServer
/** Does not sign the checksum of a body that is not there yet. */
let sdk: S3Client

beforeAll(async () => {
  server = await startServer()
  const { endpoint, credentials, region } = server
  sdk = sdkClient(endpoint, credentials, region, { requestChecksumCalculation: 'WHEN_REQUIRED' })
  await server.raw.send({ method: 'PUT', bucket })
  await server.raw.send({ method: 'PUT', bucket, name, body: 'data' })
})

afterAll(async () => {
  sdk?.destroy()
  await server?.stop()
})

const get = { method: 'GET', bucket, name } as const

describe('a request', () => {
  it('without a signature is denied', async () => {
    const answer = await server.raw.send({ ...get, auth: 'none' })
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
  })

  it('of an unknown access key is refused', async () => {
    const credentials = { accessKeyId: 'SRAKNOBODY', secretAccessKey: 'x' }
    const answer = await server.raw.send({ ...get, credentials })
    expect([answer.status, answer.code, answer.element('AWSAccessKeyId')]).toEqual([
      403,
      'InvalidAccessKeyId',
      'SRAKNOBODY',
    ])
  })

  it('signed with a wrong secret is refused', async () => {
    const credentials = { ...server.credentials, secretAccessKey: 'wrong' }
    const answer = await server.raw.send({ ...get, credentials })
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
    expect(answer.text).not.toContain(server.credentials.secretAccessKey)
  })

  it('signed 16 minutes ago or ahead is refused', async () => {
    for (const minutes of [-16, 16]) {
      const answer = await server.raw.send({ ...get, now: () => Date.now() + minutes * 60_000 })
      expect([answer.status, answer.code]).toEqual([403, 'RequestTimeTooSkewed'])
    }
  })

  it('for another region is told which one is right', async () => {
    const answer = await server.raw.send({ ...get, region: 'eu-nowhere-1' })
    expect([answer.status, answer.code, answer.element('Region')]).toEqual([
      400,
      'AuthorizationHeaderMalformed',
      server.region,
    ])
  })

  it('with a token is refused: none are given out', async () => {
    const answer = await server.raw.send({ ...get, headers: { 'x-amz-security-token': 'x' } })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidToken'])
  })

  it("on another account's bucket is denied, or told that the name is taken", async () => {
    const other = await server.accounts.createAccount('stranger')
    for (const request of [
      get,
      { method: 'GET', bucket },
      { method: 'PUT', bucket, name: 'x', body: '' },
      { method: 'HEAD', bucket },
    ]) {
      expect((await server.raw.send({ ...request, credentials: other })).status).toBe(403)
    }
    const taken = await server.raw.send({ method: 'PUT', bucket, credentials: other })
    expect([taken.status, taken.code]).toEqual([409, 'BucketAlreadyExists'])
    const copy = { 'x-amz-copy-source': `/${bucket}/${encodeURIComponent(name)}` }
    await server.raw.send({ method: 'PUT', bucket: 'strangers', credentials: other })
    const copied = await server.raw.send({
      method: 'PUT',
      bucket: 'strangers',
      name: 'x',
      headers: copy,
      credentials: other,
    })
    expect([copied.status, copied.code]).toEqual([403, 'AccessDenied'])
  })

  it('that expects another owner of the bucket is denied', async () => {
    const headers = { 'x-amz-expected-bucket-owner': '123456789012' }
    expect((await server.raw.send({ ...get, headers })).status).toBe(403)
    const right = { 'x-amz-expected-bucket-owner': server.accounts.rootAccountId }
    expect((await server.raw.send({ ...get, headers: right })).status).toBe(200)
  })

  it('of a key that was revoked is refused at once', async () => {
    const other = await server.accounts.createAccount('revoked')
    expect((await server.raw.send({ method: 'GET', credentials: other })).status).toBe(200)
    await server.accounts.deleteAccessKey(other.accessKeyId)
    const answer = await server.raw.send({ method: 'GET', credentials: other })
    expect([answer.status, answer.code]).toEqual([403, 'InvalidAccessKeyId'])
  })
})

describe('a presigned URL', () => {
  it('reads and writes', async () => {
    expect((await server.raw.send({ ...get, auth: 'query' })).text).toBe('data')
    const put = { method: 'PUT', bucket, name: 'written', body: 'by URL', auth: 'query' } as const
    expect((await server.raw.send(put)).status).toBe(200)
    expect((await server.raw.send({ ...get, name: 'written' })).text).toBe('by URL')
  })

  it('is good for its method, name and time only', async () => {
    const url = server.raw.presign(get)
    expect((await server.raw.sendAsIs('GET', url)).status).toBe(200)
    expect((await server.raw.sendAsIs('DELETE', url)).code).toBe('SignatureDoesNotMatch')
    expect((await server.raw.sendAsIs('GET', url.replace('a%20b', 'a%20c'))).code).toBe('SignatureDoesNotMatch')
    const old = server.raw.presign({ ...get, expiresSeconds: 60, now: () => Date.now() - 61_000 })
    const expired = await server.raw.sendAsIs('GET', old)
    expect([expired.status, expired.code, expired.message]).toEqual([403, 'AccessDenied', 'Request has expired'])
  })

  it('with a parameter in it twice is refused, in whatever order: its signature covers them sorted', async () => {
    for (const [first, second] of [
      ['versionId=null', 'versionId=nothing'],
      ['X-Amz-Expires=300', 'X-Amz-Expires=600'],
      ['x-amz-server-side-encryption=AES256', 'X-Amz-Server-Side-Encryption=aws%3Akms'],
    ]) {
      const url = server.raw.presign(get)
      for (const twice of [`${first}&${second}`, `${second}&${first}`]) {
        const answer = await server.raw.sendAsIs('GET', `${url}&${twice}`)
        expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
      }
    }
  })

  it('may not live longer than a week', async () => {
    const url = server.raw.presign(get).replace('X-Amz-Expires=300', 'X-Amz-Expires=604801')
    const answer = await server.raw.sendAsIs('GET', url)
    expect([answer.status, answer.code]).toEqual([400, 'AuthorizationQueryParametersError'])
  })

  it('of the SDK gives the object the encryption and metadata that it was signed for', async () => {
    const sse = 'x-amz-server-side-encryption'
    const command = (Key: string) =>
      new PutObjectCommand({ Bucket: bucket, Key, ServerSideEncryption: 'aws:kms', Metadata: { a: 'b' } })
    const header = new URL(await getSignedUrl(sdk, command('header')))
    expect(header.searchParams.get(sse)).toBeNull()
    const bare = await server.raw.sendAsIs('PUT', header.pathname + header.search, {}, 'data')
    expect([bare.status, bare.code]).toEqual([403, 'SignatureDoesNotMatch'])
    const sent = await server.raw.sendAsIs('PUT', header.pathname + header.search, { [sse]: 'aws:kms' }, 'data')
    expect([sent.status, sent.headers[sse]]).toEqual([200, 'aws:kms'])
    const url = new URL(await getSignedUrl(sdk, command('hoisted'), { hoistableHeaders: new Set([sse]) }))
    expect(url.searchParams.get(sse)).toBe('aws:kms')
    const written = await server.raw.sendAsIs('PUT', url.pathname + url.search, {}, 'data')
    expect([written.status, written.headers['x-amz-server-side-encryption']]).toEqual([200, 'aws:kms'])
    const head = await server.raw.send({ method: 'HEAD', bucket, name: 'hoisted' })
    expect(head.headers).toMatchObject({ 'x-amz-server-side-encryption': 'aws:kms', 'x-amz-meta-a': 'b' })
    const read = new URL(await getSignedUrl(sdk, new GetObjectCommand({ Bucket: bucket, Key: 'hoisted' })))
    expect((await server.raw.sendAsIs('GET', read.pathname + read.search)).text).toBe('data')
  })

  it('with a customer key in it is refused', async () => {
    const answer = await server.raw.send({
      method: 'PUT',
      bucket,
      name: 'leak',
      auth: 'query',
      query: sseC(keyOne),
      body: 'x',
    })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
    expect(answer.text).not.toContain(keyOne.base64)
  })
})
