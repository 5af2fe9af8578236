/**
 * A blob store that keeps everything in memory: for unit tests of the packages above. Same contract, same suite.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { StorageError } from '../storage-error.ts'
import { checkBlobId, isSessionId, sessionOf } from './blob-id.ts'
import { checkRange, chunksOf } from './blob-range.ts'
import type { BlobId, BlobReader, BlobStore, BlobWriter, SessionId } from './contract.ts'

/** See the module's comment. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<BlobId, Buffer>()

  async create(blobId: BlobId): Promise<BlobWriter> {
    checkBlobId(blobId)
    if (this.#blobs.has(blobId)) throw new StorageError('exists', 'there is such a blob')
    this.#blobs.set(blobId, Buffer.alloc(0))
    return new MemoryBlobWriter(this.#blobs, blobId)
  }

  async open(blobId: BlobId, endBytes: number): Promise<BlobReader> {
    checkBlobId(blobId)
    const blob = this.#blobs.get(blobId)
    if (blob === undefined) throw new StorageError('not-found', 'there is no such blob')
    if (blob.length < endBytes) throw truncated()
    return {
      async read(buffer, position) {
        if (blob.length < position + buffer.length) throw truncated()
        buffer.set(blob.subarray(position, position + buffer.length))
      },
      async close() {},
    }
  }

  async *read(blobId: BlobId, offset: number, length: number): AsyncGenerator<Uint8Array> {
    checkRange(offset, length)
    yield* chunksOf(await this.open(blobId, offset + length), offset, length)
  }

  async size(blobId: BlobId): Promise<number | undefined> {
    checkBlobId(blobId)
    return this.#blobs.get(blobId)?.length
  }

  async delete(blobId: BlobId): Promise<boolean> {
    checkBlobId(blobId)
    return this.#blobs.delete(blobId)
  }

  async deleteAll(blobIds: readonly BlobId[]): Promise<void> {
    for (const blobId of blobIds) await this.delete(blobId)
  }

  async *sessions(): AsyncGenerator<SessionId> {
    yield* new Set([...this.#blobs.keys()].map(sessionOf))
  }

  async *list(sessionId: SessionId): AsyncGenerator<{ readonly blobId: BlobId; readonly sizeBytes: number }> {
    if (!isSessionId(sessionId)) throw new StorageError('invalid', 'a session id has 16 lower-case hex digits')
    for (const [blobId, blob] of [...this.#blobs]) {
      if (sessionOf(blobId) === sessionId) yield { blobId, sizeBytes: blob.length }
    }
  }

  async capacity(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {}
}

class MemoryBlobWriter implements BlobWriter {
  readonly #blobs: Map<BlobId, Buffer>
  readonly #blobId: BlobId
  #isOpen = true

  constructor(blobs: Map<BlobId, Buffer>, blobId: BlobId) {
    this.#blobs = blobs
    this.#blobId = blobId
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#checkOpen()
    const written = this.#blobs.get(this.#blobId) ?? Buffer.alloc(0)
    this.#blobs.set(this.#blobId, Buffer.concat([written, ...chunks]))
  }

  async sync(): Promise<void> {
    this.#checkOpen()
    this.#isOpen = false
  }

  async abort(): Promise<void> {
    this.#isOpen = false
    this.#blobs.delete(this.#blobId)
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StorageError('invalid', 'the blob writer is closed')
  }
}

function truncated(): StorageError {
  return new StorageError('truncated', 'a blob is shorter than its record says')
}
