/**
 * Encryption under a key as KES does it: kes-protocol 6.2 (written), 6.3 (read) and 6.4 (HMAC).
 *
 * @module
 */
import {
  type AeadCipher,
  aeadOpen,
  aeadSealPieces,
  CryptoError,
  hchacha20,
  hmacSha256,
  type RandomSource,
} from '@strongroom/crypto'
import { parseEnvelope } from './ciphertext-envelope.ts'
import type { KeyAlgorithm } from './contract.ts'
import { KmsError } from './kms-error.ts'

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

/** kes-protocol 6.1. Sub-keys are the caller's to zero. */
const ciphers: Readonly<
  Record<KeyAlgorithm, { readonly aead: AeadCipher; readonly subkey: (key: Uint8Array, iv: Uint8Array) => Uint8Array }>
> = {
  AES256: { aead: 'AES-256-GCM', subkey: hmacSha256 },
  ChaCha20: { aead: 'ChaCha20-Poly1305', subkey: hchacha20 },
}

/** `AEAD(plaintext) ‖ iv ‖ nonce`, `context` being the associated data, verbatim. */
export function encryptWithKey(
  { algorithm, key }: CipherKey,
  plaintext: Uint8Array,
  context: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const trailer = random(trailerLength)
  const { aead, subkey } = ciphers[algorithm]
  const ownKey = subkey(key, trailer.subarray(0, ivLength))
  try {
    return Buffer.concat([...aeadSealPieces(aead, ownKey, trailer.subarray(ivLength), context, [plaintext]), trailer])
  } finally {
    ownKey.fill(0)
  }
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
  const { aead, subkey } = ciphers[algorithm]
  const ownKey = subkey(key, raw.subarray(sealedLength, sealedLength + ivLength))
  try {
    return aeadOpen(aead, ownKey, raw.subarray(sealedLength + ivLength), context, raw.subarray(0, sealedLength))
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  } finally {
    ownKey.fill(0)
  }
}

/** HMAC-SHA-256 of `message` under the key's own HMAC key. 32 bytes. */
export function hmacWithKey(hmacKey: Uint8Array, message: Uint8Array): Uint8Array {
  return hmacSha256(hmacKey, message)
}

function notAuthentic(): KmsError {
  return new KmsError('not-authentic', 'decryption failed: ciphertext is not authentic')
}
