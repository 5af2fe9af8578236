/**
 * A metadata store whose answers take a while, longer or shorter as a seed says: so that operations which run side by side
 * meet in ever other orders.
 *
 * @module
 */

import { type Commit, type CommitResult, MemoryMetadataStore, type Snapshot } from '@strongroom/storage'

/** See the module's comment. */
export class JitteryMetadataStore extends MemoryMetadataStore {
  #state: number
  isCalm = false

  constructor(seed: number) {
    super()
    this.#state = seed | 1
  }

  override snapshot(): Snapshot {
    const snapshot = super.snapshot()
    const pause = () => this.#pause()
    return {
      get: async (key) => {
        await pause()
        return snapshot.get(key)
      },
      getMany: async (keys) => {
        await pause()
        return snapshot.getMany(keys)
      },
      list: async (options) => {
        await pause()
        return snapshot.list(options)
      },
      listPrefixes: (options) => snapshot.listPrefixes(options),
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
