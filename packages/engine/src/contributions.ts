/**
 * What a record adds to everything derived from records: counters, the key index and blob references. Every commit takes
 * its derived changes from here (before taken off, after put on), and fsck sums the same function over all records
 * (DESIGN 4).
 *
 * A version that stands in `version/…` as well as in `object/…` counts its bytes, blobs and key use there; the current
 * record then counts as a name only.
 *
 * @module
 */

import { BoundedMap } from './bounded-map.ts'
import type { Envelope } from './envelope-record.ts'
import { asBuffer } from './ids.ts'
import type { ObjectRecord, ObjectVersion, StoredStream } from './object-record.ts'
import type { TablePart } from './part-table.ts'
import {
  bucketCountKey,
  bucketCounts,
  type KeyCount,
  keyCountKey,
  keyCounts,
  useUploadKey,
  useVersionKey,
} from './tables.ts'
import type { PartRecord, Segment, UploadRecord } from './upload-record.ts'

/** A record, and what one needs to know of its place. */
export type Holder =
  /** A record in `object/…` or `version/…`. */
  | {
      readonly kind: 'current' | 'version'
      readonly bucketId: Uint8Array
      readonly name: string
      readonly record: ObjectRecord
    }
  /** A record in `upload/…`. */
  | {
      readonly kind: 'upload'
      readonly bucketId: Uint8Array
      readonly uploadId: Uint8Array
      readonly record: UploadRecord
    }
  /** A record in `part/…` of a running upload. */
  | { readonly kind: 'part'; readonly bucketId: Uint8Array; readonly envelope: Envelope; readonly record: PartRecord }
  /** All parts of an upload that ends, as far as counters go: their blobs are settled later, part by part. */
  | {
      readonly kind: 'part-counts'
      readonly bucketId: Uint8Array
      readonly envelope: Envelope
      readonly parts: number
      readonly sizeBytes: number
    }
  /** A record in `part/…` whose upload has ended and which did not go into the object. */
  | { readonly kind: 'leftover-part'; readonly segments: readonly Segment[] }
  /** Parts of a part table. */
  | { readonly kind: 'table'; readonly parts: readonly Pick<TablePart, 'segments'>[] }

/** Something that records refer to and that goes when no record does. */
export interface Reference {
  /** `inline`: `data/id`; `file`: a blob of the blob store; `table`: a part table; `overflow`: chunks of details. */
  readonly kind: 'inline' | 'file' | 'table' | 'overflow'
  readonly id: Uint8Array
  /** Of `table` and `overflow`. */
  readonly chunkCount: number
}

/** Sums of contributions. Zero sums stay in the maps: they mean "touched, and nothing changed". */
export class Tally {
  readonly #bucketRows = new Map<string, CountRow>()
  readonly #keyRows = new Map<string, CountRow>()
  readonly uses = new Map<string, { readonly key: Uint8Array; delta: number }>()
  readonly references = new Map<string, { readonly reference: Reference; delta: number }>()

  /** @param times 1 puts a record on, -1 takes it off */
  contribute(holder: Holder, times: 1 | -1): this {
    contributors[holder.kind](this, holder as never, times)
    return this
  }

