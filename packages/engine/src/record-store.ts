/**
 * Records between the engine and the metadata store: sealed with their key as associated data, completed from overflow
 * chunks, and cached decoded where every request needs them (docs/formats/metadata-records.md).
 *
 * @module
 */

import { CryptoError, type RecordSealer } from '@strongroom/crypto'
import { type Entry, maxValueBytes, type Snapshot, StorageError } from '@strongroom/storage'
import { BoundedMap } from './bounded-map.ts'
import { corrupt } from './codec.ts'
import { decodeDetails, encodeDetails, type Overflow } from './details.ts'
import { EngineError } from './engine-error.ts'
import { asBuffer, idBytes, type Random } from './ids.ts'
import {
  decodeObjectRecord,
  encodeObjectRecord,
  maxOverflowChunks,
  type ObjectRecord,
  type ObjectVersion,
} from './object-record.ts'
import { manifestKey } from './tables.ts'
import { decodeUploadRecord, encodeUploadRecord, type UploadRecord } from './upload-record.ts'

/** Longest body of a record: a value, less what sealing adds, with room to spare. */
export const maxBodyBytes = maxValueBytes - 100

/** Bytes of an overflow chunk before sealing. */
const chunkBytes = 7_000

/** A body that fits, and the chunks that have to be put beside it. */
export interface FittedRecord<T> {
  /** As it is stored: with its overflow, if it has one. */
  readonly record: T
  readonly body: Buffer
  readonly chunks: readonly { readonly key: Uint8Array; readonly body: Buffer }[]
}

type Sealer = Pick<RecordSealer, 'seal' | 'open'>

/** Longest sealed record of an object that is kept decoded: with {@link keptObjects} it bounds the memory that takes. */
const maxKeptBytes = 1_024

/** Records of objects that are kept decoded. */
const keptObjects = 4_096

/** A record of an object as it was stored, and what it says. */
interface KeptObject {
  readonly sealed: Buffer
  readonly record: ObjectRecord
}

/** Opens, completes and caches records, and seals them. */
export class RecordStore {
  readonly #sealer: Sealer
  readonly #cache = new BoundedMap<string, { readonly version: number; readonly value: unknown }>(4_096)
  readonly #objects = new BoundedMap<string, KeptObject>(keptObjects)

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  seal(key: Uint8Array, body: Uint8Array): Uint8Array {
    return this.#sealer.seal(key, body)
  }

  /** The record's body. @throws CryptoError `not-authentic` if it was changed or moved */
  open(entry: Entry): Buffer {
    return this.#sealer.open(entry.key, entry.value)
  }

  /** Decodes a record once per version of its entry. For records that many requests need: buckets and keys. */
  cached<T>(entry: Entry, decode: (body: Buffer) => T): T {
    const cacheKey = asBuffer(entry.key).toString('latin1')
    const found = this.#cache.get(cacheKey)
    // One key is always decoded the same way: the table's tag is its first byte.
    if (found?.version === entry.version) return found.value as T
    const value = decode(this.open(entry))
    this.#cache.set(cacheKey, { version: entry.version, value })
    return value
  }

  /**
   * The record at `entry`; its details may be in overflow chunks. The same bytes under the same key say the same: they are
   * opened and decoded once, and the result, which nobody changes, serves all who read them lately.
   *
   * @throws CryptoError `not-authentic`
   */
  decodedObject(entry: Entry): ObjectRecord {
    const cacheKey = asBuffer(entry.key).toString('latin1')
    const found = this.#objects.get(cacheKey)
    if (found?.sealed.equals(entry.value)) return found.record
    const record = decodeObjectRecord(this.open(entry))
    if (entry.value.length <= maxKeptBytes) this.#objects.set(cacheKey, { sealed: Buffer.from(entry.value), record })
    return record
  }

  /** The record at `entry`, with its details. */
  async object(snapshot: Snapshot, entry: Entry): Promise<ObjectRecord> {
    const record = this.decodedObject(entry)
    if (record.kind === 'delete-marker' || record.overflow === undefined) return record
    const bytes = await this.overflow(snapshot, record.overflow)
    return { ...record, details: decodeDetails(bytes, record.storageClass) }
  }

  /** The record at `entry`, with its details. */
  async upload(snapshot: Snapshot, entry: Entry): Promise<UploadRecord> {
    const record = decodeUploadRecord(this.open(entry))
    if (record.overflow === undefined) return record
    const bytes = await this.overflow(snapshot, record.overflow)
    return { ...record, details: decodeDetails(bytes, record.storageClass) }
  }

  /** What the chunks of an overflow hold. */
  async overflow(snapshot: Snapshot, overflow: Overflow): Promise<Buffer> {
    const keys = Array.from({ length: overflow.chunkCount }, (_, chunk) => manifestKey.encode(overflow.id, chunk))
    const entries = await snapshot.getMany(keys)
    return Buffer.concat(entries.map((entry) => (entry ? this.open(entry) : corrupt('overflow chunk is missing'))))
  }
}

/** What a record says; `undefined` if it is damaged: fsck names it, and housekeeping goes on without it. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CryptoError || (error instanceof StorageError && error.code === 'corrupt')) return undefined
    throw error
  }
}

/** Cuts bytes into overflow chunks under a new id. @throws EngineError `MetadataTooLarge` */
export function splitOverflow(
  bytes: Buffer,
  random: Random,
): { readonly overflow: Overflow; readonly chunks: FittedRecord<never>['chunks'] } {
  const id = Buffer.from(random(idBytes))
  const chunkCount = Math.ceil(bytes.length / chunkBytes)
  if (chunkCount > maxOverflowChunks) throw new EngineError('MetadataTooLarge')
  const chunks = Array.from({ length: chunkCount }, (_, chunk) => ({
    key: manifestKey.encode(id, chunk),
    body: bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes),
  }))
  return { overflow: { id, chunkCount }, chunks }
}

/**
 * Encodes a version, moving its details to overflow chunks if they do not fit. A record that has an overflow already keeps
 * it: whoever changes details takes `overflow` off first.
 *
 * @throws EngineError `MetadataTooLarge`
 */
export function fitObject(record: ObjectRecord, random: Random): FittedRecord<ObjectRecord> {
  const body = encodeObjectRecord(record)
  if (body.length <= maxBodyBytes || record.kind === 'delete-marker') return { record, body, chunks: [] }
  const { overflow, chunks } = splitOverflow(encodeDetails(record.details), random)
  const moved: ObjectVersion = { ...record, overflow }
  return { record: moved, body: encodeObjectRecord(moved), chunks }
}

/** As {@link fitObject}, for an upload. */
export function fitUpload(record: UploadRecord, random: Random): FittedRecord<UploadRecord> {
  const body = encodeUploadRecord(record)
  if (body.length <= maxBodyBytes) return { record, body, chunks: [] }
  const { overflow, chunks } = splitOverflow(encodeDetails(record.details), random)
  const moved: UploadRecord = { ...record, overflow }
  return { record: moved, body: encodeUploadRecord(moved), chunks }
}

/** Takes the overflow off a record whose details change. */
export function withDetails(record: ObjectVersion, details: ObjectVersion['details']): ObjectVersion {
  const { overflow: _, ...rest } = record
  return { ...rest, details, tagCount: details.tags.length }
}
