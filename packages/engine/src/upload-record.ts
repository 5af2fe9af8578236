/**
 * The records of a running multipart upload: `upload/…` and `part/…` (docs/formats/metadata-records.md).
 *
 * @module
 */

import { RecordReader, RecordWriter } from './codec.ts'
import type { AccountId, ChecksumAlgorithm, ChecksumType, ObjectChecksum } from './contract.ts'
import { type Details, noDetails, type Overflow, readDetails, writeDetails } from './details.ts'
import { type Envelope, readEnvelope, sealedKeyBytes, writeEnvelope } from './envelope-record.ts'
import { idBytes, sessionIdBytes } from './ids.ts'
import {
  maxOverflowChunks,
  readChecksum,
  readStream,
  type StoredStream,
  writeChecksum,
  writeStream,
} from './object-record.ts'

export interface UploadRecord {
  readonly initiatedAtMs: number
  readonly ownerAccountId: AccountId
  /**
   * Set while a Complete is at work: its session. No part can land meanwhile, so the list of parts stands still. If the
   * session has ended without finishing, the mark counts for nothing.
   */
  readonly completingSession?: Uint8Array
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
  readonly storageClass?: string
  readonly overflow?: Overflow
  /** Empty as long as they were not loaded from the overflow chunks; see `RecordStore.complete`. */
  readonly details: Details
  /** Form `upload`. */
  readonly envelope: Envelope
  /** The key under which the parts' keys are sealed, sealed under the object key. */
  readonly sealedTableKey: Uint8Array
}

/** A stored stream of a part, and how much plaintext it holds. */
export interface Segment extends StoredStream {
  readonly sizeBytes: number
}

export interface PartRecord {
  readonly lastModifiedMs: number
  readonly sizeBytes: number
  /** 16 bytes. */
  readonly etag: Uint8Array
  readonly checksum?: ObjectChecksum
  /** None for an empty part, one for an uploaded part, several for a part that was copied from several. */
  readonly segments: readonly Segment[]
}

/** Most segments of one part: its record stays below the longest value. A copy that would need more reads the data. */
export const maxSegments = 60

const uploadFormat = 1
const partFormat = 1
const completingBit = 1
const checksumBit = 2
const storageClassBit = 4
const overflowBit = 8

/** Data depends on the order of these. */
const algorithms: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']
const types: readonly ChecksumType[] = ['FULL_OBJECT', 'COMPOSITE']

/** The bytes of a record. Details are left out if the record has an overflow: its chunks hold them. */
export function encodeUploadRecord(record: UploadRecord): Buffer {
  const writer = new RecordWriter(uploadFormat, 512)
  let bits = record.completingSession ? completingBit : 0
  if (record.checksum) bits |= checksumBit
  if (record.storageClass !== undefined) bits |= storageClassBit
  if (record.overflow) bits |= overflowBit
  writer.u8(bits).u64(record.initiatedAtMs).text(record.ownerAccountId)
  if (record.completingSession) writer.fixed(record.completingSession, sessionIdBytes)
  if (record.checksum) writer.u8(algorithms.indexOf(record.checksum.algorithm)).u8(types.indexOf(record.checksum.type))
  if (record.storageClass !== undefined) writer.text(record.storageClass)
  if (record.overflow) writer.fixed(record.overflow.id, idBytes).uint(record.overflow.chunkCount)
  else writeDetails(writer, record.details)
  writeEnvelope(writer, record.envelope)
  return writer.fixed(record.sealedTableKey, sealedKeyBytes).finish()
}

/** @throws StorageError `corrupt` */
export function decodeUploadRecord(bytes: Uint8Array): UploadRecord {
  const reader = new RecordReader(bytes, 'upload', uploadFormat)
  const bits = reader.u8()
  if (bits > 15) reader.fail('unknown flags')
  const initiatedAtMs = reader.u64()
  const ownerAccountId = reader.text(64)
  const completing = bits & completingBit ? { completingSession: reader.fixed(sessionIdBytes) } : undefined
  const checksum =
    bits & checksumBit ? { checksum: { algorithm: reader.oneOf(algorithms), type: reader.oneOf(types) } } : undefined
  const storageClass = bits & storageClassBit ? reader.text(64) : undefined
  const overflow =
    bits & overflowBit ? { id: reader.fixed(idBytes), chunkCount: reader.uint(maxOverflowChunks) } : undefined
  const details = overflow ? noDetails : readDetails(reader, storageClass)
  const envelope = readEnvelope(reader)
  const sealedTableKey = reader.fixed(sealedKeyBytes)
  reader.end()
  return {
    initiatedAtMs,
    ownerAccountId,
    ...completing,
    ...checksum,
    ...(storageClass === undefined ? undefined : { storageClass }),
    ...(overflow ? { overflow } : undefined),
    details,
    envelope,
    sealedTableKey,
  }
}

/** Appends segments. */
export function writeSegments(writer: RecordWriter, segments: readonly Segment[]): void {
  writer.uint(segments.length)
  for (const segment of segments) writeStream(writer.uint(segment.sizeBytes), segment)
}

/** Takes off what {@link writeSegments} appended; byte fields are views of the record. */
export function readSegments(reader: RecordReader): Segment[] {
  const count = reader.uint(maxSegments)
  const segments: Segment[] = []
  for (let i = 0; i < count; i += 1) segments.push({ sizeBytes: reader.uint(), ...readStream(reader) })
  return segments
}

export function encodePartRecord(record: PartRecord): Buffer {
  const writer = new RecordWriter(partFormat)
  writer
    .u64(record.lastModifiedMs)
    .uint(record.sizeBytes)
    .fixed(record.etag, 16)
    .u8(record.checksum ? 1 : 0)
  if (record.checksum) writeChecksum(writer, record.checksum)
  writeSegments(writer, record.segments)
  return writer.finish()
}

/** @throws StorageError `corrupt` */
export function decodePartRecord(bytes: Uint8Array): PartRecord {
  const reader = new RecordReader(bytes, 'part', partFormat)
  const lastModifiedMs = reader.u64()
  const sizeBytes = reader.uint()
  const etag = reader.fixed(16)
  const checksum = reader.oneOf([false, true]) ? { checksum: readChecksum(reader) } : undefined
  const segments = readSegments(reader)
  reader.end()
  return { lastModifiedMs, sizeBytes, etag, ...checksum, segments }
}
