/**
 * What `x-amz-content-sha256` says about a body, and the check of a body that is signed as a whole.
 *
 * @module
 */

import { createHash, type Hash, timingSafeEqual } from 'node:crypto'
import { invalidArgument, SigV4Error } from './sigv4-error.ts'

/** How a body is protected. `aws-chunked` bodies go through `AwsChunkedDecoder`. */
export type PayloadMode =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'sha256'; readonly sha256Hex: string }
  | { readonly kind: 'aws-chunked'; readonly isSigned: boolean; readonly hasTrailer: boolean }

const modes: ReadonlyMap<string, PayloadMode> = new Map<string, PayloadMode>([
  ['UNSIGNED-PAYLOAD', { kind: 'unsigned' }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'aws-chunked', isSigned: true, hasTrailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'aws-chunked', isSigned: true, hasTrailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'aws-chunked', isSigned: false, hasTrailer: true }],
])

const contentHashHeader = 'x-amz-content-sha256'
const allowedValues =
  'UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.'

/**
 * Reads the value of `x-amz-content-sha256`; `undefined` (anonymous requests) is an unsigned payload.
 *
 * @throws SigV4Error `InvalidArgument`; `NotImplemented` for the ECDSA forms of SigV4A
 */
export function parsePayloadMode(value: string | undefined): PayloadMode {
  if (value === undefined) return { kind: 'unsigned' }
  const mode = modes.get(value)
  if (mode !== undefined) return mode
  if (/^[0-9a-f]{64}$/i.test(value)) return { kind: 'sha256', sha256Hex: value.toLowerCase() }
  if (value.startsWith('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD')) {
    throw new SigV4Error('NotImplemented', 'A header you provided implies functionality that is not implemented', {
      Header: contentHashHeader,
    })
  }
  throw invalidArgument(`${contentHashHeader} must be ${allowedValues}`, contentHashHeader, value.slice(0, 128))
}

/**
 * The SHA-256 of a body against the one its signature promised.
 *
 * @example
 * const check = new PayloadCheck(mode.sha256Hex)
 * for await (const chunk of body) check.update(chunk)
 * check.verify()
 */
export class PayloadCheck {
  readonly #hash: Hash = createHash('sha256')
  readonly #expectedHex: string

  constructor(expectedHex: string) {
    this.#expectedHex = expectedHex
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
  }

  /**
   * To be called once, at the end of the body. Returns the digest, so that nobody need hash the body again.
   *
   * @throws SigV4Error `XAmzContentSHA256Mismatch`
   */
  verify(): Uint8Array {
    const digest = this.#hash.digest()
    const expected = Buffer.from(this.#expectedHex, 'hex')
    if (expected.length !== digest.length || !timingSafeEqual(digest, expected)) {
      throw new SigV4Error(
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { ClientComputedContentSHA256: this.#expectedHex, S3ComputedContentSHA256: digest.toString('hex') },
      )
    }
    return digest
  }
}
