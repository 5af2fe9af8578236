/**
 * The record of one version of an object, or of a delete marker: the value of `object/…` and `version/…`
 * (docs/formats/metadata-records.md). What listings need comes first, so that they decode no more than that.
 *
 * @module
 */

import { corrupt, RecordReader, RecordWriter } from './codec.ts'
import type { AccountId, ChecksumAlgorithm, ChecksumType, ObjectChecksum, ObjectSummary } from './contract.ts'
import { type Details, noDetails, type Overflow, readDetails, writeDetails } from './details.ts'
import { type Envelope, readEnvelope, sealedKeyBytes, writeEnvelope } from './envelope-record.ts'
import { blobIdBytes, idBytes } from './ids.ts'

/** Bytes of the nonce of a sealed stream. */
export const streamNonceBytes = 12

/** The storage class of an object that names none. */
export const standardStorageClass = 'STANDARD'

/** 16 bytes, and the number of parts of a multipart object (0: not one). */
export interface EtagValue {
  readonly digest: Uint8Array
  readonly partCount: number
}

/** A sealed stream: where it is, and the key to it, sealed under the object key or the table key. */
export interface StoredStream {
  /** 24 bytes. */
  readonly blobId: Uint8Array
  /** In the metadata store (`data/blobId`), or a blob of the blob store. */
  readonly isInline: boolean
  /** Sealed twice (DSSE-KMS). Absent: once. */
  readonly layers?: 2
  readonly nonce: Uint8Array
  readonly sealedKey: Uint8Array
}

/** Where a version's bytes are. `none`: it has none. */
export type StoredData =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'single' } & StoredStream)
  | {
      readonly kind: 'manifest'
      /** 16 bytes: the id of the upload that made the part table. */
      readonly id: Uint8Array
      readonly partCount: number
      readonly chunkCount: number
      readonly tableDigest: Uint8Array
      readonly sealedTableKey: Uint8Array
    }

interface VersionHead {
  /** Microseconds since the epoch, larger than that of every older version of the name. */
  readonly sequence: number
  /** The version whose id is `null`. */
  readonly isNull: boolean
  /** The same version also stands in `version/…`, which then counts its bytes and blobs. */
  readonly inVersions: boolean
  /** On the current record: sequence of the name's null version, if that is another version. */
  readonly nullSequence?: number
  readonly lastModifiedMs: number
  readonly ownerAccountId: AccountId
}

export interface DeleteMarker extends VersionHead {
  readonly kind: 'delete-marker'
}

/** What listings show of a version. */
export interface ObjectVersionHead extends VersionHead {
  readonly kind: 'object'
  readonly sizeBytes: number
  readonly etag: EtagValue
  readonly checksum?: ObjectChecksum
  readonly storageClass?: string
  readonly overflow?: Overflow
}

export interface ObjectVersion extends ObjectVersionHead {
  /** Empty as long as they were not loaded from the overflow chunks; see `RecordStore.complete`. */
  readonly details: Details
  readonly tagCount: number
  readonly envelope: Envelope
  readonly data: StoredData
}

export type ObjectRecord = ObjectVersion | DeleteMarker
export type ObjectRecordHead = ObjectVersionHead | DeleteMarker

const format = 1
const bits = {
  marker: 0x01,
  isNull: 0x02,
  inVersions: 0x04,
  nullSequence: 0x08,
  checksum: 0x10,
  storageClass: 0x20,
  overflow: 0x40,
}

/** Data depends on the order of these three. */
const checksumAlgorithms: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']
const checksumTypes: readonly ChecksumType[] = ['FULL_OBJECT', 'COMPOSITE']
const dataKinds: readonly StoredData['kind'][] = ['none', 'single', 'manifest']

/** Appends a checksum. */
export function writeChecksum(writer: RecordWriter, checksum: ObjectChecksum): void {
  writer.u8(checksumAlgorithms.indexOf(checksum.algorithm) | (checksumTypes.indexOf(checksum.type) << 4))
  writer.text(checksum.value)
}

/** Takes off what {@link writeChecksum} appended. */
export function readChecksum(reader: RecordReader): ObjectChecksum {
  const first = reader.u8()
  const algorithm = checksumAlgorithms[first & 0x0f] ?? reader.fail('an unknown checksum algorithm')
  const type = checksumTypes[first >> 4] ?? reader.fail('an unknown checksum type')
  return { algorithm, type, value: reader.text(64) }
}

const inlineBit = 1
const twoLayersBit = 2

/** What is stored of a stream in a byte of flags. Frozen: records and envelopes depend on it. */
export function streamBits({ isInline, layers }: Pick<StoredStream, 'isInline' | 'layers'>): number {
  return (isInline ? inlineBit : 0) | (layers === 2 ? twoLayersBit : 0)
}

/** Appends a stream. */
export function writeStream(writer: RecordWriter, stream: StoredStream): void {
  writer.u8(streamBits(stream)).fixed(stream.blobId, blobIdBytes)
  writer.fixed(stream.nonce, streamNonceBytes).fixed(stream.sealedKey, sealedKeyBytes)
}

/** Takes off what {@link writeStream} appended; byte fields are views of the record. */
export function readStream(reader: RecordReader): StoredStream {
  const set = reader.u8()
  if (set > (inlineBit | twoLayersBit)) reader.fail('an unknown kind of stream')
  const stream = {
    isInline: (set & inlineBit) !== 0,
    blobId: reader.fixed(blobIdBytes),
    nonce: reader.fixed(streamNonceBytes),
    sealedKey: reader.fixed(sealedKeyBytes),
  }
  return set & twoLayersBit ? { ...stream, layers: 2 } : stream
}

