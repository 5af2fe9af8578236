/**
 * A map that forgets its oldest entries: for caches of what can be read again.
 *
 * @module
 */

/** Keeps at most `limit` entries; the one that was set longest ago goes first. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #limit: number
  readonly #onDrop: ((value: V) => void) | undefined

  /** @param onDrop told of every value that leaves, replaced ones included */
  constructor(limit: number, onDrop?: (value: V) => void) {
    this.#limit = limit
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.delete(key)
    if (this.#entries.size >= this.#limit) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.delete(oldest)
    }
    this.#entries.set(key, value)
  }

  delete(key: K): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#onDrop?.(value)
  }

  /** Keys and values, the one that was set longest ago first. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries[Symbol.iterator]()
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key)
  }
}
