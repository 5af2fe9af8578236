/**
 * A metadata store in files of this machine: the contract, and what only one of that kind can be asked.
 *
 * @module
 */

import type { MetadataStats, MetadataStore } from '../contract.ts'
import type { LmdbReadFigures } from './lmdb-snapshot.ts'

/** Figures beyond the contract's. */
export interface LmdbMetadataStats extends MetadataStats, Readonly<LmdbReadFigures> {
  readonly queuedCommits: number
  readonly openSnapshots: number
}

export interface LocalMetadataStore extends MetadataStore {
  stats(): LmdbMetadataStats
  /** Free and total bytes of the file system. @throws StorageError `unavailable` */
  capacity(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** Clears the reader slots of processes that died, which keep pages from being used again. Returns how many there were. */
  checkReaders(): number
}
