import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isSameKeyInUse, kindOfEntry } from './entry-proof.ts'
import { formatKeyMarker } from './key-marker.ts'
import { formatStoredKey } from './stored-key.ts'
import { timestampFromMs } from './timestamp.ts'

const stored = (first: number, algorithm: 'AES256' | 'ChaCha20' = 'AES256'): Uint8Array => {
  const [key, hmacKey] = [new Uint8Array(32).fill(first), new Uint8Array(32)]
  return formatStoredKey({ algorithm, key, hmacKey, createdAt: timestampFromMs(0), createdBy: '' })
}

const legacy = (first: number): Uint8Array =>
  Buffer.from(JSON.stringify({ bytes: Buffer.alloc(32, first).toString('base64') }))

describe('the value of an entry', () => {
  it('is a key, a marker, or neither', () => {
    const marker = formatKeyMarker({ meaning: 'locked', family: 'ab'.repeat(16), atMs: 0 })
    expect([stored(1), legacy(1), marker].map(kindOfEntry)).toEqual(['key', 'key', 'marker'])
    for (const text of ['', 'x', '{}', '{"password":"hunter2"}', 'AAAA'])
      expect(kindOfEntry(Buffer.from(text))).toBe(undefined)
  })

  it('is the same key as another one when each opens what the other seals, in whatever form they are', () => {
    expect(isSameKeyInUse(stored(1), stored(1), randomBytes)).toBe(true)
    expect(isSameKeyInUse(stored(1), legacy(1), randomBytes)).toBe(true)
    expect(isSameKeyInUse(stored(1), stored(2), randomBytes)).toBe(false)
    expect(isSameKeyInUse(stored(1), stored(1, 'ChaCha20'), randomBytes)).toBe(false)
    expect(() => isSameKeyInUse(stored(1), Buffer.from('x'), randomBytes)).toThrow()
  })
})