  /** The sums of the counters, by their key as latin1 text. Made anew each time. */
  get counts(): ReadonlyMap<string, { readonly key: Uint8Array; readonly delta: number }> {
    const counts = new Map<string, { readonly key: Uint8Array; readonly delta: number }>()
    for (const rows of [this.#bucketRows, this.#keyRows]) {
      for (const { figures, keys } of rows.values()) {
        for (const [what, key] of keys.entries()) counts.set(mapKeyOf(key), { key, delta: figures[what] ?? 0 })
      }
    }
    return counts
  }

  /** Tells what a commit has to add to counters. */
  eachAddition(add: (key: Uint8Array, delta: number) => void): void {
    for (const rows of [this.#bucketRows, this.#keyRows]) {
      for (const { figures, keys } of rows.values()) {
        for (let what = 0; what < keys.length; what += 1) {
          const delta = figures[what]
          const key = keys[what]
          if (delta && key) add(key, delta)
        }
      }
    }
  }

  /** Adds to the counters of a bucket, in the order of `bucketCounts`. */
  countForBucket(bucketId: Uint8Array, objects: number, versions: number, sizeBytes: number): void {
    const row = rowOf(this.#bucketRows, mapKeyOf(bucketId), bucketCounts.length, (what) =>
      bucketCountKey.encode(bucketId, what),
    )
    row[0] = (row[0] ?? 0) + objects
    row[1] = (row[1] ?? 0) + versions
    row[2] = (row[2] ?? 0) + sizeBytes
  }

  /** Adds to the counters of the key that an envelope needs, if it needs one. */
  countForKey(
    bucketId: Uint8Array,
    envelope: Envelope,
    figures: Partial<Record<KeyCount, number>>,
    times: number,
  ): void {
    if (!('keyId' in envelope)) return
    const { keyId, keyVersion } = envelope
    const id = `${mapKeyOf(keyId)}${mapKeyOf(bucketId)}${keyVersion}`
    const row = rowOf(this.#keyRows, id, keyCounts.length, (what) =>
      keyCountKey.encode(keyId, keyVersion, bucketId, what),
    )
    for (let what = 0; what < keyCounts.length; what += 1) {
      const name = keyCounts[what]
      const figure = name && figures[name]
      if (figure) row[what] = (row[what] ?? 0) + figure * times
    }
  }

  use(key: Uint8Array, delta: number): void {
    sum(this.uses, key, delta)
  }

  refer(reference: Reference, delta: number): void {
    const mapKey = `${reference.kind[0]}${mapKeyOf(reference.id)}`
    const entry = this.references.get(mapKey)
    if (entry) entry.delta += delta
    else this.references.set(mapKey, { reference, delta })
  }
}

/** The counters of one bucket, or of one key version in one bucket. */
interface CountRow {
  readonly figures: number[]
  readonly keys: readonly Uint8Array[]
}

/** Keys of counters by the id of their row, which says of which kind it is by its length: every write needs them. */
const counterKeys = new BoundedMap<string, readonly Uint8Array[]>(1_000)

function rowOf(rows: Map<string, CountRow>, id: string, length: number, keyOf: (what: number) => Uint8Array): number[] {
  const found = rows.get(id)
  if (found) return found.figures
  let keys = counterKeys.get(id)
  if (!keys) {
    keys = Array.from({ length }, (_, what) => keyOf(what))
    counterKeys.set(id, keys)
  }
  const row: CountRow = { figures: new Array<number>(length).fill(0), keys }
  rows.set(id, row)
  return row.figures
}

function mapKeyOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1')
}

function sum(into: Map<string, { readonly key: Uint8Array; delta: number }>, key: Uint8Array, delta: number): void {
  const mapKey = mapKeyOf(key)
  const entry = into.get(mapKey)
  if (entry) entry.delta += delta
  else into.set(mapKey, { key, delta })
}

type ContributorOf<K extends Holder['kind']> = (
  tally: Tally,
  holder: Extract<Holder, { kind: K }>,
  times: number,
) => void

const contributors: { readonly [K in Holder['kind']]: ContributorOf<K> } = {
  current: contributeObject,
  version: contributeObject,
  upload(tally, { bucketId, uploadId, record }, times) {
    tally.countForKey(bucketId, record.envelope, { uploads: 1 }, times)
    const { envelope, overflow } = record
    if ('keyId' in envelope) {
      tally.use(useUploadKey.encode(envelope.keyId, envelope.keyVersion, bucketId, uploadId), times)
    }
    if (overflow) tally.refer({ kind: 'overflow', ...overflow }, times)
  },
  part(tally, { bucketId, envelope, record }, times) {
    tally.countForKey(bucketId, envelope, { parts: 1, partBytes: record.sizeBytes }, times)
    for (const segment of record.segments) referToStream(tally, segment, times)
  },
  'part-counts'(tally, { bucketId, envelope, parts, sizeBytes }, times) {
    tally.countForKey(bucketId, envelope, { parts, partBytes: sizeBytes }, times)
  },
  'leftover-part'(tally, { segments }, times) {
    for (const segment of segments) referToStream(tally, segment, times)
  },
  table(tally, { parts }, times) {
    for (const part of parts) for (const segment of part.segments) referToStream(tally, segment, times)
  },
}

function contributeObject(
  tally: Tally,
  { kind, bucketId, name, record }: Extract<Holder, { kind: 'current' | 'version' }>,
  times: number,
): void {
  if (record.kind === 'delete-marker') return
  const isCurrent = kind === 'current'
  if (isCurrent) {
    tally.countForBucket(bucketId, times, 0, 0)
    tally.countForKey(bucketId, record.envelope, { objects: 1 }, times)
    if (record.inVersions) return
  }
  contributeVersion(tally, bucketId, name, record, times)
}

function contributeVersion(
  tally: Tally,
  bucketId: Uint8Array,
  name: string,
  record: ObjectVersion,
  times: number,
): void {
  const { envelope, data, overflow, sizeBytes } = record
  tally.countForBucket(bucketId, 0, times, times * sizeBytes)
  tally.countForKey(bucketId, envelope, { versions: 1, bytes: sizeBytes }, times)
  if ('keyId' in envelope) {
    tally.use(useVersionKey.encode(envelope.keyId, envelope.keyVersion, bucketId, name, record.sequence), times)
  }
  if (data.kind === 'single') referToStream(tally, data, times)
  if (data.kind === 'manifest') tally.refer({ kind: 'table', id: data.id, chunkCount: data.chunkCount }, times)
  if (overflow) tally.refer({ kind: 'overflow', ...overflow }, times)
}

function referToStream(tally: Tally, stream: StoredStream, times: number): void {
  tally.refer({ kind: stream.isInline ? 'inline' : 'file', id: stream.blobId, chunkCount: 0 }, times)
}
