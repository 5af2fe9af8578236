/**
 * What readers are at work on: a part table whose object was deleted stays until its last reader has finished, so that a
 * download is not cut off by an overwrite. (A blob of one file stays readable for who has opened it.)
 *
 * @module
 */

import { formatId } from './ids.ts'

interface Pin {
  readers: number
  readonly waiting: (() => void)[]
}

/** Counts readers by the id of what they read. */
export class Pins {
  readonly #pins = new Map<string, Pin>()

  /** Notes a reader; the returned function, which may be called more than once, takes the note back. */
  pin(id: Uint8Array): () => void {
    const key = formatId(id)
    const pin = this.#pins.get(key) ?? { readers: 0, waiting: [] }
    this.#pins.set(key, pin)
    pin.readers += 1
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      pin.readers -= 1
      if (pin.readers > 0) return
      this.#pins.delete(key)
      for (const proceed of pin.waiting) proceed()
    }
  }

  /** Whether someone reads it. */
  has(id: Uint8Array): boolean {
    return this.#pins.has(formatId(id))
  }

  /** Whether someone reads it; if so, `proceed` is called when nobody does any more. */
  isBusy(id: Uint8Array, proceed: () => void): boolean {
    const pin = this.#pins.get(formatId(id))
    pin?.waiting.push(proceed)
    return pin !== undefined
  }
}
