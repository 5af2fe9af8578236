/**
 * Checks the entries by which records are found (`name/…`, `owned/…`, `keyname/…`) both ways: every record has the entries
 * that it calls for, and every entry leads to a record that calls for it.
 *
 * @module
 */

import { idBytes, rangeOf } from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import type { FindingKind } from './findings.ts'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { entriesOf } from './walk.ts'

export interface IndexKind {
  readonly kind: FindingKind
  /** First bytes of the index tables. */
  readonly tags: readonly number[]
  readonly recordKey: (id: Uint8Array) => Uint8Array
  /** The index keys that a record calls for; `undefined` if it does not open. */
  readonly calledFor: (record: Entry) => readonly Uint8Array[] | undefined
}

interface Claim {
  readonly id: Uint8Array
  readonly record: Entry
}

const mapKeyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export class IndexCheck {
  readonly #inspection: Inspection
  readonly #index: IndexKind
  /** Records that call for an entry which leads elsewhere. */
  readonly #claims = new Map<string, Claim>()

  constructor(inspection: Inspection, index: IndexKind) {
    this.#inspection = inspection
    this.#index = index
  }

  /** Looks for the entries that a record calls for. */
  async forward(record: Entry, id: Uint8Array): Promise<void> {
    for (const key of this.#index.calledFor(record) ?? []) {
      const found = await this.#inspection.snapshot.get(key)
      if (found && Buffer.compare(found.value, id) === 0) continue
      const claim = { id, record }
      // An entry that leads elsewhere is judged in its own table.
      if (found) this.#claims.set(mapKeyOf(key), claim)
      else await this.#found(key, 'the entry is missing', putEntry(key, undefined, claim))
    }
  }

  /** Looks at all entries of the index tables. Comes after {@link forward} was called for all records. */
  async backward(): Promise<void> {
    for (const tag of this.#index.tags) {
      for await (const entry of entriesOf(this.#inspection.snapshot, rangeOf(Buffer.of(tag)))) await this.#judge(entry)
    }
  }

  async #judge(entry: Entry): Promise<void> {
    const claim = this.#claims.get(mapKeyOf(entry.key))
    const isId = entry.value.length === idBytes
    const recordKey = isId ? this.#index.recordKey(entry.value) : undefined
    const record = recordKey && (await this.#inspection.snapshot.get(recordKey))
    const called = record && this.#index.calledFor(record)
    const isRight = called?.some((key) => Buffer.compare(key, entry.key) === 0) === true
    if (isRight && claim) return this.#found(entry.key, 'two records call for this entry')
    // Where the record does not open, that is the finding.
    if (isRight || (record && !called && !claim)) return
    if (claim) return this.#found(entry.key, 'the entry leads elsewhere', putEntry(entry.key, entry, claim))
    await this.#found(entry.key, 'the entry leads nowhere', async (snapshot, draft) => {
      if (!(await isUnchanged(snapshot, draft, entry.key, entry))) return false
      if (recordKey && !(await isUnchanged(snapshot, draft, recordKey, record))) return false
      draft.delete(entry.key)
      return true
    })
  }

  async #found(key: Uint8Array, what: string, repair?: Repair): Promise<void> {
    const place = this.#inspection.placeOf({ key })
    const problem = `${what} (table ${place.table})`
    await this.#inspection.found({ kind: this.#index.kind, place, problem, ...(repair ? { repair } : undefined) })
  }
}

function putEntry(key: Uint8Array, seen: Entry | undefined, { id, record }: Claim): Repair {
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, record.key, record))) return false
    if (!(await isUnchanged(snapshot, draft, key, seen))) return false
    draft.putRaw(key, id)
    return true
  }
}
