/**
 * A snapshot over one LMDB read transaction. Reads are synchronous (memory-mapped, copied out), so no cursor outlives a
 * call and no read can meet a closed environment.
 *
 * @module
 */

import { compareBytes, readInt64 } from '../../bytes.ts'
import { StorageError } from '../../storage-error.ts'
import { checkKey } from '../commit-limits.ts'
import type { Entry, ListedItem, ListOptions, ListPrefixesOptions, Snapshot } from '../contract.ts'
import { listPrefixes } from '../list-prefixes.ts'
import { ascendingRange, descendingRange } from './key-range.ts'
import { copyEntry } from './lmdb-entry.ts'
import type { LmdbEnvironment, LmdbReadTransaction } from './lmdb-environment.ts'
import { storageErrorOf } from './lmdb-errors.ts'

/** What was read, for metrics and for tests that prove how little a page reads. */
export interface LmdbReadFigures {
  gets: number
  /** Cursors positioned. */
  seeks: number
  /** Entries that cursors went over. */
  entriesListed: number
}

/**
 * Made by the store only: it holds a read transaction, which keeps LMDB from reusing pages until `release()`. It is that of the
 * snapshots before it in the same turn of the event loop, unless the store calls `resetReadTxn()` first.
 */
export class LmdbSnapshot implements Snapshot {
  readonly #environment: LmdbEnvironment
  readonly #figures: LmdbReadFigures
  readonly #onRelease: (snapshot: LmdbSnapshot) => void
  #reading: { readonly transaction: LmdbReadTransaction } | undefined

  constructor(environment: LmdbEnvironment, figures: LmdbReadFigures, onRelease: (snapshot: LmdbSnapshot) => void) {
    this.#environment = environment
    this.#figures = figures
    this.#onRelease = onRelease
    this.#reading = { transaction: environment.root.useReadTransaction() }
  }

  get(key: Uint8Array): Promise<Entry | undefined> {
    // Spelled out: every small request does this several times.
    try {
      return Promise.resolve(this.#get(key))
    } catch (error) {
      return Promise.reject(storageErrorOf(error, 'cannot read metadata'))
    }
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Entry | undefined)[]> {
    return this.#read(() => keys.map((key) => this.#get(key)))
  }

  list(options: ListOptions): Promise<Entry[]> {
    return this.#read(() => {
      const { gte, lt, limit } = options
      if (limit <= 0 || compareBytes(gte, lt) >= 0) return []
      const range = options.reverse ? descendingRange(gte, lt) : ascendingRange(gte, lt)
      this.#figures.seeks++
      const entries: Entry[] = []
      for (const { key, value } of this.#environment.entries.getRange({ ...range, limit, ...this.#active() })) {
        entries.push({ key, value: value.value, version: value.version })
      }
      this.#figures.entriesListed += entries.length
      return entries
    })
  }

  listPrefixes(options: ListPrefixesOptions): Promise<ListedItem[]> {
    return this.#read(() => listPrefixes({ seek: (gte, lt) => this.#seek(gte, lt) }, options))
  }

  counter(key: Uint8Array): Promise<number> {
    return this.#read(() => {
      checkKey(key)
      const stored = this.#environment.counters.getBinaryFast(key, this.#active())
      if (stored === undefined) return 0
      const value = Number(readInt64(stored))
      if (!Number.isSafeInteger(value)) throw new StorageError('corrupt', 'a counter is beyond 2^53')
      return value
    })
  }

  release(): void {
    const reading = this.#reading
    if (reading === undefined) return
    this.#reading = undefined
    reading.transaction.done()
    this.#onRelease(this)
  }

  #get(key: Uint8Array): Entry | undefined {
    checkKey(key)
    this.#figures.gets++
    const { entries } = this.#environment
    const stored = entries.getBinaryFast(key, this.#active())
    if (stored === undefined) return undefined
    const { value, version } = copyEntry(stored, entries.lastSize)
    return { key, value, version }
  }

  *#seek(gte: Uint8Array, lt: Uint8Array | undefined): Iterable<Entry> {
    this.#figures.seeks++
    for (const { key, value } of this.#environment.entries.getRange({
      ...ascendingRange(gte, lt),
      ...this.#active(),
    })) {
      this.#figures.entriesListed++
      yield { key, value: value.value, version: value.version }
    }
  }

  #active(): { readonly transaction: LmdbReadTransaction } {
    if (this.#reading === undefined) throw new StorageError('unavailable', 'the snapshot was released')
    return this.#reading
  }

  #read<T>(read: () => T): Promise<T> {
    try {
      return Promise.resolve(read())
    } catch (error) {
      return Promise.reject(storageErrorOf(error, 'cannot read metadata'))
    }
  }
}
