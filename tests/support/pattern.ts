/**
 * Test contents that differ at every place, so that a swapped, repeated or shifted package shows.
 *
 * @module
 */

import { createHash } from 'node:crypto'

const longest = 30 * 1024 * 1024
let made: Buffer | undefined

/** The first `sizeBytes` of one fixed content of 30 MiB; not to be changed. */
export function pattern(sizeBytes: number): Buffer {
  if (made === undefined) {
    made = Buffer.allocUnsafe(longest)
    // A linear congruential generator over 32-bit words: no period within the length.
    let word = 0x2545f491
    for (let offset = 0; offset < longest; offset += 4) {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
      made.writeUInt32LE((word ^ (word >>> 16)) >>> 0, offset)
    }
  }
  return made.subarray(0, sizeBytes)
}

/** For comparing large contents: SHA-256 in hexadecimal. */
export function digest(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Whether both are the same bytes, said without printing either. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): string {
  if (Buffer.compare(actual, expected) === 0) return 'same'
  const length = Math.min(actual.length, expected.length)
  let first = 0
  while (first < length && actual[first] === expected[first]) first++
  return `${actual.length} bytes instead of ${expected.length}, different from byte ${first} on`
}
