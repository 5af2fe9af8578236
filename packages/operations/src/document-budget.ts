/**
 * How much memory the large documents of all requests (DeleteObjects, CompleteMultipartUpload) may take together. Each has a
 * limit of its own; without this one, many at a time would still take as much as their senders like.
 *
 * @module
 */

import { s3Error } from './s3-error.ts'

/** Documents up to this size are let pass: they weigh no more than the body of a small object. */
const freeBytes = 64 * 1024

const tooMuch = 'Too many large documents are being read at a time. Please reduce your request rate.'

export class DocumentBudget {
  #leftBytes: number
  readonly #spentBytes = new Map<string, number>()

  /** @param totalBytes of all documents above 64 KiB that are being read or worked on */
  constructor(totalBytes: number) {
    this.#leftBytes = totalBytes
  }

  /**
   * Runs `use` while `sizeBytes` are taken from the budget. An account gets no more than it leaves to the others: one that sends
   * its documents slowly, or never, keeps nobody else out.
   *
   * @throws EngineError `SlowDown` if there is not that much left; whatever `use` throws
   */
  async spend<T>(accountId: string, sizeBytes: number, use: () => Promise<T>): Promise<T> {
    if (sizeBytes <= freeBytes) return await use()
    if (this.#spentBy(accountId) + sizeBytes > this.#leftBytes - sizeBytes) throw s3Error('SlowDown', tooMuch)
    this.#take(accountId, sizeBytes)
    try {
      return await use()
    } finally {
      this.#take(accountId, -sizeBytes)
    }
  }

  #spentBy(accountId: string): number {
    return this.#spentBytes.get(accountId) ?? 0
  }

  #take(accountId: string, sizeBytes: number): void {
    this.#leftBytes -= sizeBytes
    const spent = this.#spentBy(accountId) + sizeBytes
    if (spent > 0) this.#spentBytes.set(accountId, spent)
    else this.#spentBytes.delete(accountId)
  }
}
