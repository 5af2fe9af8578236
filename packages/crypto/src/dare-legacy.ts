/**
 * Reading streams that MinIO wrote (spec 3.3): the nonce stands in the first header, the cipher may be ChaCha20, and objects
 * from before mid-2018 are DARE 1.0. For migration only: our own streams are never trusted to describe themselves.
 *
 * Unlike MinIO's reader this one is told the plaintext size, so a stream cut at a package border is refused before its last
 * package is released.
 *
 * @module
 */

import type { AeadCipher } from './aead.ts'
import { notAuthentic } from './crypto-error.ts'
import { cipherIds, type DareFraming, dare1, dare2 } from './dare-framing.ts'
import { PackageOpener } from './dare-opener.ts'
import { checkStreamKey } from './dare-sealer.ts'
import { headerSizeBytes, packageCount } from './dare-sizes.ts'
import { asBuffer } from './secrets.ts'

export interface LegacyDareOpenerOptions {
  /** Plaintext bytes of the stream: from the metadata, or `openedSize` of the stored size. */
  readonly plaintextSizeBytes: number
  /** DARE versions to read. Default both; sealed keys under the current algorithm must be 2.0 (spec 3.1). */
  readonly versions?: readonly ('1.0' | '2.0')[]
}

const framings: Readonly<Record<'1.0' | '2.0', DareFraming>> = { '1.0': dare1, '2.0': dare2 }
const ciphers = new Map<number, AeadCipher>(
  (Object.keys(cipherIds) as AeadCipher[]).map((cipher) => [cipherIds[cipher], cipher]),
)

/** Opens a whole stream written by MinIO. Used like `DareOpener`. */
export class LegacyDareOpener {
  readonly #key: Buffer
  readonly #options: LegacyDareOpenerOptions
  readonly #isEmpty: boolean
  #start = Buffer.alloc(0)
  #opener: PackageOpener | undefined

  /** @throws CryptoError `invalid-argument`, `invalid-size` */
  constructor(key: Uint8Array, options: LegacyDareOpenerOptions) {
    checkStreamKey(key, Buffer.alloc(12))
    this.#isEmpty = packageCount(options.plaintextSizeBytes) === 0
    this.#key = Buffer.from(key)
    this.#options = options
  }

  /** Takes sealed bytes, returns verified plaintext. @throws CryptoError `not-authentic` */
  open(chunk: Uint8Array): Buffer[] {
    if (this.#opener) return this.#opener.open(chunk)
    this.#start = Buffer.concat([this.#start, chunk])
    if (this.#isEmpty && this.#start.length > 0) throw notAuthentic()
    if (this.#start.length < headerSizeBytes) return []
    this.#opener = this.#openerFor(this.#start.subarray(0, headerSizeBytes))
    this.#key.fill(0)
    return this.#opener.open(this.#start)
  }

  /** Ends the stream. @throws CryptoError `not-authentic` if anything is missing */
  final(): void {
    if (this.#opener) this.#opener.final()
    else if (!this.#isEmpty || this.#start.length > 0) throw notAuthentic()
    this.#key.fill(0)
  }

  /** Wipes the key. For streams that are given up. */
  destroy(): void {
    this.#key.fill(0)
    this.#opener?.destroy()
  }

  #openerFor(header: Buffer): PackageOpener {
    const versions = this.#options.versions ?? ['1.0', '2.0']
    const framing = versions.map((version) => framings[version]).find(({ version }) => version === header[0])
    const cipher = ciphers.get(header[1] ?? -1)
    if (!framing || !cipher) throw notAuthentic()
    const nonce = header.subarray(4)
    return new PackageOpener(framing, this.#key, {
      nonce,
      cipher,
      plaintextSizeBytes: this.#options.plaintextSizeBytes,
    })
  }
}

/** Opens a whole stream that is in memory. @throws CryptoError `not-authentic`, `invalid-size` */
export function openLegacyBytes(key: Uint8Array, sealed: Uint8Array, options: LegacyDareOpenerOptions): Buffer {
  const opener = new LegacyDareOpener(key, options)
  try {
    const pieces = opener.open(asBuffer(sealed))
    opener.final()
    return Buffer.concat(pieces)
  } finally {
    opener.destroy()
  }
}
