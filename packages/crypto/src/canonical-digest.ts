/**
 * The digest that binds an object key to its record (DESIGN 6): SHA-256 over an encoding in which no two different lists of
 * fields look alike. docs/formats/key-sealing.md.
 *
 * @module
 */

import { createHash, type Hash, hash } from 'node:crypto'
import { invalidArgument } from './crypto-error.ts'
import { asBuffer } from './secrets.ts'

/** First byte of a field. Frozen: sealed keys depend on it. */
const fieldTypes = { bytes: 1, text: 2, uint: 3, absent: 4, present: 5, list: 6 } as const

const scratchBytes = 2048

/** Handed from one digest to the next: making one costs as much as the hashing. What is digested is no secret. */
let spareScratch: Buffer | undefined

function takeScratch(): Buffer {
  const scratch = spareScratch ?? Buffer.allocUnsafeSlow(scratchBytes)
  spareScratch = undefined
  return scratch
}

const loneSurrogate = /\p{Surrogate}/u

/**
 * Collects typed fields and digests them. Every field is written as type, length and content, so the encoding is injective:
 * what was one field cannot be read as two, an absent one is not an empty one, and a text is not bytes.
 *
 * @example
 * const digest = new CanonicalDigest('strongroom object v1').text(name).uint(size).optional(md5, (d, v) => d.bytes(v)).digest()
 */
export class CanonicalDigest {
  #hash: Hash | undefined
  readonly #scratch = takeScratch()
  #used = 0
  #isDone = false

  /** @param label what is digested, and in which version; no two uses share one */
  constructor(label: string) {
    this.text(label)
  }

  bytes(value: Uint8Array): this {
    this.#write(fieldTypes.bytes, value.length)
    this.#append(asBuffer(value))
    return this
  }

  /** UTF-8. @throws CryptoError `invalid-argument` for text with lone surrogates, which has no UTF-8 form of its own */
  text(value: string): this {
    if (loneSurrogate.test(value)) throw invalidArgument('text must be well-formed Unicode')
    const sizeBytes = Buffer.byteLength(value, 'utf8')
    this.#write(fieldTypes.text, sizeBytes)
    if (this.#used + sizeBytes > scratchBytes) this.#append(Buffer.from(value, 'utf8'))
    else this.#used += this.#scratch.write(value, this.#used, 'utf8')
    return this
  }

  /** @throws CryptoError `invalid-argument` unless 0 <= value < 2^53 */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw invalidArgument('a number must be whole and not negative')
    this.#write(fieldTypes.uint, value)
    return this
  }

  /** Marks that a value is there and lets `write` add its fields, or marks that there is none. */
  optional<T>(value: T | undefined, write: (digest: this, value: T) => void): this {
    if (value === undefined) return this.#write(fieldTypes.absent, 0)
    this.#write(fieldTypes.present, 0)
    write(this, value)
    return this
  }

  /** Writes how many values there are, and the fields of each. */
  list<T>(values: readonly T[], write: (digest: this, value: T) => void): this {
    this.#write(fieldTypes.list, values.length)
    for (const value of values) write(this, value)
    return this
  }

  /** 32 bytes. The object is of no use afterwards. */
  digest(): Buffer {
    this.#checkOpen()
    this.#isDone = true
    try {
      // One-shot hashing is twice as fast, and most digests fit.
      if (!this.#hash) return hash('sha256', this.#scratch.subarray(0, this.#used), 'buffer')
      this.#flush()
      return this.#hash.digest()
    } finally {
      spareScratch = this.#scratch
    }
  }

  #checkOpen(): void {
    if (this.#isDone) throw invalidArgument('the digest was taken already')
  }

  /** A type byte and a 64-bit number: the length of what follows, a count or the value itself. */
  #write(type: number, figure: number): this {
    this.#checkOpen()
    if (this.#used + 9 > scratchBytes) this.#flush()
    this.#scratch[this.#used] = type
    this.#scratch.writeUInt32BE(Math.floor(figure / 2 ** 32), this.#used + 1)
    this.#scratch.writeUInt32BE(figure % 2 ** 32, this.#used + 5)
    this.#used += 9
    return this
  }

  #append(content: Buffer): void {
    if (this.#used + content.length > scratchBytes) this.#flush()
    if (content.length > scratchBytes) {
      this.#hashOf().update(content)
      return
    }
    content.copy(this.#scratch, this.#used)
    this.#used += content.length
  }

  #hashOf(): Hash {
    this.#hash ??= createHash('sha256')
    return this.#hash
  }

  #flush(): void {
    if (this.#used > 0) this.#hashOf().update(this.#scratch.subarray(0, this.#used))
    this.#used = 0
  }
}
