/**
 * Work done side by side, but never too much of it at once.
 *
 * @module
 */

/** Runs up to so many tasks at once. The first failure is told at the next call. */
export class TaskPool {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Starts a task when there is room for it. @throws what an earlier task threw */
  async add(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running)
    this.#tellFailure()
    const running: Promise<void> = task()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#running.delete(running)
      })
    this.#running.add(running)
  }

  /** Waits for all tasks. @throws what one of them threw */
  async drain(): Promise<void> {
    await this.settle()
    this.#tellFailure()
  }

  /** Waits for all tasks, and never throws. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #tellFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure.error
  }
}
