/**
 * A metadata store in memory whose answers take a while, longer or shorter as a seed says: so that requests which run side
 * by side meet in ever other orders.
 *
 * @module
 */

import { type Commit, type CommitResult, MemoryMetadataStore, type Snapshot } from '@strongroom/storage'
import { Chance } from './generator.ts'

/** See the module. */
export class JitteryStore extends MemoryMetadataStore {
  readonly #chance: Chance
  /** Answers at once. */
  isCalm = true

  constructor(seed: number) {
    super()
    this.#chance = new Chance(seed)
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
    for (let turns = this.#chance.below(4); turns > 0; turns -= 1) await new Promise((done) => setImmediate(done))
  }
}
