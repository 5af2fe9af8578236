/**
 * The ordered key-value contract that all metadata goes through: fresh snapshots for reading, and all-or-nothing
 * durable commits with optimistic checks. Engines: `./lmdb`. Every engine passes `./metadata-store.suite.ts`.
 *
 * @module
 */

/** A token that changes whenever the value of a key changes and is never used again, not even after a delete. */
export type EntryVersion = number

/** Most operations (checks, puts, deletes and adds together) of one commit. */
export const maxCommitOperations = 100

/** Longest key, in bytes. */
export const maxKeyBytes = 4026

/** Longest value, in bytes: larger values bring LMDB's free list to its knees (docs/adr). */
export const maxValueBytes = 7900

export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly version: EntryVersion
}

/** Half-open range of keys in byte order, `gte` to `lt`. */
export interface ListOptions {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  /** Most entries returned. */
  readonly limit: number
  /** From the end of the range backwards. Default false. */
  readonly reverse?: boolean
}

export interface ListPrefixesOptions {
  /** Only keys that begin with these bytes. */
  readonly prefix: Uint8Array
  /** Keys that contain these bytes after the prefix are rolled up into one common prefix (which ends with them). Not empty. */
  readonly delimiter: Uint8Array
  /** Only keys and common prefixes greater than this key; a common prefix that is itself a prefix of `after` is left out. */
  readonly after?: Uint8Array
  /** Most items returned. */
  readonly limit: number
}

/** An entry, or the common prefix (a key's first bytes, delimiter included) under which one or more entries lie. */
export type ListedItem =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'prefix'; readonly prefix: Uint8Array }

/**
 * One state of the store, never older than the moment `snapshot()` was called: it includes every commit that any process
 * had been told about by then. Values are owned by the caller. `release()` must be called once, in a `finally`.
 */
export interface Snapshot {
  get(key: Uint8Array): Promise<Entry | undefined>
  getMany(keys: readonly Uint8Array[]): Promise<(Entry | undefined)[]>
  list(options: ListOptions): Promise<Entry[]>
  /** Skips over the keys below a common prefix by seeking, not by reading them. */
  listPrefixes(options: ListPrefixesOptions): Promise<ListedItem[]>
  /** The value of a counter (see {@link Commit.adds}); 0 if it was never added to. */
  counter(key: Uint8Array): Promise<number>
  release(): void
}

/** Holds if the entry at `key` has this version; `'absent'` if there is none. */
export interface Check {
  readonly key: Uint8Array
  readonly version: EntryVersion | 'absent'
}

export interface Commit {
  readonly checks?: readonly Check[]
  readonly puts?: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]
  readonly deletes?: readonly Uint8Array[]
  /** Added to signed 64-bit counters, without a check. `delta` is a safe integer. Counters and entries never share a key. */
  readonly adds?: readonly { readonly key: Uint8Array; readonly delta: number }[]
}

/** `failedKey` is a key whose check did not hold: read again and retry, or give up. Nothing was written. */
export type CommitResult = { readonly committed: true } | { readonly committed: false; readonly failedKey: Uint8Array }

/**
 * @throws StorageError `unavailable` (cannot be reached or closed), `full` (no space), `corrupt`, `invalid` (a limit above
 * was exceeded: a programming error)
 */
export interface MetadataStore {
  /** Begins a fresh snapshot; see {@link Snapshot}. */
  snapshot(): Snapshot
  /** Applies everything or nothing; durable (fsynced) when it resolves with `committed: true`. */
  commit(commit: Commit): Promise<CommitResult>
  /** Figures for metrics. */
  stats(): MetadataStats
  close(): Promise<void>
}

export interface MetadataStats {
  readonly commits: number
  readonly failedChecks: number
  /** Groups of commits that shared one fsync. */
  readonly batches: number
  readonly mapBytes: number
}
