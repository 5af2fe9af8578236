/**
 * Byte-string helpers that the engines share: keys are compared as unsigned bytes, shorter first.
 *
 * @module
 */

import { Buffer } from 'node:buffer'

/** The order of keys: below, at or above zero. */
export const compareBytes: (a: Uint8Array, b: Uint8Array) => number = Buffer.compare

/** Whether `bytes` begins with `prefix`; every key begins with the empty prefix. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (bytes[i] !== prefix[i]) return false
  }
  return true
}

/**
 * The smallest byte string greater than all that begin with `prefix`, or `undefined` if there is none (a prefix that is
 * empty or all 0xFF).
 */
export function upperBound(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const bound = Uint8Array.prototype.slice.call(prefix, 0, length)
  bound[length - 1] = (prefix[length - 1] ?? 0) + 1
  return bound
}

/** The smallest byte string greater than `bytes`. */
export function successor(bytes: Uint8Array): Uint8Array {
  const next = new Uint8Array(bytes.length + 1)
  next.set(bytes)
  return next
}

/** The same memory as a `Buffer`. Bytes that are one already are not asked for their array buffer, which Bun makes only then. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A key as a string that a `Map` can hold; one character per byte. */
export function mapKey(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1')
}

const wordSize = 2 ** 32

/** Writes an unsigned 64-bit big-endian integer. The value must be a safe, non-negative one. */
export function writeUint64(target: Uint8Array, offset: number, value: number): void {
  writeUint32(target, offset, Math.floor(value / wordSize))
  writeUint32(target, offset + 4, value >>> 0)
}

/** Reads an unsigned 64-bit big-endian integer; not exact above 2^53. */
export function readUint64(source: Uint8Array, offset: number): number {
  return readUint32(source, offset) * wordSize + readUint32(source, offset + 4)
}

/** Writes an unsigned 32-bit big-endian integer. */
export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}

/** Reads an unsigned 32-bit big-endian integer. */
export function readUint32(source: Uint8Array, offset: number): number {
  const high = (source[offset] ?? 0) * 2 ** 24
  return high + (((source[offset + 1] ?? 0) << 16) | ((source[offset + 2] ?? 0) << 8) | (source[offset + 3] ?? 0))
}

/** Reads a signed 64-bit big-endian integer. */
export function readInt64(source: Uint8Array): bigint {
  return asBuffer(source).readBigInt64BE(0)
}
