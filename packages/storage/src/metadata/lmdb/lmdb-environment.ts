/**
 * Opens the LMDB environment the way the design asks for (DESIGN 4), and types the part of the binding that is used:
 * its own type declarations leave out the options that matter here.
 *
 * @module
 */

import type { Buffer } from 'node:buffer'
import { open } from 'lmdb'
import { pageSize } from './data-file.ts'
import type { LmdbKeyRange } from './key-range.ts'
import { copyBytes, copyEntry, type StoredEntry } from './lmdb-entry.ts'
import { storageErrorOf } from './lmdb-errors.ts'

/** A read transaction: one state of all tables until `done()`. */
export interface LmdbReadTransaction {
  done(): void
}

export interface LmdbRangeOptions extends LmdbKeyRange {
  readonly limit?: number
  readonly transaction: LmdbReadTransaction
}

/** One named database of the environment, binary keys and values. */
export interface LmdbTable {
  /** Byte length of what `getBinaryFast` found last. */
  readonly lastSize: number
  /** The value in a buffer that the next read overwrites, of at least `lastSize` bytes. */
  getBinaryFast(key: Uint8Array, options?: { readonly transaction: LmdbReadTransaction }): Buffer | undefined
  /** Inside a transaction callback: done when it returns; throws if it failed. LMDB has copied the value by then. */
  put(key: Uint8Array, value: Uint8Array): void
  /** Inside a transaction callback: done when it returns. */
  remove(key: Uint8Array): void
}

/** The table of entries, which is listed. What it gives out are copies. */
export interface LmdbEntryTable extends LmdbTable {
  getRange(options: LmdbRangeOptions): Iterable<{ readonly key: Uint8Array; readonly value: StoredEntry }>
}

interface LmdbRoot extends LmdbEntryTable {
  openDB(name: string, options: { readonly keyEncoding: 'binary'; readonly encoding: 'binary' }): LmdbTable
  transaction(callback: () => void): Promise<unknown>
  resetReadTxn(): void
  useReadTransaction(): LmdbReadTransaction
  readerCheck(): number
  close(): Promise<void>
}

/** The tables of a store and what drives them. */
export interface LmdbEnvironment {
  readonly root: LmdbRoot
  /** Key to version and value. */
  readonly entries: LmdbEntryTable
  /** Key to signed 64-bit integer. */
  readonly counters: LmdbTable
  /** The commit sequence. */
  readonly state: LmdbTable
}

/** Address space for the map, in bytes: so much that it never has to be moved. No memory is used for it. */
const mapBytes = 2 ** 40

/** Most read transactions at a time, over all processes; `ensureLockFile` leaves room for more. */
const maxReaders = 1024

/**
 * Opens or makes the environment in `directory` (files of mode 0600) and clears reader slots of processes that died.
 *
 * @param options whether nothing is written here: the environment exists then
 * @throws StorageError `corrupt` if the files are not an LMDB environment, `unavailable` if they cannot be opened
 */
export function openLmdbEnvironment(
  directory: string,
  { isReadOnly = false }: { readonly isReadOnly?: boolean } = {},
): LmdbEnvironment {
  const binary = { keyEncoding: 'binary', encoding: 'binary' } as const
  const options = {
    path: directory,
    name: 'entries',
    keyEncoder: { writeKey, readKey: copyBytes },
    encoder: { encode: (stored: Uint8Array) => stored, decode: copyEntry },
    pageSize,
    mapSize: mapBytes,
    maxReaders,
    maxDbs: 8,
    noSubdir: false,
    // The flush belongs before the promise, not after it: what is acknowledged is on disk.
    overlappingSync: false,
    // Otherwise every transaction starts with an instruction whose promise nobody holds, and a full disk rejects it.
    eventTurnBatching: false,
    permissionsMode: 0o600,
    readOnly: isReadOnly,
  }
  try {
    const root = open(options) as unknown as LmdbRoot
    root.readerCheck()
    return { root, entries: root, counters: root.openDB('counters', binary), state: root.openDB('state', binary) }
  } catch (error) {
    throw storageErrorOf(error, `cannot open the metadata store in ${directory}`)
  }
}

/** Keys are written as they are. The binding catches the `RangeError` that `set` throws where there is no room. */
function writeKey(key: Uint8Array, target: Uint8Array, start: number): number {
  target.set(key, start)
  return start + key.length
}