function writeData(writer: RecordWriter, data: StoredData): void {
  writer.u8(dataKinds.indexOf(data.kind))
  if (data.kind === 'single') writeStream(writer, data)
  if (data.kind !== 'manifest') return
  writer.fixed(data.id, idBytes).uint(data.partCount).uint(data.chunkCount).fixed(data.tableDigest, 32)
  writer.fixed(data.sealedTableKey, sealedKeyBytes)
}

function readData(reader: RecordReader): StoredData {
  const kind = reader.oneOf(dataKinds)
  if (kind === 'none') return { kind }
  if (kind === 'single') return { kind, ...readStream(reader) }
  return {
    kind,
    id: reader.fixed(idBytes),
    partCount: reader.uint(10_000),
    chunkCount: reader.uint(10_000),
    tableDigest: reader.fixed(32),
    sealedTableKey: reader.fixed(sealedKeyBytes),
  }
}

function headBits(record: ObjectRecord): number {
  let set = record.isNull ? bits.isNull : 0
  if (record.inVersions) set |= bits.inVersions
  if (record.nullSequence !== undefined) set |= bits.nullSequence
  if (record.kind === 'delete-marker') return set | bits.marker
  if (record.checksum !== undefined) set |= bits.checksum
  if (record.storageClass !== undefined) set |= bits.storageClass
  if (record.overflow !== undefined) set |= bits.overflow
  return set
}

/** The bytes of a record. Details are left out if the record has an overflow: their chunks hold them. */
export function encodeObjectRecord(record: ObjectRecord): Buffer {
  const writer = new RecordWriter(format, 512)
  writer.u8(headBits(record)).u64(record.sequence).u64(record.lastModifiedMs).text(record.ownerAccountId)
  if (record.nullSequence !== undefined) writer.u64(record.nullSequence)
  if (record.kind === 'delete-marker') return writer.finish()
  writer.uint(record.sizeBytes).fixed(record.etag.digest, 16).uint(record.etag.partCount)
  if (record.checksum !== undefined) writeChecksum(writer, record.checksum)
  if (record.storageClass !== undefined) writer.text(record.storageClass)
  if (record.overflow !== undefined) writer.fixed(record.overflow.id, idBytes).uint(record.overflow.chunkCount)
  writer.uint(record.tagCount)
  if (record.overflow === undefined) writeDetails(writer, record.details)
  writeEnvelope(writer, record.envelope)
  writeData(writer, record.data)
  return writer.finish()
}

/**
 * What ListObjects shows of a record, or `undefined` for a delete marker: as {@link decodeObjectHead} has it, without making
 * what is not shown. LIST reads a thousand of these at a time.
 *
 * @throws StorageError `corrupt`
 */
export function decodeObjectSummary(bytes: Uint8Array, name: string): ObjectSummary | undefined {
  const reader = new RecordReader(bytes, 'object', format)
  const set = reader.u8()
  if (set & 0x80) corrupt('object has unknown flags')
  if (set & bits.marker) return undefined
  reader.skip(8)
  const lastModifiedMs = reader.u64()
  const ownerAccountId = reader.text(64)
  if (set & bits.nullSequence) reader.skip(8)
  const sizeBytes = reader.uint()
  const digest = reader.hex(16)
  const partCount = reader.uint(10_000)
  const etag = partCount === 0 ? digest : `${digest}-${partCount}`
  const checksum = set & bits.checksum ? readChecksum(reader) : undefined
  const storageClass = set & bits.storageClass ? reader.text(64) : standardStorageClass
  if (checksum) return { name, etag, sizeBytes, lastModifiedMs, storageClass, ownerAccountId, checksum }
  return { name, etag, sizeBytes, lastModifiedMs, storageClass, ownerAccountId }
}

function readHead(reader: RecordReader): ObjectRecordHead {
  const set = reader.u8()
  if (set & 0x80) corrupt('object has unknown flags')
  const head = {
    isNull: (set & bits.isNull) !== 0,
    inVersions: (set & bits.inVersions) !== 0,
    sequence: reader.u64(),
    lastModifiedMs: reader.u64(),
    ownerAccountId: reader.text(64),
    ...(set & bits.nullSequence ? { nullSequence: reader.u64() } : undefined),
  }
  if (set & bits.marker) {
    if (set & (bits.checksum | bits.storageClass | bits.overflow)) corrupt('delete marker has flags of an object')
    return { kind: 'delete-marker', ...head }
  }
  return {
    kind: 'object',
    ...head,
    sizeBytes: reader.uint(),
    etag: { digest: reader.fixed(16), partCount: reader.uint(10_000) },
    ...(set & bits.checksum ? { checksum: readChecksum(reader) } : undefined),
    ...(set & bits.storageClass ? { storageClass: reader.text(64) } : undefined),
    ...(set & bits.overflow
      ? { overflow: { id: reader.fixed(idBytes), chunkCount: reader.uint(maxOverflowChunks) } }
      : undefined),
  }
}

/** Most chunks that one overflow has. */
export const maxOverflowChunks = 16

/** What a listing needs of a record. Reads no further than that. @throws StorageError `corrupt` */
export function decodeObjectHead(bytes: Uint8Array): ObjectRecordHead {
  return readHead(new RecordReader(bytes, 'object', format))
}

/** The whole record. @throws StorageError `corrupt` */
export function decodeObjectRecord(bytes: Uint8Array): ObjectRecord {
  const reader = new RecordReader(bytes, 'object', format)
  const head = readHead(reader)
  if (head.kind === 'delete-marker') {
    reader.end()
    return head
  }
  const tagCount = reader.uint(50)
  const details = head.overflow === undefined ? readDetails(reader, head.storageClass) : noDetails
  const record = { ...head, tagCount, details, envelope: readEnvelope(reader), data: readData(reader) }
  reader.end()
  return record
}
