/**
 * DARE 2.0 for byte strings that are in memory as a whole: inline objects, sealed keys, digests.
 *
 * @module
 */

import type { AeadCipher } from './aead.ts'
import { notAuthentic } from './crypto-error.ts'
import { DareOpener } from './dare-opener.ts'
import { checkStreamKey, sealPackage } from './dare-sealer.ts'
import { packageSizeBytes, sealedSize } from './dare-sizes.ts'
import { asBuffer } from './secrets.ts'

/**
 * Seals bytes as a stream of their own; nothing if there are none. The same bytes come out of a `DareSealer`.
 *
 * @param nonce 12 random bytes, never the same twice for a key
 * @throws CryptoError `invalid-argument`
 */
export function sealBytes(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  cipher: AeadCipher = 'AES-256-GCM',
): Buffer {
  checkStreamKey(key, nonce)
  const pieces: Buffer[] = []
  for (let start = 0, index = 0; start < plaintext.length; start += packageSizeBytes, index += 1) {
    const payload = plaintext.subarray(start, start + packageSizeBytes)
    const isFinal = start + packageSizeBytes >= plaintext.length
    for (const piece of sealPackage(cipher, key, nonce, index, [payload], payload.length, isFinal)) pieces.push(piece)
  }
  return Buffer.concat(pieces, sealedSize(plaintext.length))
}

/**
 * Opens what {@link sealBytes} or a `DareSealer` made. Nonce and size come from the record. The caller owns the result.
 *
 * @throws CryptoError `not-authentic`, `invalid-argument`, `invalid-size`
 */
export function openBytes(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  plaintextSizeBytes: number,
  cipher: AeadCipher = 'AES-256-GCM',
): Buffer {
  if (sealed.length !== sealedSize(plaintextSizeBytes)) throw notAuthentic()
  const opener = new DareOpener(key, { nonce, plaintextSizeBytes, cipher })
  try {
    const pieces = opener.open(asBuffer(sealed))
    opener.final()
    const [only] = pieces
    return pieces.length === 1 && only ? only : Buffer.concat(pieces, plaintextSizeBytes)
  } finally {
    opener.destroy()
  }
}
