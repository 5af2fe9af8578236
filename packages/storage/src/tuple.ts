/**
 * Order-preserving tuple keys (DESIGN 4): a one-byte table tag, then elements whose encodings compare as the elements do.
 *
 * | element | bytes |
 * |---|---|
 * | text (UTF-8) or byte string, another element follows | every 0x00 as 0x00 0xFF, then the terminator 0x00 0x01 |
 * | text or byte string in last place | as it is, so that prefixes and delimiters of names are byte prefixes of keys |
 * | unsigned integer | 8 bytes, big-endian |
 * | descending integer (newest first) | 8 bytes, big-endian, every bit inverted |
 * | bytes of a fixed length | as they are |
 *
 * Frozen: stored keys depend on it.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { asBuffer, compareBytes, readUint32, upperBound, writeUint32 } from './bytes.ts'
import { StorageError } from './storage-error.ts'

/** One kind of element; made by {@link text}, {@link byteString}, {@link uint64}, {@link descending}, {@link fixedBytes}. */
export interface TupleElement<T> {
  /** Bytes that `write` will need. @throws StorageError `invalid` if the value cannot be encoded */
  size(value: T, isLast: boolean): number
  /** Writes the value; returns the offset behind it. */
  write(value: T, target: Buffer, offset: number, isLast: boolean): number
  /** Reads a value and where the next one begins. @throws StorageError `corrupt` */
  read(source: Buffer, offset: number, isLast: boolean): { readonly value: T; readonly next: number }
}

/** The values of a list of elements. */
export type TupleValues<E extends readonly TupleElement<unknown>[]> = {
  readonly [I in keyof E]: E[I] extends TupleElement<infer T> ? T : never
}

/** The keys of one table. */
export interface TupleKey<E extends readonly TupleElement<unknown>[]> {
  /** First byte of every key of the table. */
  readonly tag: number
  /** The key of these values. @throws StorageError `invalid` if a value cannot be encoded */
  encode(...values: TupleValues<E>): Uint8Array
  /** The first bytes that exactly the keys with these first values have in common; fewer values than elements. */
  prefix(...values: Partial<TupleValues<E>>): Uint8Array
  /** The values of a key. @throws StorageError `corrupt` if it is no key of this table */
  decode(key: Uint8Array): TupleValues<E>
}

/** Largest table tag: 0xFF is left free, so that every prefix has an end. */
const maxTag = 0xfe

/**
 * Defines the keys of a table.
 *
 * @param tag the table's own first byte, 0 to 254
 * @example
 * const objectKey = defineTuple(3, fixedBytes(16), text())
 * objectKey.encode(bucketId, 'photos/a.jpg')
 */
export function defineTuple<const E extends readonly TupleElement<unknown>[]>(
  tag: number,
  ...elements: E
): TupleKey<E> {
  if (!Number.isInteger(tag) || tag < 0 || tag > maxTag)
    throw new StorageError('invalid', `a table tag is 0 to ${maxTag}`)
  return {
    tag,
    encode: (...values) => encodeValues(tag, elements, values, elements.length - 1),
    prefix: (...values) => encodeValues(tag, elements, values, -1),
    decode: (key) => decodeValues(tag, elements, key) as unknown as TupleValues<E>,
  }
}

/** The smallest key greater than all keys with this prefix. @throws StorageError `invalid` if there is none (empty or all 0xFF) */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = upperBound(prefix)
  if (end === undefined) throw new StorageError('invalid', 'there is no end to this prefix')
  return end
}

function encodeValues(
  tag: number,
  elements: readonly TupleElement<unknown>[],
  values: readonly unknown[],
  lastIndex: number,
): Uint8Array {
  let size = 1
  for (let i = 0; i < values.length; i++) size += elements[i]?.size(values[i], i === lastIndex) ?? 0
  const key = Buffer.allocUnsafe(size)
  key[0] = tag
  let offset = 1
  for (let i = 0; i < values.length; i++) offset = elements[i]?.write(values[i], key, offset, i === lastIndex) ?? offset
  return key
}

function decodeValues(tag: number, elements: readonly TupleElement<unknown>[], key: Uint8Array): unknown[] {
  const source = asBuffer(key)
  if (source[0] !== tag) throw corrupt('belongs to another table')
  const values: unknown[] = []
  let offset = 1
  for (const [i, element] of elements.entries()) {
    const { value, next } = element.read(source, offset, i === elements.length - 1)
    values.push(value)
    offset = next
  }
  if (offset !== source.length) throw corrupt('has bytes behind its last element')
  return values
}

