/**
 * The blob contract: immutable byte strings, durable before metadata names them. Adapters: `./files`.
 * Every adapter passes `./blob-store.suite.ts`.
 *
 * @module
 */

/**
 * 48 lower-case hex digits: 16 of the id of the writing process's session, then 32 random ones. So the blobs that a dead
 * session left behind are found without a walk over the store.
 */
export type BlobId = string

/** The 16 hex digits of a session. */
export type SessionId = string

export interface BlobWriter {
  /**
   * Appends; resolves when the writer is ready for more (back-pressure). The chunks may be reused after it resolved.
   * Writing may go on behind it: what fails then is thrown by the next `write` or by `sync`.
   */
  write(chunks: readonly Uint8Array[]): Promise<void>
  /**
   * Present where a writer gathers what it is given by itself, so that nobody need do it before. Resolves when `write` is going
   * to take its chunks at once: who waits for that with nothing in hand keeps no memory while the medium works. What a write
   * behind it failed with is thrown here, too.
   */
  ready?(): Promise<void>
  /** Makes the blob durable, under its name (data and directory synced), and closes the writer. */
  sync(): Promise<void>
  /** Removes what was written. Never throws; safe after an error and after `sync` failed. */
  abort(): Promise<void>
}

/** A blob that is open for reading. One call at a time. */
export interface BlobReader {
  /** Fills the buffer with the bytes from `position` on. @throws StorageError `truncated`, `unavailable` */
  read(buffer: Uint8Array, position: number): Promise<void>
  /** Has to be called, once, whatever happened. */
  close(): Promise<void>
}

/** @throws StorageError `not-found`, `full`, `unavailable`, `exists` */
export interface BlobStore {
  /** @param sizeBytes how large it is going to be, if that is known; may be wrong. A store may write large blobs another way */
  create(blobId: BlobId, sizeBytes?: number): Promise<BlobWriter>
  /** Opens a blob that has at least `endBytes`. @throws StorageError `not-found`, `truncated` if it is shorter */
  open(blobId: BlobId, endBytes: number): Promise<BlobReader>
  /**
   * Streams `length` bytes from `offset`, in chunks of the adapter's choice (about 256 KiB), each in memory of its own; nothing
   * is read before it is asked for. Throws `not-found` before the first chunk if there is no such blob, `truncated` if it is
   * shorter. Ending the iteration early closes the blob.
   */
  read(blobId: BlobId, offset: number, length: number): AsyncIterable<Uint8Array>
  /** The blob's size in bytes, or `undefined` if there is none. */
  size(blobId: BlobId): Promise<number | undefined>
  /** Resolves to false if there was none. Either way it is durable: the blob is not there again after a power loss. */
  delete(blobId: BlobId): Promise<boolean>
  /** As `delete`, for several: what has to be synced for more than one of them is synced once. */
  deleteAll(blobIds: readonly BlobId[]): Promise<void>
  /** Sessions that have, or may have, blobs. */
  sessions(): AsyncIterable<SessionId>
  /** The blobs of a session, unfinished ones included, in no order. */
  list(sessionId: SessionId): AsyncIterable<{ readonly blobId: BlobId; readonly sizeBytes: number }>
  /** Free and total bytes of the medium, where it can tell. */
  capacity(): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>
  close(): Promise<void>
}
