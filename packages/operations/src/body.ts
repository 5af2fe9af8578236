/**
 * Bodies as the operations use them: whole documents with a bound, and objects as the engine takes them, in either case
 * checked against what the signature promised about them and freed of `aws-chunked`.
 *
 * @module
 */

import { EngineError, letGo } from '@strongroom/engine'
import { AwsChunkedDecoder, PayloadCheck, parseDecodedLength, parseTrailerNames } from '@strongroom/sigv4'
import type { Payload } from './authenticate.ts'
import type { RequestBody, RequestHeaders } from './request.ts'
import { s3Error } from './s3-error.ts'

/** Bodies up to this size are handed on whole instead of as a stream. */
const wholeBodyBytes = 256 * 1024

/** What `aws-chunked` adds at most to a body of `wholeBodyBytes`: chunk headers and trailers. */
const chunkedOverheadBytes = 64 * 1024

export interface ObjectBody {
  /** Plaintext bytes that must come. */
  readonly sizeBytes: number
  /** A piece of a stream may be gone when the next one is asked for. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array>
  /** Trailing headers; to be asked for after the content ended. Empty before, and for bodies without. */
  readonly trailers: () => ReadonlyMap<string, string>
}

const noTrailers: ReadonlyMap<string, string> = new Map()

interface BodySource {
  readonly body: RequestBody
  readonly headers: RequestHeaders
  readonly payload: Payload
}

/**
 * The body of an upload.
 *
 * @throws EngineError `MissingContentLength`, `IncompleteBody`, `RequestTimeout`; SigV4Error (payload hash, chunk signatures)
 */
export async function objectBody(source: BodySource): Promise<ObjectBody> {
  const { body, payload } = source
  if (payload.mode.kind === 'aws-chunked') return await chunkedBody(source)
  // A request without a length has an empty body (RFC 9112 6.3), but an upload has to say so, as on AWS: a proxy or a client
  // that lost the header would make empty objects.
  if (body.declaredLength === undefined || source.headers['content-length'] === undefined) {
    throw s3Error('MissingContentLength')
  }
  const sizeBytes = body.declaredLength
  if (sizeBytes <= wholeBodyBytes) {
    const content = await readWhole(body, wholeBodyBytes)
    checkWhole(payload, content)
    return { sizeBytes, content, trailers: () => noTrailers }
  }
  return { sizeBytes, content: checkedStream(body, payload), trailers: () => noTrailers }
}

export interface DocumentBody {
  readonly bytes: Uint8Array
  readonly trailers: ReadonlyMap<string, string>
}

/**
 * A document (XML) of at most `limitBytes`.
 *
 * @throws EngineError `MaxMessageLengthExceeded`, `IncompleteBody`, `RequestTimeout`; SigV4Error
 */
export async function documentBody(source: BodySource, limitBytes: number): Promise<DocumentBody> {
  if (source.payload.mode.kind !== 'aws-chunked') {
    const content = await readWhole(source.body, limitBytes)
    checkWhole(source.payload, content)
    return { bytes: content, trailers: noTrailers }
  }
  if (parseDecodedLength(source.headers['x-amz-decoded-content-length']) > limitBytes) {
    throw s3Error('MaxMessageLengthExceeded')
  }
  const decoder = chunkDecoder(source)
  try {
    const encoded = await readWhole(source.body, limitBytes + chunkedOverheadBytes)
    const bytes = Buffer.concat(decoder.push(encoded))
    return { bytes, trailers: decoder.end() }
  } finally {
    decoder.close()
  }
}

async function chunkedBody(source: BodySource): Promise<ObjectBody> {
  const sizeBytes = parseDecodedLength(source.headers['x-amz-decoded-content-length'])
  const decoder = chunkDecoder(source)
  const { declaredLength } = source.body
  let trailers = noTrailers
  const limitBytes = wholeBodyBytes + chunkedOverheadBytes
  if (sizeBytes <= wholeBodyBytes && declaredLength !== undefined && declaredLength <= limitBytes) {
    try {
      const pieces = decoder.push(await readWhole(source.body, limitBytes))
      trailers = decoder.end()
      const [only] = pieces
      const content = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
      return { sizeBytes, content, trailers: () => trailers }
    } finally {
      decoder.close()
    }
  }
  async function* decoded(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of transportErrors(source.body.stream())) {
        yield* decoder.push(chunk)
        if (!decoder.isHolding) letGo(chunk)
      }
      trailers = decoder.end()
    } finally {
      decoder.close()
    }
  }
  return { sizeBytes, content: decoded(), trailers: () => trailers }
}

function chunkDecoder({ headers, payload }: BodySource): AwsChunkedDecoder {
  return new AwsChunkedDecoder({
    decodedLength: parseDecodedLength(headers['x-amz-decoded-content-length']),
    trailerNames:
      payload.mode.kind === 'aws-chunked' && payload.mode.hasTrailer ? parseTrailerNames(headers['x-amz-trailer']) : [],
    signing: payload.signing,
  })
}

async function* checkedStream(body: RequestBody, payload: Payload): AsyncGenerator<Uint8Array> {
  const check = payload.mode.kind === 'sha256' ? new PayloadCheck(payload.mode.sha256Hex) : undefined
  for await (const chunk of transportErrors(body.stream())) {
    check?.update(chunk)
    yield chunk
  }
  check?.verify()
}

function checkWhole(payload: Payload, content: Uint8Array): void {
  if (payload.mode.kind !== 'sha256') return
  const check = new PayloadCheck(payload.mode.sha256Hex)
  check.update(content)
  check.verify()
}

async function readWhole(body: RequestBody, limitBytes: number): Promise<Uint8Array> {
  if (body.declaredLength === 0) return new Uint8Array(0)
  try {
    return await body.read(limitBytes)
  } catch (error) {
    throw asS3Error(error)
  }
}

/** The same stream, with the transport's errors as S3's. */
export async function* transportErrors(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (error) {
    throw asS3Error(error)
  }
}

const transportCodes: ReadonlyMap<unknown, string> = new Map([
  ['aborted', 'IncompleteBody'],
  ['timeout', 'RequestTimeout'],
  ['too-large', 'MaxMessageLengthExceeded'],
])

/** The S3 error for an error of the transport; any other error as it is. */
function asS3Error(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof EngineError || !('code' in error)) return error
  const code = transportCodes.get(error.code)
  return code === undefined ? error : s3Error(code, undefined, undefined, error)
}
