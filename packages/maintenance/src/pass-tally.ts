/**
 * Sums of contributions for a part of all keys: what a store holds is summed up in as many passes as memory asks for, each
 * over all records and for its own share of blobs, tables and index entries.
 *
 * @module
 */

import { type Reference, Tally } from '@strongroom/engine'

export interface ReferenceSum {
  readonly reference: Reference
  count: number
  /** Its count record was looked at. */
  isSeen: boolean
}

export class PassTally extends Tally {
  readonly #pass: number
  readonly #passes: number
  /** Inline data and blobs by id. */
  readonly streams = new Map<string, ReferenceSum>()
  /** Part tables and overflows by id. */
  readonly chunked = new Map<string, ReferenceSum>()

  constructor(pass: number, passes: number) {
    super()
    this.#pass = pass
    this.#passes = passes
  }

  /** Whether an id or key belongs to this pass. The last bytes of both are as good as random. */
  isMine(bytes: Uint8Array): boolean {
    const last = bytes.length - 1
    return ((bytes[last] ?? 0) + 256 * (bytes[last - 1] ?? 0)) % this.#passes === this.#pass
  }

  override use(key: Uint8Array, delta: number): void {
    if (this.isMine(key)) super.use(key, delta)
  }

  override refer(reference: Reference, delta: number): void {
    if (!this.isMine(reference.id)) return
    const isStream = reference.kind === 'inline' || reference.kind === 'file'
    const sums = isStream ? this.streams : this.chunked
    const id = idText(reference.id)
    const sum = sums.get(id)
    if (sum) sum.count += delta
    else sums.set(id, { reference, count: delta, isSeen: false })
  }
}

/** An id as the key of a map. */
export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1')
}
