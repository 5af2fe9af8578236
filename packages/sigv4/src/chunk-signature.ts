/**
 * The chain of signatures of an `aws-chunked` body: each chunk signs its hash and the signature before it.
 * "Signature calculations: transferring a payload in multiple chunks" and "… including trailing headers".
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { signatureMismatch } from './authorization.ts'
import { emptySha256, hmacSha256, sha256Hex } from './canonical-request.ts'

/** What the chain starts from: all of it from the verified request. */
export interface ChunkSigning {
  /** Copied, since a body outlives the cache entry that a key came from. */
  readonly signingKey: Uint8Array
  /** `yyyymmddThhmmssZ` */
  readonly timestamp: string
  /** `yyyymmdd/region/service/aws4_request` */
  readonly scope: string
  /** The signature of the request, in hexadecimal. */
  readonly seedSignature: string
}

/** Signs chunk after chunk, or checks them. Owns a copy of the key until `close`. */
export class ChunkSignatureChain {
  readonly #key: Uint8Array
  readonly #prefix: string
  #previous: string

  constructor(signing: ChunkSigning) {
    this.#key = Uint8Array.from(signing.signingKey)
    this.#prefix = `${signing.timestamp}\n${signing.scope}\n`
    this.#previous = signing.seedSignature
  }

  /** The signature of the next chunk, given the SHA-256 of its payload in hexadecimal. */
  signChunk(payloadSha256Hex: string): string {
    return this.#sign(`AWS4-HMAC-SHA256-PAYLOAD\n${this.#prefix}${this.#previous}\n${emptySha256}\n${payloadSha256Hex}`)
  }

  /** @param trailers every trailer as `name:value\n`, in the order sent */
  signTrailer(trailers: string): string {
    return this.#sign(`AWS4-HMAC-SHA256-TRAILER\n${this.#prefix}${this.#previous}\n${sha256Hex(trailers)}`)
  }

  /** @throws SigV4Error `SignatureDoesNotMatch` */
  verifyChunk(payloadSha256Hex: string, provided: string): void {
    compare(this.signChunk(payloadSha256Hex), provided)
  }

  /** @throws SigV4Error `SignatureDoesNotMatch` */
  verifyTrailer(trailers: string, provided: string): void {
    compare(this.signTrailer(trailers), provided)
  }

  /** Zeroes the key. */
  close(): void {
    this.#key.fill(0)
  }

  #sign(toSign: string): string {
    this.#previous = hmacSha256(this.#key, toSign).toString('hex')
    return this.#previous
  }
}

function compare(expected: string, provided: string): void {
  const providedBytes = Buffer.from(provided, 'latin1')
  const expectedBytes = Buffer.from(expected, 'latin1')
  if (providedBytes.length !== expectedBytes.length || !timingSafeEqual(providedBytes, expectedBytes)) {
    throw signatureMismatch()
  }
}
