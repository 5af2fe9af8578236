/**
 * Opening a sealed stream or a range of it (spec 3.3, 3.5). Nonce and sizes come from the object's record: every byte of
 * every header is known before it is read, so whatever was cut, swapped, repeated or appended shows at once.
 *
 * @module
 */

import { type AeadCipher, type AeadOpening, aeadStartOpening, nonceSizeBytes, tagSizeBytes } from './aead.ts'
import { type CryptoError, invalidArgument, notAuthentic } from './crypto-error.ts'
import { aadSizeBytes, cipherIds, type DareFraming, dare2 } from './dare-framing.ts'
import { checkStreamKey } from './dare-sealer.ts'
import { headerSizeBytes, packageCount, packageSizeBytes, planRange, type SealedRange } from './dare-sizes.ts'
import { asBuffer } from './secrets.ts'

export interface DareOpenerOptions {
  /** The stream's 12-byte nonce, from the record; the bit of the final flag is ignored. */
  readonly nonce: Uint8Array
  /** Plaintext bytes of the whole stream, from the record. */
  readonly plaintextSizeBytes: number
  /** What of it to open; made by `planRange`. Default: all. The bytes given to `open` are then those of the sealed range. */
  readonly range?: SealedRange
  /** Default `AES-256-GCM`. */
  readonly cipher?: AeadCipher
}

/** Opens packages of either version; {@link DareOpener} is the one for everyday use. */
export class PackageOpener {
  readonly #framing: DareFraming
  readonly #key: Buffer
  readonly #streamNonce: Buffer
  readonly #cipher: AeadCipher
  readonly #streamPackages: number
  readonly #lastPayloadBytes: number
  readonly #endIndex: number
  #index: number
  #skipBytes: number
  #leftBytes: number
  readonly #expectedHeader = Buffer.allocUnsafe(headerSizeBytes)
  readonly #nonce = Buffer.allocUnsafe(nonceSizeBytes)
  readonly #tag = Buffer.allocUnsafe(tagSizeBytes)
  #headerBytes = 0
  #payloadLeft = 0
  #tagBytes = 0
  #opening: AeadOpening | undefined
  #state: 'open' | 'ended' | 'failed' = 'open'

