import { describe, expect, it } from 'vitest'
import { createRandomPool } from './random-pool.ts'

describe('a random pool', () => {
  it('never hands out the same bytes twice, nor zeros', () => {
    const random = createRandomPool()
    const seen = new Set(
      Array.from({ length: 5000 }, (_, i) => Buffer.from(random(12 + (i % 40))).toString('hex', 0, 12)),
    )
    expect(seen.size).toBe(5000)
    expect(seen.has('00'.repeat(12))).toBe(false)
  })

  it('gives any size', () => {
    const random = createRandomPool()
    for (const size of [0, 1, 1023, 1024, 1025, 4096, 10_000]) expect(random(size).length).toBe(size)
  })

  it("gives memory that is the caller's own", () => {
    const random = createRandomPool()
    const first = random(32)
    const copy = Uint8Array.from(first)
    random(32).fill(0xff)
    for (let i = 0; i < 1000; i += 1) random(32)
    expect(first).toEqual(Buffer.from(copy))
  })
})
