/**
 * Reading part tables: a table is verified against the digest in the record that names it, and kept parsed, within
 * bounds, because every range read of a large object needs it.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { BoundedMap } from './bounded-map.ts'
import { corrupt } from './codec.ts'
import { StaleSnapshot } from './commit-loop.ts'
import type { StoredData } from './object-record.ts'
import { decodePartTableChunk, partTableDigest, type TablePart } from './part-table.ts'
import type { RecordStore } from './record-store.ts'
import { manifestKey } from './tables.ts'

export type ManifestData = Extract<StoredData, { kind: 'manifest' }>

/** A verified table. */
export interface PartTable {
  readonly parts: readonly TablePart[]
  /** Plaintext offset of each part, and the object's size as the last element. */
  readonly offsets: readonly number[]
}

/** Parts kept in memory, of all tables together: about 400 bytes each. */
const maxCachedParts = 40_000

/** Loads and keeps part tables. */
export class PartTables {
  readonly #records: RecordStore
  #cachedParts = 0
  readonly #tables = new BoundedMap<string, PartTable>(1_000, (table) => {
    this.#cachedParts -= table.parts.length
  })

  constructor(records: RecordStore) {
    this.#records = records
  }

  /**
   * The table that a record names.
   *
   * @throws StaleSnapshot if it is gone: the object was deleted, and its record has to be read again
   * @throws StorageError `corrupt` if it is not the table whose digest the record has
   */
  async load(snapshot: Snapshot, data: ManifestData): Promise<PartTable> {
    const digest = Buffer.from(data.tableDigest).toString('latin1')
    const cached = this.#tables.get(digest)
    if (cached) return cached
    const keys = Array.from({ length: data.chunkCount }, (_, chunk) => manifestKey.encode(data.id, chunk))
    const entries = await snapshot.getMany(keys)
    const chunks: Buffer[] = []
    for (const entry of entries) {
      if (!entry) throw new StaleSnapshot()
      chunks.push(this.#records.open(entry))
    }
    if (!partTableDigest(chunks).equals(data.tableDigest)) corrupt('part table does not have the digest of its record')
    const table = withOffsets(chunks.flatMap(decodePartTableChunk))
    if (table.parts.length !== data.partCount) corrupt('part table does not have as many parts as its record says')
    this.#keep(digest, table)
    return table
  }

  #keep(digest: string, table: PartTable): void {
    if (table.parts.length + this.#cachedParts > maxCachedParts) this.#tables.clear()
    this.#tables.set(digest, table)
    this.#cachedParts += table.parts.length
  }
}

function withOffsets(parts: readonly TablePart[]): PartTable {
  const offsets = [0]
  let end = 0
  for (const part of parts) {
    end += part.sizeBytes
    offsets.push(end)
  }
  return { parts, offsets }
}
