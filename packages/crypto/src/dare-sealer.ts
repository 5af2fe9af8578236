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

/** Chunks shorter than this are copied together: a client that sends byte by byte must not cost an object per byte. */
const smallChunkBytes = 4096

/**
 * Seals a stream. A full package is held back until more data comes, since only the last one carries the final flag.
 *
 * The key and nonce are copied; the copy of the key is wiped by `final()` and `destroy()`, one of which must be called.
 * Larger chunks are kept by reference until their package is sealed: do not reuse their memory.
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
  #pieces: Buffer[] = []
  #pendingBytes = 0
  #index = 0
  #staging: Buffer | undefined
  #stagingStart = 0
  #stagingEnd = 0
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
    let rest = asBuffer(chunk)
    while (this.#pendingBytes + rest.length > packageSizeBytes) {
      const take = packageSizeBytes - this.#pendingBytes
      this.#hold(rest.subarray(0, take))
      rest = rest.subarray(take)
      this.#emit(out, false)
    }
    this.#hold(rest)
    return out
  }

  /** Ends the stream: returns the last package, or nothing if the stream was empty. */
  final(): Buffer[] {
    if (this.#isDone) throw invalidArgument('the stream has ended')
    const out: Buffer[] = []
    if (this.#pendingBytes > 0) this.#emit(out, true)
    this.destroy()
    return out
  }

  /** Wipes the key. For streams that are given up; does nothing after `final()`. */
  destroy(): void {
    this.#isDone = true
    this.#key.fill(0)
    this.#staging?.fill(0)
    this.#pieces = []
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return
    this.#pendingBytes += piece.length
    if (piece.length >= smallChunkBytes) {
      this.#pieces.push(piece)
      this.#stagingStart = this.#stagingEnd
      return
    }
    this.#staging ??= Buffer.allocUnsafe(packageSizeBytes)
    // Small chunks that follow each other make one piece: the last one of the list, which grows.
    if (this.#stagingEnd > this.#stagingStart) this.#pieces.pop()
    piece.copy(this.#staging, this.#stagingEnd)
    this.#stagingEnd += piece.length
    this.#pieces.push(this.#staging.subarray(this.#stagingStart, this.#stagingEnd))
  }

  #emit(out: Buffer[], isFinal: boolean): void {
    if (this.#index >= 2 ** 32) throw invalidArgument('the stream is too long')
    const sealed = sealPackage(
      this.#cipher,
      this.#key,
      this.#nonce,
      this.#index,
      this.#pieces,
      this.#pendingBytes,
      isFinal,
    )
    for (const piece of sealed) out.push(piece)
    this.#index += 1
    this.#pieces = []
    this.#pendingBytes = 0
    this.#stagingStart = 0
    this.#stagingEnd = 0
  }
}
