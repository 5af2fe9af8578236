/**
 * Sealing keys under keys (spec 3.1, DESIGN 6): the KEK that binds an object key to everything its record says, and the
 * 64-byte sealed form, a DARE 2.0 stream of one package. docs/formats/key-sealing.md.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { nonceSizeBytes } from './aead.ts'
import { invalidArgument } from './crypto-error.ts'
import { openBytes, sealBytes } from './dare.ts'
import { hmacSha256 } from './kdf.ts'
import { asBuffer, checkKey, keySizeBytes, type RandomSource } from './secrets.ts'

/** Bytes of a sealed key: header, 32 bytes, tag. */
export const sealedKeySizeBytes = 64

/** Bytes of the random `iv` that a KEK is derived with. */
export const kekIvSizeBytes = 32

export interface KekBinding {
  /** 32 random bytes, new for every sealing, kept in the record. */
  readonly iv: Uint8Array
  /** What kind of key is sealed, such as `SSE-KMS`: 1 to 64 printable ASCII characters. Frozen once data was written. */
  readonly domain: string
  /** SHA-256 of the canonical encoding of all that the key is bound to; see `CanonicalDigest`. 32 bytes. */
  readonly digest: Uint8Array
}

const domainForm = /^[\x21-\x7e]{1,64}$/

/**
 * The key-encryption key: `HMAC-SHA-256(dataKey, iv ‖ domain ‖ digest)`. Unambiguous, for only the domain varies in length.
 * The caller owns the result.
 *
 * @param dataKey 32 bytes: the DEK, or the client's key with SSE-C
 * @throws CryptoError `invalid-argument`
 */
export function deriveKek(dataKey: Uint8Array, { iv, domain, digest }: KekBinding): Buffer {
  checkKey(dataKey)
  if (iv.length !== kekIvSizeBytes || digest.length !== 32 || !domainForm.test(domain)) {
    throw invalidArgument('a KEK needs an iv of 32 bytes, a domain and a digest of 32 bytes')
  }
  return hmacSha256(dataKey, iv, domain, digest)
}

/** Seals a 32-byte key under another. 64 bytes. @throws CryptoError `invalid-argument` */
export function sealKey(kek: Uint8Array, key: Uint8Array, random: RandomSource = randomBytes): Buffer {
  checkKey(key)
  return sealBytes(kek, random(nonceSizeBytes), key)
}

/**
 * Opens what {@link sealKey} made. The caller owns the result and wipes it.
 *
 * @throws CryptoError `not-authentic`, whatever was wrong: the key, the binding or the bytes
 */
export function unsealKey(kek: Uint8Array, sealed: Uint8Array): Buffer {
  checkKey(kek)
  // A sealed key brings its own nonce: its length is fixed (and checked first), so a header can claim nothing else.
  const nonce = asBuffer(sealed).subarray(4, 4 + nonceSizeBytes)
  return openBytes(kek, nonce, sealed, keySizeBytes)
}
