/**
 * What has been opened, to be closed in reverse order, each exactly once, whatever fails.
 *
 * @module
 */

export class Closers {
  #open: { readonly what: string; readonly close: () => void | Promise<void> }[] = []

  /** Remembers how to close `what`. */
  add(what: string, close: () => void | Promise<void>): void {
    this.#open.push({ what, close })
  }

  /** Closes everything, the last one first. Faults go to `onError`; never rejects. */
  async closeAll(onError: (what: string, error: unknown) => void): Promise<void> {
    const closing = this.#open.reverse()
    this.#open = []
    for (const { what, close } of closing) {
      try {
        await close()
      } catch (error) {
        onError(what, error)
      }
    }
  }
}
