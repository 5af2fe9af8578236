/**
 * "Random" bytes for the vectors of docs/formats: 00, 01, 02 … over all calls.
 *
 * @module
 */
import type { RandomSource } from '@strongroom/crypto'

/** Counts up, byte by byte, from `first`. */
export function countingRandom(first = 0): RandomSource {
  let next = first
  return (sizeBytes) => Uint8Array.from({ length: sizeBytes }, () => next++ & 0xff)
}
