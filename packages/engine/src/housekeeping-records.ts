/**
 * The records behind reference counts, garbage and writer sessions (docs/formats/metadata-records.md).
 *
 * @module
 */

import { RecordReader, RecordWriter } from './codec.ts'

/** `blob/blobId` and `table/manifestId`: how many versions and parts refer to it. */
export interface BlobRecord {
  readonly count: number
}

/** `garbage/…`: what is left to be removed. */
export interface GarbageRecord {
  readonly sinceMs: number
  /**
   * Of an upload that was completed: one bit per part number, from bit 0 of byte 0 for part 1; set for the parts that
   * went into the object, whose blobs belong to the part table now. Empty for aborted uploads, blobs and tables.
   */
  readonly includedParts: Uint8Array
}

/** `session/sessionId`: a process that writes blobs. */
export interface SessionRecord {
  readonly startedAtMs: number
  /**
   * `open`: it may be writing. `ended`: no commit of it can succeed any more; its blobs that nothing refers to may go.
   * `settled`: they are gone, and what is left of its blobs is referred to.
   */
  readonly state: 'open' | 'ended' | 'settled'
}

const blobFormat = 1
const garbageFormat = 1
const sessionFormat = 1

/** Data depends on the order. */
const sessionStates: readonly SessionRecord['state'][] = ['open', 'ended', 'settled']

const maxBitmapBytes = 1_250

export function encodeBlobRecord(record: BlobRecord): Buffer {
  return new RecordWriter(blobFormat, 16).uint(record.count).finish()
}

/** @throws StorageError `corrupt` */
export function decodeBlobRecord(bytes: Uint8Array): BlobRecord {
  const reader = new RecordReader(bytes, 'blob', blobFormat)
  const count = reader.uint()
  reader.end()
  if (count === 0) reader.fail('a count of zero')
  return { count }
}

export function encodeGarbageRecord(record: GarbageRecord): Buffer {
  return new RecordWriter(garbageFormat, 32).u64(record.sinceMs).bytes(record.includedParts).finish()
}

/** @throws StorageError `corrupt` */
export function decodeGarbageRecord(bytes: Uint8Array): GarbageRecord {
  const reader = new RecordReader(bytes, 'garbage', garbageFormat)
  const sinceMs = reader.u64()
  const includedParts = reader.bytes(maxBitmapBytes)
  reader.end()
  return { sinceMs, includedParts }
}

export function encodeSessionRecord(record: SessionRecord): Buffer {
  return new RecordWriter(sessionFormat, 16).u64(record.startedAtMs).u8(sessionStates.indexOf(record.state)).finish()
}

/** @throws StorageError `corrupt` */
export function decodeSessionRecord(bytes: Uint8Array): SessionRecord {
  const reader = new RecordReader(bytes, 'session', sessionFormat)
  const startedAtMs = reader.u64()
  const state = reader.oneOf(sessionStates)
  reader.end()
  return { startedAtMs, state }
}
