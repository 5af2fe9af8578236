/**
 * Decoder for `Content-Encoding: aws-chunked` bodies: signed, signed with trailer, unsigned with trailer.
 * "Signature calculations: transferring a payload in multiple chunks (chunked upload)".
 *
 * **When payload is released.** The payload of a signed chunk of up to 1 MiB comes out only after its signature was checked.
 * A larger chunk would have to be kept in memory; its payload comes out as it arrives and a wrong signature shows at its end.
 * Either way nothing may be made durable under its name before `end()` returned.
 *
 * @module
 */

import { createHash, type Hash } from 'node:crypto'
import { emptySha256, sha256Hex } from './canonical-request.ts'
import { ChunkSignatureChain, type ChunkSigning } from './chunk-signature.ts'
import { incompleteBody, malformedTrailer, readTrailer } from './chunk-trailer.ts'
import { SigV4Error } from './sigv4-error.ts'

/** Signed chunks up to this many bytes are verified before any of them is released. */
export const verifyFirstBytes = 1024 * 1024

const maxChunkHeaderBytes = 8192
const maxTrailerBytes = 16_384
const minSignedChunkBytes = 8192
const maxHeldPieces = 256
const lineFeed = 0x0a
const carriageReturn = 0x0d

export interface AwsChunkedOptions {
  /** `x-amz-decoded-content-length`: exactly so many payload bytes must come. */
  readonly decodedLength: number
  /** Names announced in `x-amz-trailer`, lower case; empty for the form without trailer. */
  readonly trailerNames: readonly string[]
  /** `undefined` for the unsigned form. */
  readonly signing: ChunkSigning | undefined
}

type State = 'header' | 'data' | 'data-end' | 'trailer' | 'ended'

/**
 * A push parser: give it the body as it comes, take the payload out. One per request; after an error it is used up.
 *
 * @example
 * const decoder = new AwsChunkedDecoder(options)
 * for await (const chunk of body) for (const payload of decoder.push(chunk)) write(payload)
 * const trailers = decoder.end()
 */
export class AwsChunkedDecoder {
  readonly #options: AwsChunkedOptions
  readonly #chain: ChunkSignatureChain | undefined
  #state: State = 'header'
  #line = ''
  #trailer = ''
  #released = 0
  /** Payload bytes of the current chunk still to come, and its whole size. */
  #missing = 0
  #chunkSize = 0
  #chunkSignature = ''
  #hash: Hash | undefined
  #held: Uint8Array[] = []
  #wasShortChunk = false

  constructor(options: AwsChunkedOptions) {
    this.#options = options
    this.#chain = options.signing === undefined ? undefined : new ChunkSignatureChain(options.signing)
  }

