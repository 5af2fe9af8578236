/**
 * Taking turns: writers of one key that got in each other's way go on one after the other, so that each of them succeeds
 * after as many attempts as there are processes, not writers.
 *
 * @module
 */

/** One queue per key, for as long as someone waits in it. */
export class Turns {
  readonly #tails = new Map<string, Promise<void>>()

  /** Whether someone has a turn, or waits for one. */
  isTaken(key: string): boolean {
    return this.#tails.has(key)
  }

  /** Waits for those who asked before; the returned function ends the turn and must be called. */
  async take(key: string): Promise<() => void> {
    const before = this.#tails.get(key)
    let end = () => {}
    const mine = new Promise<void>((resolve) => {
      end = resolve
    })
    const tail = before ? before.then(() => mine) : mine
    this.#tails.set(key, tail)
    if (before) await before
    return () => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
      end()
    }
  }
}
