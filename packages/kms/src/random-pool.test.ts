import { describe, expect, it } from 'vitest'
import { pooledRandom } from './random-pool.ts'

describe('pooledRandom', () => {
  it('gives every byte once, in order, and leaves none behind', () => {
    let next = 0
    let pool: Uint8Array = new Uint8Array(0)
    const random = pooledRandom((into) => {
      pool = into
      for (let i = 0; i < into.length; i++) into[i] = (next++ % 255) + 1
    })
    let expected = 0
    for (let i = 0; i < 1_000; i++) {
      const piece = random(16)
      for (const byte of piece) expect(byte).toBe((expected++ % 255) + 1)
      expect(piece.buffer.byteLength).toBe(16)
    }
    expect(pool.subarray(0, (1_000 % 256) * 16).every((byte) => byte === 0)).toBe(true)
  })

  it('fills anew when a piece does not fit, and gives pieces longer than its pool', () => {
    const random = pooledRandom((into) => into.fill(1))
    expect(random(4_000).every((byte) => byte === 1)).toBe(true)
    expect(random(200).every((byte) => byte === 1)).toBe(true)
    expect(random(10_000).every((byte) => byte === 1)).toBe(true)
    expect(random(0)).toHaveLength(0)
  })

  it('does not repeat itself with the real source', () => {
    const random = pooledRandom()
    const seen = new Set(Array.from({ length: 1_000 }, () => Buffer.from(random(32)).toString('hex')))
    expect(seen.size).toBe(1_000)
  })
})
