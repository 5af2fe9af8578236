/**
 * Random bytes for the hot path: drawn from the operating system a page at a time, for a call per nonce costs more than the
 * sealing of a small record.
 *
 * @module
 */

import { randomBytes, randomFillSync } from 'node:crypto'
import type { RandomSource } from './secrets.ts'

const poolBytes = 4096

/** Makes a source that hands out every random byte once and wipes it in its pool. One per process is enough. */
export function createRandomPool(): RandomSource {
  const pool = Buffer.alloc(poolBytes)
  let used = poolBytes
  return (sizeBytes) => {
    if (sizeBytes > poolBytes / 4) return randomBytes(sizeBytes)
    if (used + sizeBytes > poolBytes) {
      randomFillSync(pool)
      used = 0
    }
    const end = used + sizeBytes
    const out = Buffer.allocUnsafe(sizeBytes)
    pool.copy(out, 0, used, end)
    pool.fill(0, used, end)
    used = end
    return out
  }
}