/** Text of any length, in the order of its UTF-8 bytes. A lone surrogate has no UTF-8 form and is refused. */
export function text(): TupleElement<string> {
  return {
    size(value, isLast) {
      const size = Buffer.byteLength(value)
      // Only text that is not ASCII can hold surrogates.
      if (size !== value.length) refuseLoneSurrogates(value)
      return isLast ? size : size + countZeros(value) + terminatorBytes
    },
    write(value, target, offset, isLast) {
      const end = offset + target.write(value, offset)
      return isLast ? end : escapeInPlace(target, offset, end)
    },
    read(source, offset, isLast) {
      const { value, next } = readVariable(source, offset, isLast)
      const decoded = value.toString()
      // Another key must not read as the same text.
      if (compareBytes(Buffer.from(decoded), value) !== 0) throw corrupt('holds text that is not UTF-8')
      return { value: decoded, next }
    },
  }
}

/** Bytes of any length. What `decode` returns is a copy. */
export function byteString(): TupleElement<Uint8Array> {
  return {
    size(value, isLast) {
      if (isLast) return value.length
      let zeros = 0
      for (let i = 0; i < value.length; i++) if (value[i] === 0) zeros++
      return value.length + zeros + terminatorBytes
    },
    write(value, target, offset, isLast) {
      target.set(value, offset)
      const end = offset + value.length
      return isLast ? end : escapeInPlace(target, offset, end)
    },
    read: readVariable,
  }
}

/** Bytes of one fixed length. What `decode` returns is a copy. */
export function fixedBytes(length: number): TupleElement<Uint8Array> {
  return {
    size(value) {
      if (value.length !== length) throw new StorageError('invalid', `a key element must have ${length} bytes`)
      return length
    },
    write(value, target, offset) {
      target.set(value, offset)
      return offset + length
    },
    read(source, offset) {
      if (offset + length > source.length) throw corrupt('ends within an element')
      return { value: copyBytes(source, offset, offset + length), next: offset + length }
    },
  }
}

/** An integer from 0 to 2^53 - 1, smallest first. */
export function uint64(): TupleElement<number> {
  return integer(0)
}

/** An integer from 0 to 2^53 - 1, greatest first. */
export function descending(): TupleElement<number> {
  return integer(0xffffffff)
}

const wordSize = 2 ** 32

function integer(mask: number): TupleElement<number> {
  return {
    size(value) {
      if (!Number.isSafeInteger(value) || value < 0)
        throw new StorageError('invalid', 'a key element is not a safe integer')
      return 8
    },
    write(value, target, offset) {
      writeUint32(target, offset, Math.floor(value / wordSize) ^ mask)
      writeUint32(target, offset + 4, (value >>> 0) ^ mask)
      return offset + 8
    },
    read(source, offset) {
      if (offset + 8 > source.length) throw corrupt('ends within an element')
      const high = (readUint32(source, offset) ^ mask) >>> 0
      const low = (readUint32(source, offset + 4) ^ mask) >>> 0
      const value = high * wordSize + low
      if (!Number.isSafeInteger(value)) throw corrupt('holds an integer beyond 2^53')
      return { value, next: offset + 8 }
    },
  }
}

const terminatorBytes = 2
const escapedZero = 0xff
const terminator = 0x01

function countZeros(value: string): number {
  let zeros = 0
  for (let at = value.indexOf('\0'); at >= 0; at = value.indexOf('\0', at + 1)) zeros++
  return zeros
}

/** Escapes the bytes from `start` to `end` where they stand (room was reserved behind them) and appends the terminator. */
function escapeInPlace(target: Buffer, start: number, end: number): number {
  let zeros = 0
  for (let at = target.indexOf(0, start); at >= 0 && at < end; at = target.indexOf(0, at + 1)) zeros++
  let to = end + zeros
  target[to] = 0
  target[to + 1] = terminator
  const next = to + terminatorBytes
  for (let from = end - 1; to - 1 > from; from--) {
    const byte = target[from] ?? 0
    if (byte === 0) target[--to] = escapedZero
    target[--to] = byte
  }
  return next
}

function readVariable(
  source: Buffer,
  offset: number,
  isLast: boolean,
): { readonly value: Buffer; readonly next: number } {
  if (isLast) return { value: copyBytes(source, offset, source.length), next: source.length }
  const value = Buffer.allocUnsafe(source.length - offset)
  let length = 0
  for (let at = offset; at < source.length; at++) {
    const byte = source[at] ?? 0
    if (byte !== 0) {
      value[length++] = byte
      continue
    }
    at++
    if (source[at] === terminator) return { value: value.subarray(0, length), next: at + 1 }
    if (source[at] !== escapedZero) break
    value[length++] = 0
  }
  throw corrupt('has a variable element without an end')
}

function copyBytes(source: Buffer, start: number, end: number): Buffer {
  return Buffer.from(source.subarray(start, end))
}

function refuseLoneSurrogates(value: string): void {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit < 0xd800 || unit > 0xdfff) continue
    const low = value.charCodeAt(i + 1)
    if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) {
      throw new StorageError('invalid', 'a key element holds a lone surrogate')
    }
    i++
  }
}

function corrupt(what: string): StorageError {
  return new StorageError('corrupt', `a metadata key ${what}`)
}
