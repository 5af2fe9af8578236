/**
 * Random bytes in small pieces without a system call for each.
 *
 * @module
 */
import { randomFillSync } from 'node:crypto'
import type { RandomSource } from '@strongroom/crypto'

const poolBytes = 4_096

/**
 * A random source that draws from a pool. A piece is zeroed in the pool as it is handed out, so that no copy of a key
 * that was made of it stays behind. Pieces have memory of their own.
 */
export function pooledRandom(fill: (into: Uint8Array) => void = randomFillSync): RandomSource {
  const pool = new Uint8Array(poolBytes)
  let used = poolBytes
  return (sizeBytes) => {
    const piece = new Uint8Array(sizeBytes)
    if (sizeBytes > poolBytes) {
      fill(piece)
      return piece
    }
    if (used + sizeBytes > poolBytes) {
      fill(pool)
      used = 0
    }
    const end = used + sizeBytes
    piece.set(pool.subarray(used, end))
    pool.fill(0, used, end)
    used = end
    return piece
  }
}
