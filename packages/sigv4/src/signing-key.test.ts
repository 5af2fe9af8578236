import { describe, expect, it } from 'vitest'
import { scope, secret } from './aws-examples.fixture.ts'
import { deriveSigningKey, SigningKeyCache } from './signing-key.ts'

const other = Buffer.from('another secret')

describe('SigningKeyCache', () => {
  it('derives once for a secret and scope', () => {
    const cache = new SigningKeyCache()
    const first = cache.get('a', secret, scope)
    expect(first).toEqual(deriveSigningKey(secret, scope))
    expect(cache.get('a', secret, scope)).toBe(first)
    expect(cache.get('a', secret, { ...scope, region: '' })).not.toBe(first)
    expect(cache.get('b', secret, scope)).not.toBe(first)
    expect(cache.size).toBe(3)
  })

  it('never answers with the key of an older secret', () => {
    const cache = new SigningKeyCache()
    const old = cache.get('a', secret, scope)
    expect(cache.get('a', other, scope)).toEqual(deriveSigningKey(other, scope))
    expect(old.every((byte) => byte === 0)).toBe(true)
    expect(cache.size).toBe(1)
  })

  it('keeps no more than its bound and zeroes what it drops, least recently used first', () => {
    const cache = new SigningKeyCache({ maxEntries: 2 })
    const a = cache.get('a', secret, scope)
    const b = cache.get('b', secret, scope)
    cache.get('a', secret, scope)
    cache.get('c', secret, scope)
    expect(cache.size).toBe(2)
    expect(b.every((byte) => byte === 0)).toBe(true)
    expect(cache.get('a', secret, scope)).toBe(a)
    cache.clear()
    expect(a.every((byte) => byte === 0)).toBe(true)
  })
})
