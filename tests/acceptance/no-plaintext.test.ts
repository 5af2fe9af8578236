/**
 * Nothing that was written under whatever encryption, no digest of it, no key and no secret stands on the disk, in a log, in a
 * metric or in an error in a form in which it could be found (promise 3 of DESIGN 1).
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'hidden'
let server: TestServer

/** What must not be found, by what it is. */
const secrets = new Map<string, Uint8Array>()

function hide(what: string, secret: Uint8Array): void {
  secrets.set(what, secret)
  secrets.set(`${what} in base64`, Buffer.from(Buffer.from(secret).toString('base64').replace(/=+$/, '')))
  secrets.set(`${what} in hexadecimal`, Buffer.from(Buffer.from(secret).toString('hex')))
}

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const key = randomBytes(32)
const customerKey = { base64: key.toString('base64'), md5: md5Of(key) }
const modes = { none: {}, 'sse-s3': sseS3, 'sse-kms': sseKms(), 'sse-c': sseC(customerKey) } as const

beforeAll(async () => {
  server = await startServer({ defaultEncryption: 'none', hasNoWorkers: true })
  hide('the key of a customer', key)
  hide('the secret of the first account', Buffer.from(server.credentials.secretAccessKey))
  const other = await server.accounts.createAccount('other')
  hide('the secret of an account', Buffer.from(other.secretAccessKey))
  await server.raw.send({ method: 'GET', credentials: other })
  await server.raw.send({ method: 'PUT', bucket })
  for (const [mode, headers] of Object.entries(modes)) {
    for (const size of [50, 5000, 300_000]) {
      // The same 32 bytes over and over: wherever a piece of plaintext stood, they would be found.
      const marker = randomBytes(32)
      const content = Buffer.alloc(size, marker)
      hide(`content of ${size} bytes under ${mode}`, marker)
      hide(`MD5 of ${size} bytes under ${mode}`, createHash('md5').update(content).digest())
      const sha256 = createHash('sha256').update(content).digest()
      hide(`SHA-256 of ${size} bytes under ${mode}`, sha256)
      const name = `${mode}/${size}`
      const sum = { 'x-amz-checksum-sha256': sha256.toString('base64') }
      const put = { method: 'PUT', bucket, name, headers: { ...headers, ...sum }, body: content } as const
      expect((await server.raw.send({ ...put, payloadHash: 'UNSIGNED-PAYLOAD' })).status).toBe(200)
      const read = mode === 'sse-c' ? headers : {}
      expect((await server.raw.send({ method: 'GET', bucket, name, headers: read })).status).toBe(200)
      await multipart(`${name}/parts`, headers, read, content)
    }
  }
  await server.raw.send({ method: 'GET', bucket, name: 'url', auth: 'query' })
  // SSE-KMS asks for a data key for each object and upload, SSE-S3 once for the bucket.
  expect(server.kms.dataKeys.length).toBeGreaterThanOrEqual(7)
  for (const [index, dataKey] of server.kms.dataKeys.entries()) hide(`data key ${index}`, dataKey)
})

async function multipart(
  name: string,
  headers: Readonly<Record<string, string>>,
  read: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<void> {
  const created = await server.raw.send({ method: 'POST', bucket, name, query: { uploads: undefined }, headers })
  const uploadId = created.element('UploadId') ?? ''
  const query = { uploadId, partNumber: '1' }
  const part = await server.raw.send({
    method: 'PUT',
    bucket,
    name,
    query,
    headers: read,
    body,
    payloadHash: 'UNSIGNED-PAYLOAD',
  })
  const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
  const done = await server.raw.send({ method: 'POST', bucket, name, query: { uploadId }, headers: read, body: list })
  expect(done.status).toBe(200)
}

afterAll(async () => {
  await server?.stop()
})

const foundIn = (bytes: Buffer): string[] =>
  [...secrets].filter(([, secret]) => bytes.indexOf(secret) >= 0).map(([what]) => what)

describe('what must stay hidden', () => {
  it('is in no file that the server keeps', async () => {
    const files = await readdir(server.directory, { recursive: true, withFileTypes: true })
    let bytes = 0
    for (const file of files) {
      if (!file.isFile()) continue
      const content = await readFile(join(file.parentPath, file.name))
      bytes += content.length
      expect([file.name, foundIn(content)]).toEqual([file.name, []])
    }
    // The search was one: twelve objects and as many multipart ones, those of 300,000 bytes in files of their own.
    expect(bytes).toBeGreaterThan(2_400_000)
  })

  it('is in no log', async () => {
    expect(server.accessLog.length).toBeGreaterThan(50)
    const lines = Buffer.from([...server.accessLog, ...server.faults].join('\n'))
    expect(foundIn(lines)).toEqual([])
    // The signed URL was logged, without what makes it one.
    expect(lines.includes('X-Amz-Signature=')).toBe(true)
    expect(/X-Amz-(Signature|Credential)=(?!REDACTED)/.exec(lines.toString())).toBeNull()
    expect(server.faults).toEqual([])
  })

  it('is in no metric and in no error', async () => {
    const metrics = await server.raw.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })
    expect([metrics.status, metrics.text.includes('strongroom_')]).toEqual([200, true])
    expect(foundIn(metrics.body)).toEqual([])
    const name = 'sse-c/5000'
    const body = 'other content'
    const wrong = { ...sseC(customerKey), 'x-amz-checksum-sha256': createHash('sha256').update('x').digest('base64') }
    const otherKey = sseC({ base64: Buffer.alloc(32, 1).toString('base64'), md5: md5Of(Buffer.alloc(32, 1)) })
    const mixed = { ...sseC(customerKey), 'x-amz-server-side-encryption-customer-key-md5': md5Of(Buffer.alloc(3)) }
    const requests = [
      { method: 'GET', bucket, name },
      { method: 'GET', bucket, name, headers: otherKey },
      { method: 'GET', bucket, name, headers: mixed },
      { method: 'PUT', bucket, name: 'new', headers: wrong, body },
      { method: 'PUT', bucket, name: 'new', headers: { ...sseC(customerKey), ...sseS3 }, body },
      { method: 'GET', bucket, name, credentials: { ...server.credentials, secretAccessKey: 'a wrong secret' } },
    ]
    for (const request of requests) {
      const answer = await server.raw.send(request)
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(foundIn(Buffer.from(`${JSON.stringify(answer.headers)}${answer.text}`))).toEqual([])
    }
  })

  it('would have been found', () => {
    for (const [what, secret] of secrets) {
      expect(foundIn(Buffer.concat([randomBytes(100), secret, randomBytes(100)]))).toContain(what)
    }
  })
})
