/**
 * The bytes of an LMDB value: an 8-byte big-endian version, then the value. Data depends on it.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { readUint64, writeUint64 } from '../../bytes.ts'
import { StorageError } from '../../storage-error.ts'
import type { Entry } from '../contract.ts'

/** Bytes of the version before every value. */
export const versionBytes = 8

/** The version of a stored entry; only its first bytes are read. @throws StorageError `corrupt` if it is too short */
export function readVersion(stored: Uint8Array, size: number): number {
  if (size < versionBytes) throw new StorageError('corrupt', 'a metadata entry is too short to hold its version')
  return readUint64(stored, 0)
}

/** Version and value of a stored entry. */
export type StoredEntry = Pick<Entry, 'value' | 'version'>

/** Copies version and value out of a buffer that the next read overwrites. @throws StorageError `corrupt` if it is too short */
export function copyEntry(stored: Buffer, size: number): StoredEntry {
  const version = readVersion(stored, size)
  return { value: copyBytes(stored, versionBytes, size), version }
}

/** Bytes that are allocated at a time for small copies. One of them that is still held keeps them all. */
const slabBytes = 32_768

let slab = Buffer.allocUnsafeSlow(slabBytes)
let slabUsed = 0

/**
 * Copies small pieces into a slab: an array buffer for every key and value would cost more than reading them. Node's own
 * pool does the same, Bun has none, and there the first view of a record would make the array buffer after all.
 */
export function copyBytes(source: Buffer, start: number, end: number): Buffer {
  const copy = takeBytes(end - start)
  source.copy(copy, 0, start, end)
  return copy
}

function takeBytes(sizeBytes: number): Buffer {
  if (sizeBytes > slabBytes / 4) return Buffer.allocUnsafeSlow(sizeBytes)
  if (slabUsed + sizeBytes > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes)
    slabUsed = 0
  }
  const start = slabUsed
  slabUsed += sizeBytes
  return slab.subarray(start, slabUsed)
}

/** Writes version and value to the start of `target`; returns the bytes used. */
export function encodeEntry(target: Uint8Array, version: number, value: Uint8Array): Uint8Array {
  writeUint64(target, 0, version)
  target.set(value, versionBytes)
  return target.subarray(0, versionBytes + value.length)
}