  /**
   * Takes the next bytes of the body and returns the payload they complete, as slices of what was pushed (no copies but of
   * chunks that arrive in very many pieces).
   *
   * @throws SigV4Error `SignatureDoesNotMatch`, `IncompleteBody`, `InvalidRequest`, `InvalidChunkSizeError`,
   * `MalformedTrailerError`
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = []
    let offset = 0
    try {
      while (offset < chunk.length) {
        if (this.#state === 'data') offset = this.#takeData(chunk, offset, out)
        else if (this.#state === 'trailer') offset = this.#takeTrailer(chunk, offset)
        else if (this.#state === 'ended') throw incompleteBody()
        else offset = this.#takeLine(chunk, offset, out)
      }
    } catch (error) {
      this.close()
      throw error
    }
    return out
  }

  /**
   * To be called when the body has ended: checks that all of it came and returns the trailing headers.
   *
   * @throws SigV4Error `IncompleteBody`, `MalformedTrailerError`, `SignatureDoesNotMatch`
   */
  end(): ReadonlyMap<string, string> {
    try {
      if (this.#state !== 'trailer' || this.#released !== this.#options.decodedLength) throw incompleteBody()
      // The form without trailer has none to sign either.
      const trailerChain = this.#options.trailerNames.length > 0 ? this.#chain : undefined
      return readTrailer(this.#trailer, this.#options.trailerNames, trailerChain)
    } finally {
      this.close()
    }
  }

  /** Whether slices of what was pushed are kept, for a signature that has not come. */
  get isHolding(): boolean {
    return this.#held.length > 0
  }

  /** Zeroes the key and drops what was held. Needed only when a body is abandoned before `end`. */
  close(): void {
    this.#state = 'ended'
    this.#held = []
    this.#chain?.close()
  }

  /** Collects a line up to LF: a chunk header, or the empty line that ends a chunk's payload. */
  #takeLine(chunk: Uint8Array, offset: number, out: Uint8Array[]): number {
    const end = chunk.indexOf(lineFeed, offset)
    const stop = end < 0 ? chunk.length : end
    if (this.#line.length + stop - offset > maxChunkHeaderBytes) throw malformedChunk()
    this.#line += Buffer.from(chunk.buffer, chunk.byteOffset + offset, stop - offset).toString('latin1')
    if (end < 0) return stop
    const line = this.#line
    this.#line = ''
    if (line.charCodeAt(line.length - 1) !== carriageReturn) throw malformedChunk()
    if (this.#state === 'data-end') {
      if (line.length !== 1) throw malformedChunk()
      this.#state = 'header'
    } else this.#startChunk(line.slice(0, -1), out)
    return end + 1
  }

  #startChunk(header: string, out: Uint8Array[]): void {
    const { size, signature } = parseChunkHeader(header, this.#chain !== undefined)
    if (size > this.#options.decodedLength - this.#released) throw incompleteBody()
    if (size > 0 && this.#wasShortChunk) {
      throw new SigV4Error(
        'InvalidChunkSizeError',
        'Only the last chunk is allowed to have a size less than 8192 bytes',
      )
    }
    this.#wasShortChunk = this.#chain !== undefined && size < minSignedChunkBytes
    this.#chunkSize = size
    this.#missing = size
    this.#chunkSignature = signature
    this.#hash = undefined
    this.#state = 'data'
    if (size === 0) this.#endChunk(emptySha256, out)
  }

  #takeData(chunk: Uint8Array, offset: number, out: Uint8Array[]): number {
    const end = Math.min(chunk.length, offset + this.#missing)
    const piece = offset === 0 && end === chunk.length ? chunk : chunk.subarray(offset, end)
    this.#missing -= piece.length
    if (this.#chain === undefined || this.#chunkSize > verifyFirstBytes) out.push(piece)
    else this.#hold(piece)
    let digest = ''
    if (this.#chain !== undefined) {
      if (this.#missing === 0 && this.#hash === undefined) digest = sha256Hex(piece)
      else {
        this.#hash ??= createHash('sha256')
        this.#hash.update(piece)
        if (this.#missing === 0) digest = this.#hash.digest('hex')
      }
    }
    if (this.#missing === 0) this.#endChunk(digest, out)
    return end
  }

  #hold(piece: Uint8Array): void {
    this.#held.push(piece)
    // Very small pieces cost more memory than they carry.
    if (this.#held.length >= maxHeldPieces) this.#held = [Buffer.concat(this.#held)]
  }

  #endChunk(payloadSha256Hex: string, out: Uint8Array[]): void {
    this.#chain?.verifyChunk(payloadSha256Hex, this.#chunkSignature)
    for (const piece of this.#held) out.push(piece)
    this.#held = []
    this.#released += this.#chunkSize
    this.#state = this.#chunkSize === 0 ? 'trailer' : 'data-end'
  }

  #takeTrailer(chunk: Uint8Array, offset: number): number {
    if (this.#trailer.length + chunk.length - offset > maxTrailerBytes) throw malformedTrailer()
    this.#trailer += Buffer.from(chunk.buffer, chunk.byteOffset + offset, chunk.length - offset).toString('latin1')
    return chunk.length
  }
}

const signatureExtension = 'chunk-signature='

function parseChunkHeader(header: string, isSigned: boolean): { readonly size: number; readonly signature: string } {
  const semicolon = header.indexOf(';')
  const digits = semicolon < 0 ? header : header.slice(0, semicolon)
  if (digits.length > 12 || !/^[0-9a-fA-F]+$/.test(digits)) throw malformedChunk()
  const size = Number.parseInt(digits, 16)
  if (!isSigned) return { size, signature: '' }
  const extension = semicolon < 0 ? '' : header.slice(semicolon + 1)
  if (!extension.startsWith(signatureExtension)) throw malformedChunk()
  return { size, signature: extension.slice(signatureExtension.length) }
}

function malformedChunk(): SigV4Error {
  return new SigV4Error('InvalidRequest', 'The aws-chunked encoding of the request body is not well formed.')
}

/**
 * The value of `x-amz-decoded-content-length`, which an `aws-chunked` request must carry.
 *
 * @throws SigV4Error `MissingContentLength`, `InvalidArgument`
 */
export function parseDecodedLength(value: string | undefined): number {
  if (value === undefined || value === '') {
    throw new SigV4Error('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  }
  const length = /^[0-9]{1,15}$/.test(value) ? Number(value) : -1
  if (length < 0) {
    throw new SigV4Error('InvalidArgument', 'The x-amz-decoded-content-length header is not a valid length.', {
      ArgumentName: 'x-amz-decoded-content-length',
    })
  }
  return length
}

/** Names announced in `x-amz-trailer`, lower case. Repeated names count once. */
export function parseTrailerNames(value: string | undefined): readonly string[] {
  if (value === undefined) return []
  const names = new Set<string>()
  for (const name of value.split(',')) if (name.trim() !== '') names.add(name.trim().toLowerCase())
  return [...names]
}
