/**
 * Writes one large blob past the page cache (ADR 22): sealed bytes are gathered in a page-aligned buffer, which the medium
 * reads itself. The kernel copies nothing, and an upload does not push what is being read out of memory.
 *
 * A chunk is copied as soon as it is given, so that its memory is free before anything is waited for; a buffer for the next one is
 * in hand before that is asked for. Who sends slowly gives its buffer up to those who wait for one.
 *
 * @module
 */

import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '../../storage-error.ts'
import type { BlobWriter } from '../contract.ts'
import { type AlignedBuffers, alignmentBytes, type BufferHolder } from './aligned-buffers.ts'
import { type BlobFileSystem, blobErrorOf, systemCodeOf } from './file-system.ts'
import { syncBlob } from './sync-blob.ts'

export interface BlobFile {
  readonly path: string
  readonly directory: string
}

/**
 * A buffer in which there is less room than this is written: what one reading of a socket brings (512 KiB), what a sealer held back
 * before it and their headers.
 */
const roomBytes = 640 * 1024

/** Made by {@link FilesBlobStore.create}, with an exclusively created file that was opened with `O_DIRECT`. */
export class DirectBlobWriter implements BlobWriter, BufferHolder {
  readonly #fileSystem: BlobFileSystem
  readonly #file: BlobFile
  readonly #buffers: AlignedBuffers
  #handle: FileHandle | undefined
  #isDirect = true
  /** Bytes that are on their way to the file or there: whole multiples of the alignment. */
  #position = 0
  /** What has been given and is not on its way. */
  #buffer: Buffer | undefined
  #filled = 0
  /** Without a buffer: bytes that were too few to be written. */
  readonly #tail = Buffer.allocUnsafe(alignmentBytes)
  #tailBytes = 0
  /** All writes begun so far: what one of them failed with it keeps. */
  #underWay = Promise.resolve()
  /** It has not ended. */
  #isWriting = false
  /** Filled since the pool asked last, or being filled. */
  #isInUse = false

  constructor(fileSystem: BlobFileSystem, handle: FileHandle, file: BlobFile, buffers: AlignedBuffers) {
    this.#fileSystem = fileSystem
    this.#handle = handle
    this.#file = file
    this.#buffers = buffers
  }

  /** Resolves when the chunks were copied: at once, if `ready` was waited for. A write that fails is told to a later call. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#open()
    this.#isInUse = true
    for (const chunk of chunks) {
      for (let from = 0; from < chunk.length; ) {
        const buffer = this.#buffer ?? this.#use(this.#buffers.takeNow() ?? (await this.#buffers.take()))
        const taken = Math.min(chunk.length - from, buffer.length - this.#filled)
        buffer.set(taken === chunk.length ? chunk : chunk.subarray(from, from + taken), this.#filled)
        this.#filled += taken
        from += taken
        if (this.#filled === buffer.length) await this.#next()
      }
    }
    if (this.#isDue && !this.#isWriting) this.#begin()
  }

  async ready(): Promise<void> {
    this.#open()
    if (this.#isDue) await this.#next()
    if (this.#buffer === undefined) this.#use(this.#buffers.takeNow() ?? (await this.#buffers.take()))
    this.#isInUse = true
  }

  /** @internal */
  yieldIdle(): void {
    if (this.#isInUse) this.#isInUse = false
    else if (this.#buffer !== undefined && !this.#isWriting) this.#begin()
  }

  async sync(): Promise<void> {
    const handle = this.#open()
    try {
      if (this.#buffer !== undefined) await this.#next()
      await this.#settled()
      if (this.#tailBytes > 0) await this.#writeTail()
      await syncBlob(this.#fileSystem, this.#handle ?? handle, this.#file.directory)
    } catch (error) {
      throw blobErrorOf(error, 'cannot sync a blob')
    } finally {
      this.#giveBack()
      await this.#close()
    }
  }

  async abort(): Promise<void> {
    await this.#underWay.catch(() => undefined)
    this.#giveBack()
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

  get #isDue(): boolean {
    return this.#buffer !== undefined && this.#buffer.length - this.#filled < roomBytes
  }

  /** Takes a buffer, with what was left over from the one before. */
  #use(buffer: Buffer): Buffer {
    this.#filled = this.#tail.copy(buffer, 0, 0, this.#tailBytes)
    this.#tailBytes = 0
    this.#buffer = buffer
    this.#buffers.hold(this)
    return buffer
  }

  /** The buffer in hand is written, when the write before it is done: one at a time. */
  async #next(): Promise<void> {
    await this.#settled()
    if (this.#buffer !== undefined) this.#begin()
  }

  /** Starts writing what is in the buffer in hand, but for the bytes that are too few. It goes back to the pool afterwards. */
  #begin(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    const whole = this.#filled - (this.#filled % alignmentBytes)
    this.#tailBytes = buffer.copy(this.#tail, 0, whole, this.#filled)
    if (whole === 0) {
      this.#giveBack()
      return
    }
    this.#buffer = undefined
    this.#buffers.release(this)
    this.#startWriting(buffer, whole)
  }

  #giveBack(): void {
    const buffer = this.#buffer
    this.#buffer = undefined
    this.#buffers.release(this)
    if (buffer !== undefined) this.#buffers.give(buffer)
  }

  #startWriting(buffer: Buffer, length: number): void {
    const position = this.#position
    this.#position += length
    this.#isWriting = true
    const writing = this.#underWay
      .then(() => this.#writeAll(buffer, length, position))
      .finally(() => {
        this.#isWriting = false
        this.#buffers.give(buffer)
      })
    // Told to a later call; there may be none after an abort.
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
    this.#startWriting(buffer, alignmentBytes)
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
