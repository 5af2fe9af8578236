/**
 * Ranges as LMDB's binding wants them: which end first, inclusive or not, and no key longer than it takes.
 *
 * @module
 */

import { maxKeyBytes } from '../contract.ts'

/** The ends of a range, in the binding's words. */
export interface LmdbKeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array | undefined
  readonly reverse: boolean
  readonly exclusiveStart: boolean
  readonly inclusiveEnd: boolean
}

/**
 * The keys from `gte` up to `lt` (exclusive; `undefined` is no bound), forwards. A bound may be longer than any key, as the
 * successor of the longest key is: the keys at or above it are those above its first bytes.
 */
export function ascendingRange(gte: Uint8Array, lt: Uint8Array | undefined): LmdbKeyRange {
  return {
    start: cut(gte),
    exclusiveStart: isCut(gte),
    end: lt && cut(lt),
    inclusiveEnd: lt !== undefined && isCut(lt),
    reverse: false,
  }
}

/** The same keys backwards: the binding takes the upper end first and includes it. */
export function descendingRange(gte: Uint8Array, lt: Uint8Array): LmdbKeyRange {
  return { start: cut(lt), exclusiveStart: !isCut(lt), end: cut(gte), inclusiveEnd: !isCut(gte), reverse: true }
}

function isCut(bound: Uint8Array): boolean {
  return bound.length > maxKeyBytes
}

function cut(bound: Uint8Array): Uint8Array {
  return isCut(bound) ? bound.subarray(0, maxKeyBytes) : bound
}
