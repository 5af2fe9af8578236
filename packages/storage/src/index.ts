/**
 * Metadata and blob stores: the contracts that the engine is written against, and the adapters (DESIGN 4 and 5).
 *
 * @module
 */

export { isBlobId, isSessionId, makeBlobId, sessionOf } from './blobs/blob-id.ts'
export type { BlobId, BlobReader, BlobStore, BlobWriter, SessionId } from './blobs/contract.ts'
export { type BlobFileSystem, nodeFileSystem } from './blobs/files/file-system.ts'
export { FilesBlobStore, openFilesBlobStore } from './blobs/files/files-blob-store.ts'
export { MemoryBlobStore } from './blobs/memory-blob-store.ts'
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
export { JitteryMetadataStore } from './metadata/jittery-metadata-store.ts'
export {
  LmdbMetadataStore,
  type LmdbMetadataStoreOptions,
  openLmdbMetadataStore,
} from './metadata/lmdb/lmdb-metadata-store.ts'
export {
  LmdbWorkerStore,
  type LmdbWorkerStoreOptions,
  openLmdbWorkerStore,
} from './metadata/lmdb/lmdb-worker-store.ts'
export type { LmdbMetadataStats, LocalMetadataStore } from './metadata/lmdb/local-metadata-store.ts'
export { MemoryMetadataStore } from './metadata/memory-metadata-store.ts'
export { serveCommit } from './metadata/remote/commit-server.ts'
export { type FrameHandler, FrameStream } from './metadata/remote/frame-stream.ts'
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
