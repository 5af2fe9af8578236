/**
 * What `compatibility: ceph` switches (server-side-encryption.md 12, rows 22 to 27, and five things more that
 * Ceph's suite takes for granted), each beside the answer of the default.
 *
 * @module
 */

import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, keyTwo, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'dialect'
const sse = 'x-amz-server-side-encryption'
let aws: TestServer
let ceph: TestServer

beforeAll(async () => {
  ;[aws, ceph] = await Promise.all([startServer(), startServer({ compatibility: 'ceph' })])
  for (const server of [aws, ceph]) await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  await Promise.all([aws?.stop(), ceph?.stop()])
})

/** The same question to both. */
async function both<T>(ask: (server: TestServer) => Promise<T>): Promise<{ aws: T; ceph: T }> {
  return { aws: await ask(aws), ceph: await ask(ceph) }
}

async function upload(server: TestServer, headers: Readonly<Record<string, string>>): Promise<string> {
  const answer = await server.raw.send({
    method: 'POST',
    bucket,
    name: 'parts',
    query: { uploads: undefined },
    headers,
  })
  return answer.element('UploadId') ?? ''
}

describe('the dialect of Ceph', () => {
  it('no. 22: a wrong key is 400 for reads, not 403', async () => {
    const answers = await both(async ({ raw }) => {
      await raw.send({ method: 'PUT', bucket, name: 'secret', headers: sseC(keyOne), body: 'x' })
      return (await raw.send({ method: 'GET', bucket, name: 'secret', headers: sseC(keyTwo) })).status
    })
    expect(answers).toEqual({ aws: 403, ceph: 400 })
  })

  it('no. 23: a bucket without a rule has none, instead of showing the default', async () => {
    const answers = await both(async ({ raw }) => {
      const { status, code } = await raw.send({ method: 'GET', bucket, query: { encryption: undefined } })
      return [status, code]
    })
    expect(answers).toEqual({ aws: [200, undefined], ceph: [404, 'ServerSideEncryptionConfigurationNotFoundError'] })
  })

  it('no. 24: a rule with a key that does not exist is taken by both', async () => {
    const body =
      '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>fool-me-again</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'
    const answers = await both(async ({ raw }) => {
      const put = await raw.send({ method: 'PUT', bucket, query: { encryption: undefined }, body })
      const got = await raw.send({ method: 'GET', bucket, query: { encryption: undefined } })
      await raw.send({ method: 'DELETE', bucket, query: { encryption: undefined } })
      return [put.status, got.element('KMSMasterKeyID')]
    })
    expect(answers).toEqual({ aws: [200, 'fool-me-again'], ceph: [200, 'fool-me-again'] })
  })

  it('no. 25: SSE-KMS needs a key id', async () => {
    const answers = await both(
      async ({ raw }) => (await raw.send({ method: 'PUT', bucket, name: 'x', headers: sseKms(), body: 'x' })).status,
    )
    expect(answers).toEqual({ aws: 200, ceph: 400 })
  })

  it('no. 26: a completion needs the key, and shows that there is one', async () => {
    const answers = await both(async (server) => {
      const uploadId = await upload(server, sseC(keyOne))
      const query = { uploadId, partNumber: '1' }
      const part = await server.raw.send({
        method: 'PUT',
        bucket,
        name: 'parts',
        query,
        headers: sseC(keyOne),
        body: 'x',
      })
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
      const complete = { method: 'POST', bucket, name: 'parts', query: { uploadId }, body }
      const without = await server.raw.send(complete)
      const shown = await server.raw.send({ ...complete, headers: sseC(keyOne) })
      return [without.status, shown.status, shown.headers[`${sse}-customer-algorithm`]]
    })
    expect(answers).toEqual({ aws: [200, 200, undefined], ceph: [400, 200, 'AES256'] })
  })

  it('no. 27: encryption headers on a part are let pass, even with an unknown key', async () => {
    const answers = await both(async (server) => {
      const uploadId = await upload(server, sseS3)
      const query = { uploadId, partNumber: '1' }
      const headers = sseKms('no-such-key')
      return (await server.raw.send({ method: 'PUT', bucket, name: 'parts', query, headers, body: 'x' })).status
    })
    expect(answers).toEqual({ aws: 400, ceph: 200 })
  })

  it('says that a part is not there before it asks for the key of the client', async () => {
    const answers = await both(async ({ raw }) => {
      await raw.send({ method: 'PUT', bucket, name: 'whole', headers: sseC(keyOne), body: 'x' })
      const get = { method: 'GET', bucket, name: 'whole', query: { partNumber: '2' } }
      return [(await raw.send(get)).code, (await raw.send({ ...get, headers: sseC(keyOne) })).code]
    })
    expect(answers).toEqual({
      aws: ['InvalidRequest', 'InvalidPartNumber'],
      ceph: ['InvalidPart', 'InvalidPart'],
    })
  })

  it('takes browser forms signed with Signature Version 2, which AWS refuses', async () => {
    const answers = await both(async (server) => {
      const good = await server.raw.sendAsIs('POST', `/${bucket}`, formType, oldForm(server, 'form'))
      const forged = await server.raw.sendAsIs(
        'POST',
        `/${bucket}`,
        formType,
        oldForm(server, 'form', 'another secret'),
      )
      return [good.status, good.code, forged.code]
    })
    expect(answers).toEqual({
      aws: [400, 'InvalidRequest', 'InvalidRequest'],
      ceph: [204, undefined, 'SignatureDoesNotMatch'],
    })
    expect((await ceph.raw.send({ method: 'GET', bucket, name: 'form' })).text).toBe('hello')
  })

  it.each([
    ['SSE-C', sseC(keyOne), sseC(keyOne)],
    ['SSE-KMS', sseKms('strongroom-default'), {}],
  ])('a part of an %s upload that is sent again unchanged keeps its entity tag', async (_, first, again) => {
    const answers = await both(async (server) => {
      const uploads = [await upload(server, first), await upload(server, first)]
      const tagOf = async (uploadId = '', body = 'x') => {
        const query = { uploadId, partNumber: '1' }
        return (await server.raw.send({ method: 'PUT', bucket, name: 'parts', query, headers: again, body })).headers
          .etag
      }
      const tag = await tagOf(uploads[0])
      expect(tag).toMatch(/^"[0-9a-f]{32}"$/)
      expect(tag).not.toBe(`"${createHash('md5').update('x').digest('hex')}"`)
      expect(await tagOf(uploads[0], 'y')).not.toBe(tag)
      expect(await tagOf(uploads[1])).not.toBe(tag)
      return (await tagOf(uploads[0])) === tag
    })
    expect(answers).toEqual({ aws: false, ceph: true })
  })

  it('takes entity tags in If-None-Match of a write, and not only a star', async () => {
    const answers = await both(async ({ raw }) => {
      const put = async (tag?: string) => {
        const headers = tag === undefined ? {} : { 'if-none-match': tag }
        return await raw.send({ method: 'PUT', bucket, name: 'tagged', headers, body: 'x' })
      }
      const tag = String((await put()).headers.etag)
      return [(await put(tag)).code, (await put('"other"')).status, (await put('*')).code]
    })
    expect(answers).toEqual({
      aws: ['NotImplemented', 501, 'PreconditionFailed'],
      ceph: ['PreconditionFailed', 200, 'PreconditionFailed'],
    })
  })

  it('deletes by size and time, which AWS does in directory buckets only', async () => {
    const answers = await both(async ({ raw }) => {
      await raw.send({ method: 'PUT', bucket, name: 'sized', body: 'x' })
      const remove = async (size: string) => {
        const headers = { 'x-amz-if-match-size': size }
        return (await raw.send({ method: 'DELETE', bucket, name: 'sized', headers })).status
      }
      return [await remove('2'), await remove('1'), (await raw.send({ method: 'HEAD', bucket, name: 'sized' })).status]
    })
    expect(answers).toEqual({ aws: [501, 501, 200], ceph: [412, 204, 404] })
  })
})

const formType = { 'content-type': 'multipart/form-data; boundary=form' }

/** A form with the file "hello", signed as Amazon S3 did before 2014. */
function oldForm({ credentials }: TestServer, key: string, secret = credentials.secretAccessKey): Buffer {
  const conditions = [{ bucket }, { key }]
  const policy = Buffer.from(JSON.stringify({ expiration: '2099-01-01T00:00:00Z', conditions })).toString('base64')
  const signature = createHmac('sha1', secret).update(policy).digest('base64')
  const fields = { key, AWSAccessKeyId: credentials.accessKeyId, policy, signature, file: 'hello' }
  const parts = Object.entries(fields).map(
    ([name, value]) => `--form\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return Buffer.from(`${parts.join('')}--form--\r\n`)
}
