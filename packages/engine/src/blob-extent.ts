/**
 * The plaintext of one range of a stored blob, a few packages at a time.
 *
 * @module
 */

import { sealedPackageSizeBytes } from '@strongroom/crypto'
import type { BlobReader } from '@strongroom/storage'
import type { ReadMemory } from './read-memory.ts'
import type { OpeningRange } from './two-layers.ts'

/** What was read, and could be opened of it. */
interface Batch {
  readonly pieces: readonly Uint8Array[]
  readonly heldBytes: number
  /** Why there are no more of them. */
  readonly failure?: unknown
}

/** Owns the open blob and the opener. One call at a time. */
export class BlobExtent {
  readonly #blob: BlobReader
  readonly #range: OpeningRange
  readonly #memory: ReadMemory
  readonly #end: number
  #position: number
  #current: Batch | undefined
  #ahead: Promise<Batch> | undefined

  constructor(blob: BlobReader, range: OpeningRange, memory: ReadMemory) {
    this.#blob = blob
    this.#range = range
    this.#memory = memory
    this.#position = range.sealedOffset
    this.#end = range.sealedOffset + range.sealedLength
  }

  /**
   * The next pieces, at least one; they are the caller's, who has taken those before. `undefined` at the end, which was
   * authenticated.
   *
   * @throws CryptoError `not-authentic`, StorageError
   */
  async next(): Promise<readonly Uint8Array[] | undefined> {
    const before = this.#current
    this.#current = undefined
    this.#drop(before)
    if (before?.failure !== undefined) throw before.failure
    if (this.#ahead === undefined && this.#position === this.#end) {
      this.#range.opener.final()
      return undefined
    }
    const batch = await (this.#ahead ?? this.#read())
    this.#ahead = undefined
    this.#current = batch
    if (batch.failure === undefined && this.#position < this.#end && this.#memory.hasRoom) {
      this.#ahead = this.#read()
      // Thrown where it is awaited, or not at all if the reader ends here.
      this.#ahead.catch(() => undefined)
    }
    return batch.pieces
  }

  /** Lets go of everything. To be called once, whatever happened. */
  async close(): Promise<void> {
    this.#drop(this.#current)
    this.#drop(await this.#ahead?.catch(() => undefined))
    this.#range.opener.destroy()
    await this.#blob.close()
  }

  #drop(batch: Batch | undefined): void {
    if (batch) this.#memory.heldBytes -= batch.heldBytes
  }

  async #read(): Promise<Batch> {
    const memory = this.#memory
    const heldBytes = Math.min(memory.batchBytes, this.#end - this.#position)
    const position = this.#position
    this.#position += heldBytes
    memory.heldBytes += heldBytes
    try {
      const buffer = await memory.take()
      try {
        const sealed = buffer.subarray(0, heldBytes)
        await this.#blob.read(sealed, position)
        return { heldBytes, ...this.#open(sealed) }
      } finally {
        memory.give(buffer)
      }
    } catch (error) {
      memory.heldBytes -= heldBytes
      throw error
    }
  }

  /** What is authentic before something that is not is given out, and then the failure. */
  #open(sealed: Buffer): Pick<Batch, 'pieces' | 'failure'> {
    const pieces: Uint8Array[] = []
    try {
      for (let at = 0; at < sealed.length; at += sealedPackageSizeBytes) {
        pieces.push(...this.#range.opener.open(sealed.subarray(at, at + sealedPackageSizeBytes)))
      }
      return { pieces }
    } catch (failure) {
      if (pieces.length === 0) throw failure
      return { pieces, failure }
    }
  }
}
