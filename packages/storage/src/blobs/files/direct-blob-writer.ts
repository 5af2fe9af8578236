/**
 * Writes one large blob past the page cache (ADR 22): sealed bytes are gathered in a page-aligned buffer, which the medium
 * reads itself. The kernel copies nothing, and an upload does not push what is being read out of memory.
 *
 * A buffer is held while a write is under way and no longer: who sends slowly keeps none from others.
 *
 * @module
 */

import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '../../storage-error.ts'
import type { BlobWriter } from '../contract.ts'
import { type AlignedBuffers, alignmentBytes } from './aligned-buffers.ts'
import { type BlobFileSystem, blobErrorOf, systemCodeOf } from './file-system.ts'
import { syncBlob } from './sync-blob.ts'

export interface BlobFile {
  readonly path: string
  readonly directory: string
}

/** Made by {@link FilesBlobStore.create}, with an exclusively created file that was opened with `O_DIRECT`. */
export class DirectBlobWriter implements BlobWriter {
  readonly #fileSystem: BlobFileSystem
  readonly #file: BlobFile
  readonly #buffers: AlignedBuffers
  #handle: FileHandle | undefined
  #isDirect = true
  /** Bytes that are on their way to the file or there: whole multiples of the alignment. */
  #position = 0
  /** Bytes behind them that are too few to be written. */
  readonly #tail = Buffer.allocUnsafe(alignmentBytes)
  #tailBytes = 0
  #underWay: Promise<void> | undefined

  constructor(fileSystem: BlobFileSystem, handle: FileHandle, file: BlobFile, buffers: AlignedBuffers) {
    this.#fileSystem = fileSystem
    this.#handle = handle
    this.#file = file
    this.#buffers = buffers
  }

  /** Resolves when the chunks were copied and the writes before are done; a write that fails is told to the next call. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#open()
    await this.#settled()
    let buffer = await this.#buffers.take()
    let filled = this.#tail.copy(buffer, 0, 0, this.#tailBytes)
    for (const chunk of chunks) {
      for (let from = 0; from < chunk.length; ) {
        if (filled === buffer.length) {
          this.#tailBytes = 0
          this.#begin(buffer, filled)
          await this.#settled()
          buffer = await this.#buffers.take()
          filled = 0
        }
        const taken = Math.min(chunk.length - from, buffer.length - filled)
        buffer.set(chunk.subarray(from, from + taken), filled)
        filled += taken
        from += taken
      }
    }
    const whole = filled - (filled % alignmentBytes)
    this.#tailBytes = buffer.copy(this.#tail, 0, whole, filled)
    if (whole > 0) this.#begin(buffer, whole)
    else this.#buffers.give(buffer)
  }

  async sync(): Promise<void> {
    const handle = this.#open()
    try {
      await this.#settled()
      if (this.#tailBytes > 0) await this.#writeTail()
      await syncBlob(this.#fileSystem, this.#handle ?? handle, this.#file.directory)
    } catch (error) {
      throw blobErrorOf(error, 'cannot sync a blob')
    } finally {
      await this.#close()
    }
  }

  async abort(): Promise<void> {
    await this.#underWay?.catch(() => undefined)
    await this.#close()
    // The contract: never throws. What stays is an orphan of this session, and the sweeper removes those.
    await this.#fileSystem.unlink(this.#file.path).catch(() => undefined)
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new StorageError('invalid', 'the blob writer is closed')
    return this.#handle
  }

  async #settled(): Promise<void> {
    try {
      await this.#underWay
    } catch (error) {
      throw blobErrorOf(error, 'cannot write a blob')
    }
  }

  /** Starts writing the first bytes of a buffer, which goes back to the pool when that is done. */
  #begin(buffer: Buffer, length: number): void {
    const position = this.#position
    this.#position += length
    const writing = this.#writeAll(buffer, length, position).finally(() => this.#buffers.give(buffer))
    // Told to the next call; there may be none after an abort.
    writing.catch(() => undefined)
    this.#underWay = writing
  }

  async #writeAll(buffer: Buffer, length: number, position: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const bytesWritten = await this.#writeSome(buffer, done, length - done, position + done)
      if (bytesWritten === 0) throw new StorageError('unavailable', 'the file system wrote nothing')
      done += bytesWritten
    }
  }

  async #writeSome(buffer: Buffer, from: number, length: number, position: number): Promise<number> {
    try {
      return (await this.#open().write(buffer, from, length, position)).bytesWritten
    } catch (error) {
      // Not aligned well enough for this medium, or no longer, after it took only a part: the page cache takes anything.
      if (systemCodeOf(error) !== 'EINVAL' || !this.#isDirect) throw error
      await this.#writeThroughCache()
      return (await this.#open().write(buffer, from, length, position)).bytesWritten
    }
  }

  async #writeThroughCache(): Promise<void> {
    const direct = this.#open()
    this.#handle = await this.#fileSystem.open(this.#file.path, 'r+')
    this.#isDirect = false
    await direct.close().catch(() => undefined)
  }

  /** The end of the blob, filled up with zeros that are cut off again. */
  async #writeTail(): Promise<void> {
    const sizeBytes = this.#position + this.#tailBytes
    const buffer = await this.#buffers.take()
    this.#tail.copy(buffer, 0, 0, this.#tailBytes)
    buffer.fill(0, this.#tailBytes, alignmentBytes)
    this.#tailBytes = 0
    this.#begin(buffer, alignmentBytes)
    await this.#settled()
    await this.#open().truncate(sizeBytes)
  }

  /** A close that fails says nothing that the sync before it has not said. */
  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close().catch(() => undefined)
  }
}
