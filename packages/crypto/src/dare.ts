/**
 * DARE 2.0 for byte strings that are in memory as a whole: inline objects, sealed keys, digests.
 *
 * @module
 */

import { type AeadCipher, aeadSealPieces, nonceSizeBytes, openMessage } from './aead.ts'
import { notAuthentic } from './crypto-error.ts'
import { aadSizeBytes, cipherIds, dare2 } from './dare-framing.ts'
import { DareOpener } from './dare-opener.ts'
import { checkStreamKey, sealPackage } from './dare-sealer.ts'
import { headerSizeBytes, packageOverheadBytes, packageSizeBytes, sealedSize } from './dare-sizes.ts'
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
  if (plaintext.length > 0 && plaintext.length <= packageSizeBytes)
    return sealOnlyPackage(cipher, key, nonce, plaintext)
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
  if (plaintextSizeBytes > 0 && plaintextSizeBytes <= packageSizeBytes) {
    checkStreamKey(key, nonce)
    return openOnlyPackage(cipher, key, nonce, asBuffer(sealed))
  }
  const opener = new DareOpener(key, { nonce, plaintextSizeBytes, cipher })
  try {
    const pieces = opener.open(asBuffer(sealed))
    opener.final()
    return Buffer.concat(pieces, plaintextSizeBytes)
  } finally {
    opener.destroy()
  }
}

/** Of the package that is being sealed or opened: public bytes, written and read within one call. */
const scratch = Buffer.alloc(headerSizeBytes + nonceSizeBytes)
const header = scratch.subarray(0, headerSizeBytes)
const aad = scratch.subarray(0, aadSizeBytes)
const packageNonce = scratch.subarray(headerSizeBytes)

/** A stream of one package, without the machinery for more: every small object and every sealed key is one. */
function sealOnlyPackage(cipher: AeadCipher, key: Uint8Array, streamNonce: Uint8Array, plaintext: Uint8Array): Buffer {
  dare2.writeHeader(header, cipherIds[cipher], streamNonce, 0, plaintext.length, true)
  dare2.writeNonce(packageNonce, header, 0)
  const sealed = Buffer.allocUnsafe(sealedSize(plaintext.length))
  let at = header.copy(sealed)
  for (const piece of aeadSealPieces(cipher, key, packageNonce, aad, [plaintext])) at += piece.copy(sealed, at)
  return sealed
}

/** The reverse of {@link sealOnlyPackage}. */
function openOnlyPackage(cipher: AeadCipher, key: Uint8Array, streamNonce: Uint8Array, sealed: Buffer): Buffer {
  dare2.writeHeader(header, cipherIds[cipher], streamNonce, 0, sealed.length - packageOverheadBytes, true)
  if (header.compare(sealed, 0, headerSizeBytes) !== 0) throw notAuthentic()
  dare2.writeNonce(packageNonce, header, 0)
  return openMessage(cipher, key, packageNonce, aad, sealed.subarray(headerSizeBytes))
}
