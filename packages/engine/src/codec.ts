/**
 * The positional binary encoding of metadata records (docs/formats/metadata-records.md): one format byte, then fields in
 * a fixed order. Decoding is strict and bounded: whatever a writer would not have written is `corrupt`, trailing bytes
 * included. The bytes have been authenticated before they come here; the strictness keeps our own mistakes from spreading.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer'
import { StorageError } from '@strongroom/storage'
import { asBuffer } from './ids.ts'

const twoTo32 = 2 ** 32

/** Bytes of texts that are looked at one by one. */
const shortText = 64

/** @throws StorageError `corrupt`, always */
export function corrupt(what: string): never {
  throw new StorageError('corrupt', `metadata record: ${what}`)
}

/** Largest buffer that is kept for the next writer. */
const spareBytes = 8_192

/** Handed from one writer to the next. */
let spare: Buffer | undefined

function takeBuffer(capacity: number): Buffer {
  const found = spare
  if (!found || found.length < capacity) return Buffer.allocUnsafeSlow(capacity)
  spare = undefined
  return found
}

/** Appends fields to a growing buffer. */
export class RecordWriter {
  #buffer: Buffer
  #isFinished = false
  #length = 0

  constructor(format: number, capacity = 384) {
    this.#buffer = takeBuffer(capacity)
    this.u8(format)
  }

  get length(): number {
    return this.#length
  }

  #reserve(sizeBytes: number): number {
    if (this.#isFinished) throw new StorageError('invalid', 'the record is finished')
    const start = this.#length
    const end = start + sizeBytes
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, start)
      this.#buffer = larger
    }
    this.#length = end
    return start
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#buffer[at] = value
    return this
  }

  /** A whole number below 2^53, 7 bits per byte, low ones first. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new StorageError('invalid', 'not an unsigned integer')
    let rest = value
    while (rest >= 128) {
      this.u8((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    return this.u8(rest)
  }

  /** A whole number below 2^53 in 8 bytes, high ones first. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new StorageError('invalid', 'not an unsigned integer')
    const at = this.#reserve(8)
    this.#buffer.writeUInt32BE(Math.floor(value / twoTo32), at)
    this.#buffer.writeUInt32BE(value % twoTo32, at + 4)
    return this
  }

  #append(bytes: Uint8Array): this {
    // First the room: it may be in another buffer.
    const at = this.#reserve(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  /** Bytes whose number the format knows. */
  fixed(bytes: Uint8Array, sizeBytes: number): this {
    if (bytes.length !== sizeBytes) throw new StorageError('invalid', `expected ${sizeBytes} bytes`)
    return this.#append(bytes)
  }

  bytes(bytes: Uint8Array): this {
    return this.uint(bytes.length).#append(bytes)
  }

  text(text: string): this {
    const size = Buffer.byteLength(text)
    this.uint(size)
    const at = this.#reserve(size)
    this.#buffer.write(text, at, size, 'utf8')
    return this
  }

  /** The record, which is the caller's. The writer is of no use afterwards. */
  finish(): Buffer {
    if (this.#isFinished) throw new StorageError('invalid', 'the record is finished')
    this.#isFinished = true
    const record = Buffer.allocUnsafe(this.#length)
    this.#buffer.copy(record, 0, 0, this.#length)
    if (this.#buffer.length <= spareBytes) spare = this.#buffer
    return record
  }
}

/** Takes fields off a record in the order in which they were written. @throws StorageError `corrupt` */
export class RecordReader {
  readonly #buffer: Buffer
  readonly #kind: string
  #at = 0

  /** The one of the record. */
  readonly format: number

  /**
   * @param kind names the record in errors
   * @param newest the last of the formats that are known; default: `format` is the only one
   */
  constructor(bytes: Uint8Array, kind: string, format: number, newest: number = format) {
    this.#buffer = asBuffer(bytes)
    this.#kind = kind
    this.format = this.u8()
    if (this.format < format || this.format > newest) corrupt(`unknown format of ${kind}`)
  }

  #take(sizeBytes: number): number {
    const start = this.#at
    const end = start + sizeBytes
    if (end > this.#buffer.length) corrupt(`${this.#kind} ends too early`)
    this.#at = end
    return start
  }

  u8(): number {
    return this.#buffer[this.#take(1)] ?? 0
  }

  /** @param max largest value that makes sense */
  uint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i += 1) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (byte === 0 && i > 0) corrupt(`${this.#kind} has a padded integer`)
        if (value > max) corrupt(`${this.#kind} has an integer out of range`)
        return value
      }
      scale *= 128
    }
    return corrupt(`${this.#kind} has an integer out of range`)
  }

  u64(): number {
    const at = this.#take(8)
    const high = this.#buffer.readUInt32BE(at)
    if (high >= 2 ** 21) corrupt(`${this.#kind} has an integer out of range`)
    return high * twoTo32 + this.#buffer.readUInt32BE(at + 4)
  }

  /** A view of the record, not a copy. */
  fixed(sizeBytes: number): Buffer {
    const at = this.#take(sizeBytes)
    return this.#buffer.subarray(at, at + sizeBytes)
  }

  /** A view of the record, not a copy. */
  bytes(maxBytes: number): Buffer {
    return this.fixed(this.uint(maxBytes))
  }

  /** The hex digits of what {@link fixed} would give. */
  hex(sizeBytes: number): string {
    const at = this.#take(sizeBytes)
    return this.#buffer.toString('hex', at, at + sizeBytes)
  }

  skip(sizeBytes: number): void {
    this.#take(sizeBytes)
  }

  text(maxBytes: number): string {
    const size = this.uint(maxBytes)
    const at = this.#take(size)
    const end = at + size
    // Most texts are short and ASCII; a look at them is cheaper than a view.
    if (size <= shortText && this.#isAscii(at, end)) return this.#buffer.toString('latin1', at, end)
    if (!isUtf8(this.#buffer.subarray(at, end))) corrupt(`${this.#kind} has text that is not UTF-8`)
    return this.#buffer.toString('utf8', at, end)
  }

  #isAscii(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if ((this.#buffer[at] ?? 0x80) >= 0x80) return false
    return true
  }

  /** One of a table's entries. */
  oneOf<T>(table: readonly T[]): T {
    return table[this.u8()] ?? corrupt(`${this.#kind} has an unknown value`)
  }

  /** @throws StorageError `corrupt`, always */
  fail(what: string): never {
    return corrupt(`${this.#kind} has ${what}`)
  }

  /** @throws StorageError `corrupt` if bytes are left */
  end(): void {
    if (this.#at !== this.#buffer.length) corrupt(`${this.#kind} has bytes after its end`)
  }
}
