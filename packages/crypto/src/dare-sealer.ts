/**
 * Sealing a stream of any length into DARE 2.0 packages (spec 3.3), piece by piece.
 *
 * @module
 */

import { type AeadCipher, aeadSealPieces, nonceSizeBytes } from './aead.ts'
import { invalidArgument } from './crypto-error.ts'
import { aadSizeBytes, cipherIds, dare2 } from './dare-framing.ts'
import { headerSizeBytes, packageSizeBytes } from './dare-sizes.ts'
import { asBuffer, checkKey } from './secrets.ts'

/** Sealed package: header, ciphertext pieces, tag. */
export function sealPackage(
  cipher: AeadCipher,
  key: Uint8Array,
  streamNonce: Uint8Array,
  index: number,
  pieces: readonly Uint8Array[],
  payloadBytes: number,
  isFinal: boolean,
): Buffer[] {
  const header = Buffer.allocUnsafe(headerSizeBytes)
  const nonce = Buffer.allocUnsafe(nonceSizeBytes)
  dare2.writeHeader(header, cipherIds[cipher], streamNonce, index, payloadBytes, isFinal)
  dare2.writeNonce(nonce, header, index)
  const sealed = aeadSealPieces(cipher, key, nonce, header.subarray(0, aadSizeBytes), pieces)
  sealed.unshift(header)
  return sealed
}

/** @throws CryptoError `invalid-argument` unless key and nonce have their lengths */
export function checkStreamKey(key: Uint8Array, nonce: Uint8Array): void {
  checkKey(key)
  if (nonce.length !== nonceSizeBytes) throw invalidArgument(`a stream nonce has ${nonceSizeBytes} bytes`)
}

export interface DareSealerOptions {
  /** Default `AES-256-GCM`; the other is for tests of readers. */
  readonly cipher?: AeadCipher
}

/**
 * Seals a stream. A full package is held back until more data comes, since only the last one carries the final flag.
 *
 * The key and nonce are copied; the copy of the key is wiped by `final()` and `destroy()`, one of which must be called.
 * Nothing of a chunk is kept but a copy of its end, less than a package of it: its memory is free again when `seal` returns.
 *
 * @example
 * const sealer = new DareSealer(partKey, nonce)
 * for await (const chunk of body) await blob.write(sealer.seal(chunk))
 * await blob.write(sealer.final())
 */
export class DareSealer {
  readonly #key: Buffer
  readonly #nonce: Buffer
  readonly #cipher: AeadCipher
  #index = 0
  /** What has come of a package that is not whole, or may be the last. */
  #held: Buffer | undefined
  #heldBytes = 0
  #isDone = false

  /**
   * @param nonce 12 random bytes; the bit of the final flag is ignored. Never the same twice for a key.
   * @throws CryptoError `invalid-argument`
   */
  constructor(key: Uint8Array, nonce: Uint8Array, options: DareSealerOptions = {}) {
    checkStreamKey(key, nonce)
    this.#key = Buffer.from(key)
    this.#nonce = Buffer.from(nonce)
    this.#cipher = options.cipher ?? 'AES-256-GCM'
  }

  /** Takes plaintext and returns sealed bytes, in pieces to be written in order; often none. */
  seal(chunk: Uint8Array): Buffer[] {
    if (this.#isDone) throw invalidArgument('the stream has ended')
    const out: Buffer[] = []
    const bytes = asBuffer(chunk)
    let from = 0
    while (this.#heldBytes + bytes.length - from > packageSizeBytes) {
      const to = from + packageSizeBytes - this.#heldBytes
      this.#emit(out, bytes.subarray(from, to), false)
      from = to
    }
    if (from < bytes.length) this.#hold(bytes, from)
    return out
  }

  /** Ends the stream: returns the last package, or nothing if the stream was empty. */
  final(): Buffer[] {
    if (this.#isDone) throw invalidArgument('the stream has ended')
    const out: Buffer[] = []
    if (this.#heldBytes > 0) this.#emit(out, undefined, true)
    this.destroy()
    return out
  }

  /** Wipes the key. For streams that are given up; does nothing after `final()`. */
  destroy(): void {
    this.#isDone = true
    this.#key.fill(0)
    this.#held?.fill(0)
    this.#heldBytes = 0
  }

  #hold(bytes: Buffer, from: number): void {
    this.#held ??= Buffer.allocUnsafe(packageSizeBytes)
    bytes.copy(this.#held, this.#heldBytes, from)
    this.#heldBytes += bytes.length - from
  }

  /** A package of what is held and `rest`. */
  #emit(out: Buffer[], rest: Buffer | undefined, isFinal: boolean): void {
    if (this.#index >= 2 ** 32) throw invalidArgument('the stream is too long')
    const held = this.#held?.subarray(0, this.#heldBytes)
    const pieces: Buffer[] = []
    if (held !== undefined && held.length > 0) pieces.push(held)
    if (rest !== undefined && rest.length > 0) pieces.push(rest)
    const payloadBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const sealed = sealPackage(this.#cipher, this.#key, this.#nonce, this.#index, pieces, payloadBytes, isFinal)
    for (const piece of sealed) out.push(piece)
    this.#index += 1
    this.#heldBytes = 0
  }
}
