import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataKeyCache, type DataKeyCacheOptions } from './data-key-cache.ts'
import { KmsError } from './kms-error.ts'

let nowMs: number
let caches: DataKeyCache[]
/** What `load` gave up to the cache, to see it zeroed. */
let given: Uint8Array[]

const open = (options: DataKeyCacheOptions = {}): DataKeyCache => {
  const cache = new DataKeyCache({ now: () => nowMs, ...options })
  caches.push(cache)
  return cache
}

const id = (digest: string, keyName = 'k') => ({ keyName, digest })

const load = async (): Promise<Uint8Array> => {
  const key = new Uint8Array(32).fill(7)
  given.push(key)
  return key
}

const isZeroed = (key: Uint8Array | undefined): boolean => key?.every((byte) => byte === 0) === true

beforeEach(() => {
  nowMs = 0
  caches = []
  given = []
})

afterEach(() => {
  for (const cache of caches) cache.close()
})

describe('DataKeyCache', () => {
  it('hands out copies, which the owner zeroes without harm to others', async () => {
    const cache = open()
    const first = await cache.load(id('a'), load)
    first.fill(0)
    const second = cache.get(id('a'))
    expect(second).toEqual(new Uint8Array(32).fill(7))
    second?.fill(0)
    expect(cache.get(id('a'))).toEqual(new Uint8Array(32).fill(7))
  })

  it('loads once for all who ask at the same time, and gives everybody his own copy', async () => {
    const cache = open()
    const copies = await Promise.all(Array.from({ length: 20 }, () => cache.load(id('a'), load)))
    expect(given).toHaveLength(1)
    expect(new Set(copies.map(({ buffer }) => buffer)).size).toBe(20)
    expect(cache.counts).toEqual({ hits: 0, misses: 20, loads: 1, entries: 1 })
    cache.get(id('a'))
    expect(cache.counts).toMatchObject({ hits: 1 })
  })

  it('never holds more than it may, and zeroes what it drops', async () => {
    const cache = open({ maxEntries: 3 })
    for (const digest of ['a', 'b', 'c', 'd', 'e']) await cache.load(id(digest), load)
    expect(cache.counts.entries).toBe(3)
    expect(given.map(isZeroed)).toEqual([true, true, false, false, false])
    expect(cache.get(id('a'))).toBeUndefined()
  })

  it('serves nothing after its time, and zeroes it', async () => {
    const cache = open({ maxAgeMs: 1_000 })
    await cache.load(id('a'), load)
    nowMs = 600
    await cache.load(id('b'), load)
    nowMs = 999
    expect(cache.get(id('a'))).toBeDefined()
    nowMs = 1_000
    expect(cache.get(id('a'))).toBeUndefined()
    cache.sweep()
    expect(given.map(isZeroed)).toEqual([true, false])
    expect(cache.get(id('b'))).toBeDefined()
  })

  it('drops the data keys of one key', async () => {
    const cache = open()
    await cache.load(id('a', 'one'), load)
    await cache.load(id('b', 'two'), load)
    cache.dropKey('one')
    expect(given.map(isZeroed)).toEqual([true, false])
  })

  it('does not keep what was being loaded when its key was dropped, but serves who waited', async () => {
    const cache = open()
    const waiting = cache.load(id('a'), load)
    cache.dropKey('k')
    expect(await waiting).toEqual(new Uint8Array(32).fill(7))
    expect(cache.get(id('a'))).toBeUndefined()
    expect(given.map(isZeroed)).toEqual([true])
  })

  it('remembers no failure', async () => {
    const cache = open()
    await expect(cache.load(id('a'), () => Promise.reject(new KmsError('unreachable', 'down')))).rejects.toMatchObject({
      code: 'unreachable',
    })
    expect(await cache.load(id('a'), load)).toHaveLength(32)
  })

  it('zeroes everything when it is closed', async () => {
    const cache = open()
    await cache.load(id('a'), load)
    cache.close()
    expect(given.map(isZeroed)).toEqual([true])
  })

  it('is always bounded', () => {
    expect(() => open({ maxEntries: 0 })).toThrow(RangeError)
    expect(() => open({ maxAgeMs: 0 })).toThrow(RangeError)
  })
})
