/**
 * The bytes of an LMDB value: an 8-byte big-endian version, then the value. Data depends on it.
 *
 * @module
 */

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

/** A stored entry whose buffer is the caller's to keep. @throws StorageError `corrupt` if it is too short */
export function decodeEntry(key: Uint8Array, stored: Uint8Array): Entry {
  return { key, value: stored.subarray(versionBytes), version: readVersion(stored, stored.length) }
}

/** A stored entry in a buffer that will be overwritten: copies it. @throws StorageError `corrupt` if it is too short */
export function copyEntry(key: Uint8Array, stored: Uint8Array, size: number): Entry {
  const version = readVersion(stored, size)
  return { key, value: Uint8Array.prototype.slice.call(stored, versionBytes, size), version }
}

/** Writes version and value to the start of `target`; returns the bytes used. */
export function encodeEntry(target: Uint8Array, version: number, value: Uint8Array): Uint8Array {
  writeUint64(target, 0, version)
  target.set(value, versionBytes)
  return target.subarray(0, versionBytes + value.length)
}
