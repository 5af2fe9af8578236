/**
 * How much memory the large documents of all requests (DeleteObjects, CompleteMultipartUpload) may take together. Each has a
 * limit of its own; without this one, many at a time would still take as much as their senders like.
 *
 * @module
 */

import { s3Error } from './s3-error.ts'

/** Documents up to this size are let pass: they weigh no more than the body of a small object. */
const freeBytes = 64 * 1024

export class DocumentBudget {
  #leftBytes: number

  /** @param totalBytes of all documents above 64 KiB that are being read or worked on */
  constructor(totalBytes: number) {
    this.#leftBytes = totalBytes
  }

  /**
   * Runs `use` while `sizeBytes` are taken from the budget.
   *
   * @throws EngineError `SlowDown` if there is not that much left; whatever `use` throws
   */
  async spend<T>(sizeBytes: number, use: () => Promise<T>): Promise<T> {
    if (sizeBytes <= freeBytes) return await use()
    if (sizeBytes > this.#leftBytes) throw s3Error('SlowDown')
    this.#leftBytes -= sizeBytes
    try {
      return await use()
    } finally {
      this.#leftBytes += sizeBytes
    }
  }
}
