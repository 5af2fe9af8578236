/**
 * A metadata store in memory, for tests, whose answers take a while, longer or shorter as a seed says: so that operations which
 * run side by side meet in ever other orders.
 *
 * @module
 */

import type { Commit, CommitResult, Snapshot } from './contract.ts'
import { MemoryMetadataStore } from './memory-metadata-store.ts'

/** See the module. The same seed and the same calls give the same delays. */
export class JitteryMetadataStore extends MemoryMetadataStore {
  #state: number
  /** Answers at once. */
  isCalm: boolean

  constructor(seed: number, { isCalm = false }: { readonly isCalm?: boolean } = {}) {
    super()
    this.#state = seed | 1
    this.isCalm = isCalm
  }

  override snapshot(): Snapshot {
    const snapshot = super.snapshot()
    const after = async <T>(read: () => Promise<T>): Promise<T> => {
      await this.#pause()
      return read()
    }
    return {
      get: (key) => after(() => snapshot.get(key)),
      getMany: (keys) => after(() => snapshot.getMany(keys)),
      list: (options) => after(() => snapshot.list(options)),
      listPrefixes: (options) => after(() => snapshot.listPrefixes(options)),
      counter: (key) => snapshot.counter(key),
      release: () => snapshot.release(),
    }
  }

  override async commit(commit: Commit): Promise<CommitResult> {
    await this.#pause()
    const result = await super.commit(commit)
    await this.#pause()
    return result
  }

  /** None to three turns of the event loop. */
  async #pause(): Promise<void> {
    if (this.isCalm) return
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    for (let turns = this.#state >>> 30; turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve))
  }
}
