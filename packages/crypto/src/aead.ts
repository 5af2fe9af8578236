/**
 * The two authenticated ciphers of the house, behind one face: AES-256-GCM, which all new data uses, and
 * ChaCha20-Poly1305 (RFC 8439), which data written by MinIO and KES on machines without AES instructions uses.
 * Where `node:crypto` lacks a cipher (BoringSSL has no ChaCha20) `@noble/ciphers` takes its place, slowly.
 *
 * @module
 */

import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  type DecipherGCM,
  getCiphers,
} from 'node:crypto'
import { chacha20poly1305, hchacha } from '@noble/ciphers/chacha.js'
import { invalidArgument, notAuthentic } from './crypto-error.ts'
import { asBuffer, checkKey } from './secrets.ts'

export type AeadCipher = 'AES-256-GCM' | 'ChaCha20-Poly1305'

/** Bytes of an authentication tag. */
export const tagSizeBytes = 16

/** Bytes of an AEAD nonce. */
export const nonceSizeBytes = 12

/** An opening under way. What it has decrypted stays inside until the tag was verified. */
export interface AeadOpening {
  update(ciphertext: Uint8Array): void
  /** The plaintext, in pieces. @throws CryptoError `not-authentic` */
  final(tag: Uint8Array): Buffer[]
}

interface AeadEngine {
  /** Ciphertext pieces, then the tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, pieces: readonly Uint8Array[]): Buffer[]
  startOpening(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): AeadOpening
  /** A whole message. @throws CryptoError `not-authentic` */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): Buffer
}

const tagOption = { authTagLength: tagSizeBytes }

class NativeOpening implements AeadOpening {
  readonly #decipher: DecipherGCM
  readonly #pieces: Buffer[] = []

  constructor(decipher: DecipherGCM) {
    this.#decipher = decipher
  }

  update(ciphertext: Uint8Array): void {
    this.#pieces.push(this.#decipher.update(ciphertext))
  }

  final(tag: Uint8Array): Buffer[] {
    try {
      this.#decipher.setAuthTag(tag)
      this.#decipher.final()
    } catch {
      // Whatever the library says, the answer is the same one.
      throw notAuthentic()
    }
    return this.#pieces
  }
}

function nativeEngine(name: string): AeadEngine {
  // The types know ChaCha20 under another overload; at run time both are the same function.
  const gcmName = name as CipherGCMTypes
  return {
    seal(key, nonce, aad, pieces) {
      const cipher: CipherGCM = createCipheriv(gcmName, key, nonce, tagOption)
      cipher.setAAD(aad)
      const out: Buffer[] = []
      for (const piece of pieces) out.push(cipher.update(piece))
      cipher.final()
      out.push(cipher.getAuthTag())
      return out
    },
    startOpening(key, nonce, aad) {
      const decipher = createDecipheriv(gcmName, key, nonce, tagOption)
      decipher.setAAD(aad)
      return new NativeOpening(decipher)
    },
    open(key, nonce, aad, ciphertext, tag) {
      const decipher = createDecipheriv(gcmName, key, nonce, tagOption)
      decipher.setAAD(aad)
      const plaintext = decipher.update(ciphertext)
      try {
        decipher.setAuthTag(tag)
        decipher.final()
        return plaintext
      } catch {
        plaintext.fill(0)
        throw notAuthentic()
      }
    },
  }
}

const nobleChaCha: AeadEngine = {
  seal(key, nonce, aad, pieces) {
    const sealed = asBuffer(chacha20poly1305(key, nonce, aad).encrypt(Buffer.concat(pieces)))
    const end = sealed.length - tagSizeBytes
    return [sealed.subarray(0, end), sealed.subarray(end)]
  },
  startOpening(key, nonce, aad) {
    const pieces: Uint8Array[] = []
    const ownKey = Buffer.from(key)
    return {
      // A copy: the caller may reuse its chunk, and this opening reads it only at the end.
      update: (ciphertext) => void pieces.push(Buffer.from(ciphertext)),
      final(tag) {
        try {
          return [asBuffer(chacha20poly1305(ownKey, nonce, aad).decrypt(Buffer.concat([...pieces, tag])))]
        } catch {
          throw notAuthentic()
        } finally {
          ownKey.fill(0)
        }
      },
    }
  },
  open(key, nonce, aad, ciphertext, tag) {
    try {
      return asBuffer(chacha20poly1305(key, nonce, aad).decrypt(Buffer.concat([ciphertext, tag])))
    } catch {
      throw notAuthentic()
    }
  },
}

