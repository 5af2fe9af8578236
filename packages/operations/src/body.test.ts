import { createHash } from 'node:crypto'
import { chunkSigning, encodeChunks, parsePayloadMode, signRequest } from '@strongroom/sigv4'
import { describe, expect, it } from 'vitest'
import type { Payload } from './authenticate.ts'
import { documentBody, objectBody } from './body.ts'
import type { RequestBody, RequestHeaders } from './request.ts'

const small = Buffer.from('some bytes')
const large = Buffer.alloc(700_000, 'large')

/** What the transport gives: `bytes` in pieces of 64 KiB, then perhaps an error. */
function transport(bytes: Uint8Array, options: { length?: number | undefined; fails?: Error } = {}): RequestBody {
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < bytes.length; offset += 65_536) yield bytes.subarray(offset, offset + 65_536)
    if (options.fails !== undefined) throw options.fails
  }
  return {
    declaredLength: 'length' in options ? options.length : bytes.length,
    stream,
    read: async (limitBytes) => {
      if (bytes.length > limitBytes) throw Object.assign(new Error('too large'), { code: 'too-large' })
      if (options.fails !== undefined) throw options.fails
      return bytes
    },
  }
}

const unsigned: Payload = { mode: { kind: 'unsigned' }, signing: undefined }
const hashed = (content: Uint8Array): Payload => ({
  mode: parsePayloadMode(createHash('sha256').update(content).digest('hex')),
  signing: undefined,
})

async function contentOf(
  body: RequestBody,
  payload: Payload,
  headers: RequestHeaders = lengthOf(body),
): Promise<Buffer> {
  const { content } = await objectBody({ body, payload, headers })
  if (content instanceof Uint8Array) return Buffer.from(content)
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return Buffer.concat(pieces)
}

const lengthOf = (body: RequestBody): RequestHeaders => ({ 'content-length': String(body.declaredLength) })

const failure = (code: string): Error => Object.assign(new Error(code), { code })

describe.each([
  ['small', small],
  ['large', large],
])('a %s body', (_, bytes) => {
  it('has to say how long it is', async () => {
    await expect(contentOf(transport(bytes), hashed(bytes), {})).rejects.toMatchObject({ code: 'MissingContentLength' })
  })

  it('comes through as it is', async () => {
    expect((await contentOf(transport(bytes), unsigned)).equals(bytes)).toBe(true)
    expect((await contentOf(transport(bytes), hashed(bytes))).equals(bytes)).toBe(true)
  })

  it('is refused when it has another SHA-256 than was signed', async () => {
    const reading = contentOf(transport(bytes), hashed(Buffer.from('other')))
    await expect(reading).rejects.toMatchObject({ code: 'XAmzContentSHA256Mismatch' })
  })

  it('of a client that went away or fell silent is an S3 error, and other faults stay what they are', async () => {
    for (const [code, expected] of [
      ['aborted', 'IncompleteBody'],
      ['timeout', 'RequestTimeout'],
    ] as const) {
      const reading = contentOf(transport(bytes, { fails: failure(code) }), unsigned)
      await expect(reading).rejects.toMatchObject({ name: 'EngineError', code: expected })
    }
    const fault = failure('EIO')
    await expect(contentOf(transport(bytes, { fails: fault }), unsigned)).rejects.toBe(fault)
  })

  it('in signed chunks is decoded, and refused when a byte of it was changed', async () => {
    const { encoded, payload, headers } = chunked(bytes)
    expect((await contentOf(transport(encoded), payload, headers)).equals(bytes)).toBe(true)
    const changed = Buffer.from(encoded)
    // The last byte but four of the payload: the empty chunk after it has 88.
    const at = encoded.length - 93
    changed[at] = (changed[at] ?? 0) ^ 1
    await expect(contentOf(transport(changed), payload, headers)).rejects.toMatchObject({ name: 'SigV4Error' })
  })
})

describe('a large body in chunks, in pieces that are memory of their own', () => {
  const payloadHash = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
  const head = Buffer.from(`${large.length.toString(16)}\r\n`)
  const plain = {
    encoded: Buffer.concat([head, large, Buffer.from('\r\n0\r\n\r\n')]),
    payload: { mode: parsePayloadMode(payloadHash), signing: undefined },
    headers: { 'x-amz-decoded-content-length': String(large.length) },
  }

  it.each([
    ['without a signature: each is freed when nothing of it is needed', plain, true],
    ['with one: none is freed while a part of it waits for that', chunked(large), false],
  ])('%s', async (_, { encoded, payload, headers }, areFreed) => {
    const given: Uint8Array[] = []
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < encoded.length; at += 40_000) {
        const piece = new Uint8Array(encoded.subarray(at, at + 40_000))
        given.push(piece)
        yield piece
      }
    }
    const body = { declaredLength: encoded.length, stream, read: () => Promise.reject(new Error('not whole')) }
    const { content } = await objectBody({ body, payload, headers })
    const copies: Buffer[] = []
    if (!(content instanceof Uint8Array)) for await (const piece of content) copies.push(Buffer.from(piece))
    expect(Buffer.concat(copies).equals(large)).toBe(true)
    const canFree = 'transfer' in ArrayBuffer.prototype
    if (areFreed) expect(given.every((piece) => piece.length === 0 || piece.length < 16_384)).toBe(canFree)
  })
})

function chunked(bytes: Uint8Array) {
  const options = { credentials: { accessKeyId: 'a', secret: Buffer.from('s') }, region: 'r' }
  const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
  const request = { method: 'PUT', rawPath: '/b/k', rawQuery: '', headers: { host: 'h' } }
  const signing = chunkSigning(signRequest(request, { ...options, payloadHash }), options)
  const pieces: Uint8Array[] = []
  for (let offset = 0; offset < bytes.length; offset += 65_536) pieces.push(bytes.subarray(offset, offset + 65_536))
  return {
    encoded: Buffer.concat([...encodeChunks(pieces, signing)]),
    payload: { mode: parsePayloadMode(payloadHash), signing },
    headers: { 'x-amz-decoded-content-length': String(bytes.length) },
  }
}

describe('an upload', () => {
  it('has to say how long it is', async () => {
    await expect(contentOf(transport(small, { length: undefined }), unsigned)).rejects.toMatchObject({
      code: 'MissingContentLength',
    })
    const { encoded, payload } = chunked(small)
    await expect(contentOf(transport(encoded), payload, {})).rejects.toMatchObject({ code: 'MissingContentLength' })
  })
})

describe('a document', () => {
  it('comes whole, plain or in signed chunks', async () => {
    const read = await documentBody({ body: transport(small), payload: hashed(small), headers: {} }, 100)
    expect(Buffer.from(read.bytes).equals(small)).toBe(true)
    const { encoded, payload, headers } = chunked(small)
    const decoded = await documentBody({ body: transport(encoded), payload, headers }, 100)
    expect(Buffer.from(decoded.bytes).equals(small)).toBe(true)
  })

  it('is bounded', async () => {
    const { encoded, payload, headers } = chunked(large)
    for (const source of [
      { body: transport(large), payload: unsigned, headers: {} },
      { body: transport(encoded), payload, headers },
    ]) {
      await expect(documentBody(source, 1000)).rejects.toMatchObject({ code: 'MaxMessageLengthExceeded' })
    }
  })
})
