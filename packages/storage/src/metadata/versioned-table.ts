/**
 * The inside of the in-memory engine: a sorted table that remembers the past for as long as a snapshot needs it.
 *
 * @module
 */

import { compareBytes, mapKey } from '../bytes.ts'

interface Revision<V> {
  readonly at: number
  /** `undefined` once deleted. */
  readonly value: V | undefined
}

interface Node<V> {
  readonly key: Uint8Array
  /** Oldest first; never empty. */
  revisions: Revision<V>[]
}

/** Keys to values, readable as of any moment since the oldest one still needed. */
export class VersionedTable<V> {
  readonly #byKey = new Map<string, Node<V>>()
  readonly #sorted: Node<V>[] = []
  /** Nodes with a past. */
  readonly #aged = new Set<Node<V>>()

  /** The value at moment `at`. */
  get(key: Uint8Array, at: number): V | undefined {
    const node = this.#byKey.get(mapKey(key))
    return node === undefined ? undefined : valueAt(node, at)
  }

  /** Sets, or with `undefined` deletes, as of moment `at`, which must not lie before an earlier change. */
  set(key: Uint8Array, value: V | undefined, at: number): void {
    const node = this.#byKey.get(mapKey(key))
    if (node !== undefined) {
      node.revisions.push({ at, value })
      this.#aged.add(node)
    } else if (value !== undefined) {
      const added: Node<V> = { key: Uint8Array.from(key), revisions: [{ at, value }] }
      this.#byKey.set(mapKey(key), added)
      this.#sorted.splice(this.#firstAtOrAbove(key), 0, added)
    }
  }

  /** Forgets all but the present: nobody may read an earlier moment from now on. */
  forgetPast(): void {
    for (const node of this.#aged) {
      node.revisions = node.revisions.slice(-1)
      if (node.revisions[0]?.value !== undefined) continue
      this.#byKey.delete(mapKey(node.key))
      this.#sorted.splice(this.#firstAtOrAbove(node.key), 1)
    }
    this.#aged.clear()
  }

  /** Keys and values at moment `at`, from `gte` up to `lt` (exclusive; `undefined` is no bound). */
  *ascending(gte: Uint8Array, lt: Uint8Array | undefined, at: number): Generator<[Uint8Array, V]> {
    for (let i = this.#firstAtOrAbove(gte); i < this.#sorted.length; i++) {
      const node = this.#sorted[i]
      if (node === undefined || (lt !== undefined && compareBytes(node.key, lt) >= 0)) return
      const value = valueAt(node, at)
      if (value !== undefined) yield [node.key, value]
    }
  }

  /** Keys and values at moment `at`, from below `lt` down to `gte`. */
  *descending(gte: Uint8Array, lt: Uint8Array, at: number): Generator<[Uint8Array, V]> {
    for (let i = this.#firstAtOrAbove(lt) - 1; i >= 0; i--) {
      const node = this.#sorted[i]
      if (node === undefined || compareBytes(node.key, gte) < 0) return
      const value = valueAt(node, at)
      if (value !== undefined) yield [node.key, value]
    }
  }

  #firstAtOrAbove(key: Uint8Array): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const node = this.#sorted[middle]
      if (node !== undefined && compareBytes(node.key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function valueAt<V>(node: Node<V>, at: number): V | undefined {
  return node.revisions.findLast((revision) => revision.at <= at)?.value
}
