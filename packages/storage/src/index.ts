/**
 * Metadata and blob stores: the contracts that the engine is written against, and the adapters (DESIGN 4 and 5).
 *
 * @module
 */

export type {
  Check,
  Commit,
  CommitResult,
  Entry,
  EntryVersion,
  ListedItem,
  ListOptions,
  ListPrefixesOptions,
  MetadataStats,
  MetadataStore,
  Snapshot,
} from './metadata/contract.ts'
export { maxCommitOperations, maxKeyBytes, maxValueBytes } from './metadata/contract.ts'
export {
  type LmdbMetadataStats,
  LmdbMetadataStore,
  type LmdbMetadataStoreOptions,
  openLmdbMetadataStore,
} from './metadata/lmdb/lmdb-metadata-store.ts'
export { MemoryMetadataStore } from './metadata/memory-metadata-store.ts'
export { StorageError, type StorageErrorCode } from './storage-error.ts'
export {
  byteString,
  defineTuple,
  descending,
  fixedBytes,
  prefixEnd,
  type TupleElement,
  type TupleKey,
  type TupleValues,
  text,
  uint64,
} from './tuple.ts'
