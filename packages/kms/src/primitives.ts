/**
 * The two sub-key derivations and AEADs of KES ciphertexts: kes-protocol 6.1.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { chacha20poly1305, hchacha } from '@noble/ciphers/chacha.js'
import type { KeyAlgorithm } from './contract.ts'

/** One algorithm of stored keys. */
export interface KeyAead {
  /** A key for one ciphertext, from the 16-byte iv. The caller zeroes it. */
  subkey(key: Uint8Array, iv: Uint8Array): Uint8Array
  /** Writes ciphertext and 16-byte tag to the beginning of `into`. */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array, into: Uint8Array): void
  /** `undefined` when the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined
}

const tagLength = 16

const aes256: KeyAead = {
  subkey: (key, iv) => createHmac('sha256', key).update(iv).digest(),
  seal(key, nonce, plaintext, aad, into) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    if (aad.length > 0) cipher.setAAD(aad)
    into.set(cipher.update(plaintext), 0)
    cipher.final()
    into.set(cipher.getAuthTag(), plaintext.length)
  },
  open(key, nonce, sealed, aad) {
    const length = sealed.length - tagLength
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
    decipher.setAuthTag(sealed.subarray(length))
    if (aad.length > 0) decipher.setAAD(aad)
    const plaintext = decipher.update(sealed.subarray(0, length))
    try {
      decipher.final()
      return plaintext
    } catch {
      plaintext.fill(0)
      return undefined
    }
  },
}

/** "expand 32-byte k", as HChaCha20 takes it. */
const sigma = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

const words = (bytes: Uint8Array): Uint32Array => {
  const copy = Uint8Array.from(bytes)
  return new Uint32Array(copy.buffer)
}

const chacha20: KeyAead = {
  subkey(key, iv) {
    const out = new Uint32Array(8)
    hchacha(sigma, words(key), words(iv), out)
    return new Uint8Array(out.buffer)
  },
  seal(key, nonce, plaintext, aad, into) {
    into.set(chacha20poly1305(key, nonce, aad).encrypt(plaintext), 0)
  },
  open(key, nonce, sealed, aad) {
    try {
      return chacha20poly1305(key, nonce, aad).decrypt(sealed)
    } catch {
      return undefined
    }
  },
}

/** By the algorithm's name. */
export const aeads: Readonly<Record<KeyAlgorithm, KeyAead>> = { AES256: aes256, ChaCha20: chacha20 }