const nativeCiphers = new Set(getCiphers())

const engines: Readonly<Record<AeadCipher, AeadEngine>> = {
  'AES-256-GCM': nativeEngine('aes-256-gcm'),
  'ChaCha20-Poly1305': nativeCiphers.has('chacha20-poly1305') ? nativeEngine('chacha20-poly1305') : nobleChaCha,
}

/**
 * Encrypts pieces as one message and returns the ciphertext in pieces, the tag being the last of them. Copies nothing
 * where the cipher is a native one.
 */
export function aeadSealPieces(
  cipher: AeadCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  pieces: readonly Uint8Array[],
): Buffer[] {
  return engines[cipher].seal(key, nonce, aad, pieces)
}

/** Begins to decrypt a message that arrives in pieces. `key`, `nonce` and `aad` may be reused when this returns. */
export function aeadStartOpening(cipher: AeadCipher, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): AeadOpening {
  return engines[cipher].startOpening(key, nonce, aad)
}

/**
 * Seals a message: ciphertext, then the 16-byte tag. The caller sees to it that no nonce is used twice with a key.
 *
 * @throws CryptoError `invalid-argument` for a key that is not 32 or a nonce that is not 12 bytes long
 */
export function aeadSeal(
  cipher: AeadCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  checkKey(key)
  if (nonce.length !== nonceSizeBytes) throw invalidArgument(`a nonce has ${nonceSizeBytes} bytes`)
  return Buffer.concat(aeadSealPieces(cipher, key, nonce, aad, [plaintext]))
}

/**
 * Opens what {@link aeadSeal} made. The caller owns the result.
 *
 * @throws CryptoError `not-authentic`, and `invalid-argument` as `aeadSeal` does
 */
export function aeadOpen(
  cipher: AeadCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer {
  checkKey(key)
  if (nonce.length !== nonceSizeBytes) throw invalidArgument(`a nonce has ${nonceSizeBytes} bytes`)
  return openMessage(cipher, key, nonce, aad, sealed)
}

/** {@link aeadOpen} for callers that have checked key and nonce. */
export function openMessage(
  cipher: AeadCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer {
  if (sealed.length < tagSizeBytes) throw notAuthentic()
  const end = sealed.length - tagSizeBytes
  return engines[cipher].open(key, nonce, aad, sealed.subarray(0, end), sealed.subarray(end))
}

/** "expand 32-byte k", the constant of ChaCha20 (RFC 8439 2.3). */
const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

function toWords(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true))
}

/**
 * HChaCha20 (draft-irtf-cfrg-xchacha 2.2): 32 bytes of key and 16 of input give a sub-key of 32 bytes, which the caller owns.
 * KES derives the key of its ChaCha20 ciphertexts with it (kes-protocol 6.1).
 *
 * @throws CryptoError `invalid-argument` for other lengths
 */
export function hchacha20(key: Uint8Array, input: Uint8Array): Buffer {
  checkKey(key)
  if (input.length !== 16) throw invalidArgument('HChaCha20 takes 16 bytes of input')
  const keyWords = toWords(key)
  const outWords = new Uint32Array(8)
  try {
    hchacha(sigma, keyWords, toWords(input), outWords)
    const out = Buffer.alloc(32)
    outWords.forEach((word, i) => {
      out.writeUInt32LE(word, i * 4)
    })
    return out
  } finally {
    keyWords.fill(0)
    outWords.fill(0)
  }
}