  constructor(framing: DareFraming, key: Uint8Array, options: DareOpenerOptions) {
    checkStreamKey(key, options.nonce)
    const sizeBytes = options.plaintextSizeBytes
    const range = options.range ?? planRange(sizeBytes, 0, sizeBytes)
    this.#framing = framing
    this.#streamPackages = packageCount(sizeBytes)
    this.#lastPayloadBytes = sizeBytes - (this.#streamPackages - 1) * packageSizeBytes
    this.#index = range.firstPackage
    this.#endIndex = range.firstPackage + range.packageCount
    if (this.#endIndex > this.#streamPackages) throw invalidArgument('the range is not inside the stream')
    this.#skipBytes = range.skipBytes
    this.#leftBytes = range.length
    this.#key = Buffer.from(key)
    this.#streamNonce = Buffer.from(options.nonce)
    this.#cipher = options.cipher ?? 'AES-256-GCM'
    this.#expectHeader()
  }

  /**
   * Takes sealed bytes and returns the plaintext of those packages whose tag was verified, in order; often none.
   * The chunk may be reused afterwards; the result is the caller's.
   *
   * @throws CryptoError `not-authentic`; the opener is of no use then, and what it returned before stays authentic
   */
  open(chunk: Uint8Array): Buffer[] {
    if (this.#state !== 'open')
      throw this.#state === 'failed' ? notAuthentic() : invalidArgument('the stream has ended')
    const out: Buffer[] = []
    let rest = asBuffer(chunk)
    while (rest.length > 0) {
      if (this.#index === this.#endIndex) throw this.#fail()
      rest = rest.subarray(this.#takePart(rest, out))
    }
    return out
  }

  /** Ends the stream. @throws CryptoError `not-authentic` if packages are missing */
  final(): void {
    if (this.#state === 'ended') return
    if (this.#state === 'failed' || this.#index !== this.#endIndex || this.#headerBytes > 0) throw this.#fail()
    this.#state = 'ended'
    this.#key.fill(0)
  }

  /** Wipes the key. For streams that are given up; does nothing after `final()`. */
  destroy(): void {
    if (this.#state === 'open') this.#state = 'failed'
    this.#key.fill(0)
    this.#opening = undefined
  }

  /** Consumes what it can of one field (header, payload, tag) and returns how much that was. */
  #takePart(rest: Buffer, out: Buffer[]): number {
    if (this.#headerBytes < headerSizeBytes) return this.#takeHeader(rest)
    if (this.#payloadLeft > 0) {
      const take = Math.min(this.#payloadLeft, rest.length)
      this.#opening?.update(take === rest.length ? rest : rest.subarray(0, take))
      this.#payloadLeft -= take
      return take
    }
    const take = rest.copy(this.#tag, this.#tagBytes, 0, tagSizeBytes - this.#tagBytes)
    this.#tagBytes += take
    if (this.#tagBytes === tagSizeBytes) this.#release(out)
    return take
  }

  #takeHeader(rest: Buffer): number {
    const take = Math.min(headerSizeBytes - this.#headerBytes, rest.length)
    const end = this.#headerBytes + take
    if (rest.compare(this.#expectedHeader, this.#headerBytes, end, 0, take) !== 0) throw this.#fail()
    this.#headerBytes = end
    if (end === headerSizeBytes) {
      this.#framing.writeNonce(this.#nonce, this.#expectedHeader, this.#index)
      const aad = this.#expectedHeader.subarray(0, aadSizeBytes)
      this.#opening = aeadStartOpening(this.#cipher, this.#key, Buffer.from(this.#nonce), aad)
    }
    return take
  }

  #release(out: Buffer[]): void {
    const pieces = this.#finish()
    for (const piece of pieces) {
      const start = Math.min(this.#skipBytes, piece.length)
      const wanted = piece.subarray(start, start + Math.min(piece.length - start, this.#leftBytes))
      this.#skipBytes -= start
      this.#leftBytes -= wanted.length
      if (wanted.length > 0) out.push(wanted)
    }
    this.#index += 1
    this.#headerBytes = 0
    this.#tagBytes = 0
    this.#expectHeader()
  }

  #finish(): Buffer[] {
    try {
      return this.#opening?.final(this.#tag) ?? []
    } catch (error) {
      this.#fail()
      throw error
    } finally {
      this.#opening = undefined
    }
  }

  #expectHeader(): void {
    if (this.#index === this.#endIndex) return
    const isFinal = this.#index === this.#streamPackages - 1
    this.#payloadLeft = isFinal ? this.#lastPayloadBytes : packageSizeBytes
    this.#framing.writeHeader(
      this.#expectedHeader,
      cipherIds[this.#cipher],
      this.#streamNonce,
      this.#index,
      this.#payloadLeft,
      isFinal,
    )
  }

  #fail(): CryptoError {
    this.#state = 'failed'
    this.#key.fill(0)
    this.#opening = undefined
    return notAuthentic()
  }
}

/**
 * Opens a DARE 2.0 stream, or a range of one. Not one byte of a package is returned before its tag was verified, and the
 * final flag is expected exactly on the last package of the stream, which the record knows.
 *
 * The key is copied; the copy is wiped by `final()`, by `destroy()` and by a failure.
 *
 * @example
 * const range = planRange(sizeBytes, offset, length)
 * const opener = new DareOpener(partKey, { nonce, plaintextSizeBytes: sizeBytes, range })
 * for await (const chunk of blobs.read(blobId, range.sealedOffset, range.sealedLength)) yield* opener.open(chunk)
 * opener.final()
 */
export class DareOpener extends PackageOpener {
  /** @throws CryptoError `invalid-argument`, `invalid-size` */
  constructor(key: Uint8Array, options: DareOpenerOptions) {
    super(dare2, key, options)
  }
}
