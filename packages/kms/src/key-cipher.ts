/**
 * Encryption under a key as KES does it: kes-protocol 6.2 (written), 6.3 (read) and 6.4 (HMAC).
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import { parseEnvelope } from './ciphertext-envelope.ts'
import type { KeyAlgorithm } from './contract.ts'
import { KmsError } from './kms-error.ts'
import { aeads } from './primitives.ts'

const ivLength = 16
const nonceLength = 12
const tagLength = 16
const trailerLength = ivLength + nonceLength

/** Bytes by which a ciphertext is longer than its plaintext. */
export const ciphertextOverhead = tagLength + trailerLength

/** What a cipher needs of a key. */
export interface CipherKey {
  readonly algorithm: KeyAlgorithm
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** Fills its argument with random bytes. */
export type FillRandom = (into: Uint8Array) => void

/** `AEAD(plaintext) ‖ iv ‖ nonce`, `context` being the associated data, verbatim. */
export function encryptWithKey(
  { algorithm, key }: CipherKey,
  plaintext: Uint8Array,
  context: Uint8Array,
  fillRandom: FillRandom,
): Uint8Array {
  const sealedLength = plaintext.length + tagLength
  const ciphertext = Buffer.allocUnsafe(sealedLength + trailerLength)
  const trailer = ciphertext.subarray(sealedLength)
  fillRandom(trailer)
  const aead = aeads[algorithm]
  const subkey = aead.subkey(key, trailer.subarray(0, ivLength))
  try {
    aead.seal(subkey, trailer.subarray(ivLength), plaintext, context, ciphertext)
  } finally {
    subkey.fill(0)
  }
  return ciphertext
}

/**
 * Opens a ciphertext in any form that KES has written: raw, msgpack or JSON. The caller zeroes the plaintext.
 *
 * @throws KmsError `not-authentic`, whatever is wrong
 */
export function decryptWithKey({ algorithm, key }: CipherKey, ciphertext: Uint8Array, context: Uint8Array): Uint8Array {
  const envelope = parseEnvelope(ciphertext)
  if (envelope === undefined) {
    const plaintext = openRaw(algorithm, key, ciphertext, context)
    if (plaintext !== undefined) return plaintext
    throw notAuthentic()
  }
  // KES servers up to 2024-01 sealed under the envelope's algorithm, current ones open under the key's:
  // only both together open everything that was ever written.
  const other = envelope.algorithm === algorithm ? undefined : algorithm
  const plaintext =
    openRaw(envelope.algorithm, key, envelope.raw, context) ??
    (other === undefined ? undefined : openRaw(other, key, envelope.raw, context))
  if (plaintext === undefined) throw notAuthentic()
  return plaintext
}

function openRaw(
  algorithm: KeyAlgorithm,
  key: Uint8Array,
  raw: Uint8Array,
  context: Uint8Array,
): Uint8Array | undefined {
  const sealedLength = raw.length - trailerLength
  if (sealedLength < tagLength) return undefined
  const aead = aeads[algorithm]
  const subkey = aead.subkey(key, raw.subarray(sealedLength, sealedLength + ivLength))
  try {
    return aead.open(subkey, raw.subarray(sealedLength + ivLength), raw.subarray(0, sealedLength), context)
  } finally {
    subkey.fill(0)
  }
}

/** HMAC-SHA-256 of `message` under the key's own HMAC key. 32 bytes. */
export function hmacWithKey(hmacKey: Uint8Array, message: Uint8Array): Uint8Array {
  return createHmac('sha256', hmacKey).update(message).digest()
}

function notAuthentic(): KmsError {
  return new KmsError('not-authentic', 'decryption failed: ciphertext is not authentic')
}
