/**
 * A metadata engine that keeps everything in memory: for unit tests of the packages above. Same contract, same suite;
 * durable only as long as the object lives.
 *
 * @module
 */

import { StorageError } from '../storage-error.ts'
import { checkCommit, checkKey } from './commit-limits.ts'
import type {
  Commit,
  CommitResult,
  Entry,
  ListedItem,
  ListOptions,
  ListPrefixesOptions,
  MetadataStats,
  MetadataStore,
  Snapshot,
} from './contract.ts'
import { listPrefixes } from './list-prefixes.ts'
import { VersionedTable } from './versioned-table.ts'

interface Stored {
  readonly value: Uint8Array
  readonly version: number
}

/** See the module's comment. */
export class MemoryMetadataStore implements MetadataStore {
  readonly #entries = new VersionedTable<Stored>()
  readonly #counters = new VersionedTable<bigint>()
  readonly #snapshots = new Set<MemorySnapshot>()
  readonly #figures = { commits: 0, failedChecks: 0, batches: 0 }
  /** Commits so far: the moment of the present state, and the version of what the last commit put. */
  #now = 0
  #isClosed = false

  /** @throws StorageError `unavailable` if the store is closed */
  snapshot(): Snapshot {
    this.#checkOpen()
    const snapshot = new MemorySnapshot(this.#entries, this.#counters, this.#now, (released) => {
      if (this.#snapshots.delete(released) && this.#snapshots.size === 0) this.#forgetPast()
    })
    this.#snapshots.add(snapshot)
    return snapshot
  }

  async commit(commit: Commit): Promise<CommitResult> {
    this.#checkOpen()
    checkCommit(commit)
    const failed = commit.checks?.find(
      ({ key, version }) => (this.#entries.get(key, this.#now)?.version ?? 'absent') !== version,
    )
    if (failed !== undefined) {
      this.#figures.failedChecks++
      return { committed: false, failedKey: failed.key }
    }
    const at = this.#now + 1
    for (const key of commit.deletes ?? []) this.#entries.set(key, undefined, at)
    for (const { key, value } of commit.puts ?? []) {
      this.#entries.set(key, { value: Uint8Array.from(value), version: at }, at)
    }
    for (const { key, delta } of commit.adds ?? []) {
      this.#counters.set(key, (this.#counters.get(key, at) ?? 0n) + BigInt(delta), at)
    }
    this.#now = at
    if (this.#snapshots.size === 0) this.#forgetPast()
    this.#figures.commits++
    this.#figures.batches++
    return { committed: true }
  }

  stats(): MetadataStats {
    return { ...this.#figures, mapBytes: 0 }
  }

  /** Ends the snapshots that are still open. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const snapshot of [...this.#snapshots]) snapshot.release()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StorageError('unavailable', 'the metadata store is closed')
  }

  #forgetPast(): void {
    this.#entries.forgetPast()
    this.#counters.forgetPast()
  }
}

class MemorySnapshot implements Snapshot {
  readonly #entries: VersionedTable<Stored>
  readonly #counters: VersionedTable<bigint>
  readonly #at: number
  readonly #onRelease: (snapshot: MemorySnapshot) => void
  #isReleased = false

  constructor(
    entries: VersionedTable<Stored>,
    counters: VersionedTable<bigint>,
    at: number,
    onRelease: (snapshot: MemorySnapshot) => void,
  ) {
    this.#entries = entries
    this.#counters = counters
    this.#at = at
    this.#onRelease = onRelease
  }

  async get(key: Uint8Array): Promise<Entry | undefined> {
    this.#checkUsable()
    checkKey(key)
    const stored = this.#entries.get(key, this.#at)
    return stored === undefined ? undefined : entryOf(key, stored)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Entry | undefined)[]> {
    return await Promise.all(keys.map((key) => this.get(key)))
  }

  async list({ gte, lt, limit, reverse = false }: ListOptions): Promise<Entry[]> {
    this.#checkUsable()
    const entries: Entry[] = []
    const direction = reverse ? 'descending' : 'ascending'
    for (const [key, stored] of this.#entries[direction](gte, lt, this.#at)) {
      if (entries.length >= limit) break
      entries.push(entryOf(key, stored))
    }
    return entries
  }

  async listPrefixes(options: ListPrefixesOptions): Promise<ListedItem[]> {
    this.#checkUsable()
    return listPrefixes({ seek: (gte, lt) => this.#seek(gte, lt) }, options)
  }

  async counter(key: Uint8Array): Promise<number> {
    this.#checkUsable()
    checkKey(key)
    return Number(this.#counters.get(key, this.#at) ?? 0n)
  }

  release(): void {
    this.#isReleased = true
    this.#onRelease(this)
  }

  *#seek(gte: Uint8Array, lt: Uint8Array | undefined): Iterable<Entry> {
    for (const [key, stored] of this.#entries.ascending(gte, lt, this.#at)) yield entryOf(key, stored)
  }

  #checkUsable(): void {
    if (this.#isReleased) throw new StorageError('unavailable', 'the snapshot was released')
  }
}

/** Copies: the caller owns what it gets. */
function entryOf(key: Uint8Array, { value, version }: Stored): Entry {
  return { key: Uint8Array.from(key), value: Uint8Array.from(value), version }
}
