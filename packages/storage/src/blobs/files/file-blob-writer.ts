/**
 * Writes one blob to its final name. There is no temporary name: until metadata names the blob it is an orphan of its
 * session, whole or not, and the sweeper finds it there (DESIGN 4 and 5).
 *
 * @module
 */

import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '../../storage-error.ts'
import type { BlobWriter } from '../contract.ts'
import { type BlobFileSystem, blobErrorOf } from './file-system.ts'
import { syncBlob } from './sync-blob.ts'

/** Most buffers of one `writev`: the kernel's IOV_MAX. */
const maxBuffers = 1024

/** Made by {@link FilesBlobStore.create}, with an exclusively created file. */
export class FileBlobWriter implements BlobWriter {
  readonly #fileSystem: BlobFileSystem
  readonly #path: string
  readonly #directory: string
  #handle: FileHandle | undefined
  #position = 0

  constructor(fileSystem: BlobFileSystem, handle: FileHandle, path: string, directory: string) {
    this.#fileSystem = fileSystem
    this.#handle = handle
    this.#path = path
    this.#directory = directory
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    const handle = this.#open()
    try {
      for (let i = 0; i < chunks.length; i += maxBuffers) await this.#writeAll(handle, chunks.slice(i, i + maxBuffers))
    } catch (error) {
      throw blobErrorOf(error, 'cannot write a blob')
    }
  }

  async sync(): Promise<void> {
    const handle = this.#open()
    try {
      await syncBlob(this.#fileSystem, handle, this.#directory)
    } catch (error) {
      throw blobErrorOf(error, 'cannot sync a blob')
    } finally {
      await this.#close()
    }
  }

  async abort(): Promise<void> {
    await this.#close()
    // The contract: never throws. What stays is an orphan of this session, and the sweeper removes those.
    await this.#fileSystem.unlink(this.#path).catch(() => undefined)
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new StorageError('invalid', 'the blob writer is closed')
    return this.#handle
  }

  async #writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.length > 0)
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest, this.#position)
      if (bytesWritten === 0) throw new StorageError('unavailable', 'the file system wrote nothing')
      this.#position += bytesWritten
      rest = dropBytes(rest, bytesWritten)
    }
  }

  /** A close that fails says nothing that the sync before it has not said. */
  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close().catch(() => undefined)
  }
}

/** What is left of the chunks when their first bytes are taken away. */
function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count
  let first = 0
  for (let chunk = chunks[0]; chunk !== undefined && left >= chunk.length; chunk = chunks[first]) {
    left -= chunk.length
    first++
  }
  const rest = chunks.slice(first)
  const partial = rest[0]
  if (partial !== undefined && left > 0) rest[0] = partial.subarray(left)
  return rest
}
