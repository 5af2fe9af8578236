/**
 * The memory of reads under way (ADR 22): a few buffers for sealed bytes, used again and again, and a bound on what all reads of
 * the process have opened before their readers took it.
 *
 * @module
 */

import { sealedPackageSizeBytes } from '@strongroom/crypto'

/** Packages that are read at a time while there is room. */
const mostPackages = 8

/** As many as threads read, and some that wait for one of them. */
const bufferCount = 16

/** Beyond it reads go on package by package, and nothing is read ahead. */
const roomBytes = 64 * 1024 * 1024

/** One for all reads of an engine. */
export class ReadMemory {
  /** Bytes that were read, and not taken; as stored. */
  heldBytes = 0
  readonly #roomBytes: number
  readonly #free: Buffer[] = []
  #made = 0
  readonly #waiting: ((buffer: Buffer) => void)[] = []

  /** @param room default 64 MiB */
  constructor(room: number = roomBytes) {
    this.#roomBytes = room
  }

  /** Whether a read may have more in memory than it can do without. */
  get hasRoom(): boolean {
    return this.heldBytes < this.#roomBytes
  }

  /** How many bytes to read at a time. */
  get batchBytes(): number {
    return (this.hasRoom ? mostPackages : 1) * sealedPackageSizeBytes
  }

  /** A buffer of the largest batch, with any content: sealed bytes of others. It has to be given back. */
  take(): Buffer | Promise<Buffer> {
    const buffer = this.#free.pop()
    if (buffer) return buffer
    if (this.#made === bufferCount) return new Promise((resolve) => void this.#waiting.push(resolve))
    this.#made += 1
    return Buffer.allocUnsafeSlow(mostPackages * sealedPackageSizeBytes)
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift()
    if (next) next(buffer)
    else this.#free.push(buffer)
  }
}
