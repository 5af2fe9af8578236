/**
 * One piece of work at a time per name, in the order of asking.
 *
 * @module
 */

/** A lock per name, kept only while somebody holds or wants it. */
export class NameMutex {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` when everything asked for before under that name is done, failed or not. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve()
    const result = before.then(work)
    const tail = result.then(
      () => {},
      () => {},
    )
    this.#tails.set(name, tail)
    try {
      return await result
    } finally {
      if (this.#tails.get(name) === tail) this.#tails.delete(name)
    }
  }
}
