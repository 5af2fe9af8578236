/**
 * A commit being put together: the checks, puts, deletes and additions of one change, and what becomes garbage by it.
 *
 * @module
 */

import type { Check, Commit, Entry } from '@strongroom/storage'
import type { FittedRecord, RecordStore } from './record-store.ts'

/** Something that the commit writes a garbage record for: it is removed soon after. */
export interface Garbage {
  readonly kind: 'blob' | 'table' | 'upload'
  readonly id: Uint8Array
}

function equalKeys(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Collects the operations of one commit. Operations on one key are the caller's to keep apart, but for checks. */
export class CommitDraft {
  readonly #records: RecordStore
  readonly #checks: Check[] = []
  readonly #puts: { key: Uint8Array; value: Uint8Array }[] = []
  readonly #deletes: Uint8Array[] = []
  readonly #adds: { key: Uint8Array; delta: number }[] = []
  readonly #garbage: Garbage[] = []

  constructor(records: RecordStore) {
    this.#records = records
  }

  /** Operations so far; a commit takes at most `maxCommitOperations`. */
  get size(): number {
    return this.#checks.length + this.#puts.length + this.#deletes.length + this.#adds.length
  }

  get garbage(): readonly Garbage[] {
    return this.#garbage
  }

  /** Holds if `key` is as it was found: this version, or absent. Naming a key twice is harmless. */
  check(key: Uint8Array, found: Entry | number | undefined): this {
    for (const check of this.#checks) if (equalKeys(check.key, key)) return this
    const version = found === undefined ? 'absent' : typeof found === 'number' ? found : found.version
    this.#checks.push({ key, version })
    return this
  }

  /** Puts a record, sealed for its key. */
  putRecord(key: Uint8Array, body: Uint8Array): this {
    this.#puts.push({ key, value: this.#records.seal(key, body) })
    return this
  }

  /** Puts a fitted record with its chunks. */
  putFitted(key: Uint8Array, fitted: FittedRecord<unknown>): this {
    this.putRecord(key, fitted.body)
    for (const chunk of fitted.chunks) this.putRecord(chunk.key, chunk.body)
    return this
  }

  /** Puts a value as it is: ids, empty marks, and data that is sealed already. */
  putRaw(key: Uint8Array, value: Uint8Array): this {
    this.#puts.push({ key, value })
    return this
  }

  delete(key: Uint8Array): this {
    this.#deletes.push(key)
    return this
  }

  add(key: Uint8Array, delta: number): this {
    if (delta !== 0) this.#adds.push({ key, delta })
    return this
  }

  /** Notes what the commit turns into garbage; the caller puts the record. */
  discard(garbage: Garbage): this {
    this.#garbage.push(garbage)
    return this
  }

  toCommit(): Commit {
    return { checks: this.#checks, puts: this.#puts, deletes: this.#deletes, adds: this.#adds }
  }
}
