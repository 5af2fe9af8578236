/**
 * Checksums of objects: every algorithm, in headers and trailers, verified, kept and returned; `aws-chunked` in its three
 * forms; Content-MD5; whole and composite checksums of uploads.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { createChecksum, loadChecksums } from '@strongroom/crypto'
import { chunkSigning, encodeChunks, type SignedRequest } from '@strongroom/sigv4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import { pattern, sameBytes } from '../support/pattern.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'checksums'
const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
type Algorithm = (typeof algorithms)[number]
let server: TestServer

await loadChecksums()

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  await server?.stop()
})

function checksum(algorithm: Algorithm, content: Uint8Array): string {
  const state = createChecksum(algorithm)
  state.update(content)
  return state.digest().toString('base64')
}

const headerOf = (algorithm: Algorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`

describe.each(algorithms)('%s', (algorithm) => {
  const content = pattern(100_000)
  const value = checksum(algorithm, content)
  const name = algorithm

  it.each([
    ['the default', {}, {}],
    ['SSE-S3', sseS3, {}],
    ['SSE-KMS', sseKms(), {}],
    ['SSE-C', sseC(keyOne), sseC(keyOne)],
  ])('in a header is verified, kept and returned under %s', async (_, write, read) => {
    const headers = { ...write, [headerOf(algorithm)]: value }
    const written = await server.raw.send({ method: 'PUT', bucket, name, headers, body: content })
    expect([written.status, written.headers[headerOf(algorithm)]]).toEqual([200, value])
    expect(written.headers['x-amz-checksum-type']).toBe('FULL_OBJECT')
    for (const method of ['GET', 'HEAD']) {
      const answer = await server.raw.send({
        method,
        bucket,
        name,
        headers: { ...read, 'x-amz-checksum-mode': 'ENABLED' },
      })
      expect(answer.headers[headerOf(algorithm)]).toBe(value)
      const quiet = await server.raw.send({ method, bucket, name, headers: read })
      expect(quiet.headers[headerOf(algorithm)]).toBeUndefined()
    }
    const attributes = await server.raw.send({
      method: 'GET',
      bucket,
      name,
      query: { attributes: undefined },
      headers: { ...read, 'x-amz-object-attributes': 'Checksum,ObjectSize' },
    })
    expect([attributes.element(`Checksum${algorithm}`), attributes.element('ObjectSize')]).toEqual([value, '100000'])
  })

  it('that does not match is refused, and nothing is stored', async () => {
    const headers = { [headerOf(algorithm)]: checksum(algorithm, Buffer.from('other')) }
    const answer = await server.raw.send({ method: 'PUT', bucket, name: `wrong ${name}`, headers, body: content })
    expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
    expect((await server.raw.send({ method: 'HEAD', bucket, name: `wrong ${name}` })).status).toBe(404)
  })

  it('of the wrong length is no checksum', async () => {
    const headers = { [headerOf(algorithm)]: 'AAA=' }
    const answer = await server.raw.send({ method: 'PUT', bucket, name, headers, body: content })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })

  it.each([true, false])('in a trailer is verified, kept and returned (signed: %s)', async (isSigned) => {
    const send = async (trailer: string) =>
      await server.raw.send({
        method: 'PUT',
        bucket,
        name: `${name} trailer`,
        payloadHash: isSigned ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: {
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': String(content.length),
          'x-amz-trailer': headerOf(algorithm),
          'x-amz-sdk-checksum-algorithm': algorithm,
        },
        encode: (signed) => chunked(signed, isSigned, { [headerOf(algorithm)]: trailer }),
      })
    const written = await send(value)
    expect([written.status, written.text, written.headers[headerOf(algorithm)]]).toEqual([200, '', value])
    const read = await server.raw.send({ method: 'GET', bucket, name: `${name} trailer` })
    expect(sameBytes(read.body, content)).toBe('same')
    expect(read.headers['content-encoding']).toBeUndefined()
    const wrong = await send(checksum(algorithm, Buffer.from('other')))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
  })

  function chunked(signed: SignedRequest, isSigned: boolean, trailers: Record<string, string>): Buffer {
    const pieces = [content.subarray(0, 65_536), content.subarray(65_536)]
    const signing = isSigned ? chunkSigning(signed, server.signOptions) : undefined
    return Buffer.concat([...encodeChunks(pieces, signing, trailers)])
  }
})

describe('a body in signed chunks', () => {
  const content = pattern(300_000)
  const send = async (change: (encoded: Buffer) => Buffer, length = content.length) =>
    await server.raw.send({
      method: 'PUT',
      bucket,
      name: 'chunks',
      payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      headers: { 'content-encoding': 'aws-chunked,gzip', 'x-amz-decoded-content-length': String(length) },
      encode: (signed) => {
        const pieces = [0, 1, 2, 3, 4].map((n) => content.subarray(n * 65_536, (n + 1) * 65_536))
        return change(Buffer.concat([...encodeChunks(pieces, chunkSigning(signed, server.signOptions))]))
      },
    })

  it('is stored without them, and keeps its other encodings', async () => {
    expect((await send((encoded) => encoded)).status).toBe(200)
    const read = await server.raw.send({ method: 'GET', bucket, name: 'chunks' })
    expect(sameBytes(read.body, content)).toBe('same')
    expect(read.headers['content-encoding']).toBe('gzip')
  })

  it('is refused when one byte was changed on the way', async () => {
    const answer = await send((encoded) => {
      encoded[200_000] = (encoded[200_000] ?? 0) ^ 1
      return encoded
    })
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
  })

  it('is refused when it is shorter or longer than it says', async () => {
    for (const length of [content.length - 1, content.length + 1]) {
      const answer = await send((encoded) => encoded, length)
      expect([answer.status, answer.code]).toEqual([400, 'IncompleteBody'])
    }
  })
})

describe('a whole body', () => {
  it('must have the SHA-256 that was signed', async () => {
    const payloadHash = createHash('sha256').update('other').digest('hex')
    for (const body of ['small', pattern(400_000)]) {
      const answer = await server.raw.send({ method: 'PUT', bucket, name: 'hash', body, payloadHash })
      expect([answer.status, answer.code]).toEqual([400, 'XAmzContentSHA256Mismatch'])
    }
    expect((await server.raw.send({ method: 'HEAD', bucket, name: 'hash' })).status).toBe(404)
  })

  it('must have the MD5 that was sent, and that must be one', async () => {
    const md5 = (text: string): string => createHash('md5').update(text).digest('base64')
    const send = async (value: string) =>
      await server.raw.send({
        method: 'PUT',
        bucket,
        name: 'md5',
        headers: { 'content-md5': value, ...sseKms() },
        body: 'x',
      })
    expect((await send(md5('x'))).status).toBe(200)
    const wrong = await send(md5('y'))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const none = await send('not an MD5')
    expect([none.status, none.code]).toEqual([400, 'InvalidDigest'])
  })
})

describe('the checksum of an upload', () => {
  const parts = [pattern(5 * 1024 * 1024), pattern(70_000)]

  async function uploaded(algorithm: Algorithm, type: string) {
    const name = `upload ${algorithm} ${type}`
    const created = await server.raw.send({
      method: 'POST',
      bucket,
      name,
      query: { uploads: undefined },
      headers: { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type },
    })
    expect([created.status, created.headers['x-amz-checksum-type']]).toEqual([200, type])
    const uploadId = created.element('UploadId') ?? ''
    const list: string[] = []
    for (const [index, body] of parts.entries()) {
      const value = checksum(algorithm, body)
      const query = { partNumber: String(index + 1), uploadId }
      const part = await server.raw.send({
        method: 'PUT',
        bucket,
        name,
        query,
        headers: { [headerOf(algorithm)]: value },
        body,
      })
      expect([part.status, part.headers[headerOf(algorithm)]]).toEqual([200, value])
      list.push(
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${part.headers.etag}</ETag><Checksum${algorithm}>${value}</Checksum${algorithm}></Part>`,
      )
    }
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
    return await server.raw.send({ method: 'POST', bucket, name, query: { uploadId }, body })
  }

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)(
    '%s covers the whole object without reading it again',
    async (algorithm) => {
      const done = await uploaded(algorithm, 'FULL_OBJECT')
      expect(done.element(`Checksum${algorithm}`)).toBe(checksum(algorithm, Buffer.concat(parts)))
      expect(done.element('ChecksumType')).toBe('FULL_OBJECT')
    },
  )

  it.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)(
    '%s is that of the parts where it is composite',
    async (algorithm) => {
      const done = await uploaded(algorithm, 'COMPOSITE')
      const digests = parts.map((part) => Buffer.from(checksum(algorithm, part), 'base64'))
      expect(done.element(`Checksum${algorithm}`)).toBe(`${checksum(algorithm, Buffer.concat(digests))}-2`)
      expect(done.element('ChecksumType')).toBe('COMPOSITE')
    },
  )

  it.each([
    ['CRC32', 'FULL_OBJECT'],
    ['SHA256', 'COMPOSITE'],
  ] as const)('%s, %s, is shown part by part to who reads a part', async (algorithm, type) => {
    await uploaded(algorithm, type)
    const name = `upload ${algorithm} ${type}`
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    for (const method of ['GET', 'HEAD']) {
      for (const [index, part] of parts.entries()) {
        const query = { partNumber: String(index + 1) }
        const answer = await server.raw.send({ method, bucket, name, query, headers })
        expect([answer.status, answer.headers[headerOf(algorithm)], answer.headers['x-amz-checksum-type']]).toEqual([
          206,
          checksum(algorithm, part),
          type,
        ])
      }
      const ranged = await server.raw.send({ method, bucket, name, headers: { ...headers, range: 'bytes=0-9' } })
      expect(ranged.status).toBe(206)
      expect(ranged.headers).not.toHaveProperty(headerOf(algorithm))
    }
  })

  it.each([
    ['SHA256', 'FULL_OBJECT'],
    ['CRC64NVME', 'COMPOSITE'],
  ])('%s cannot be %s', async (algorithm, type) => {
    const answer = await server.raw.send({
      method: 'POST',
      bucket,
      name: 'impossible',
      query: { uploads: undefined },
      headers: { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type },
    })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })
})
