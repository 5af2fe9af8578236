import { beforeEach, describe, expect, it } from 'vitest'
import type { KeyExpiry } from './expiry.ts'
import { KmsError } from './kms-error.ts'
import type { LoadedKey } from './loaded-key.ts'
import { LoadedKeyCache } from './loaded-key-cache.ts'
import { goZeroTime } from './timestamp.ts'

let nowMs: number
let loaded: LoadedKey[]
let isUnreachable: boolean

function newKey(name: string): LoadedKey {
  const stored = {
    algorithm: 'AES256',
    key: new Uint8Array(32).fill(1),
    hmacKey: new Uint8Array(32).fill(2),
    createdAt: goZeroTime,
    createdBy: '',
  } as const
  return {
    name,
    state: 'enabled',
    family: '',
    versions: new Map([[1, stored]]),
    currentVersion: 1,
    current: stored,
    first: stored,
    nextVersion: 2,
  }
}

function open(expiry: KeyExpiry = {}, maxKeys = 100): LoadedKeyCache {
  return new LoadedKeyCache({
    load: async (name) => {
      if (isUnreachable) throw new KmsError('unreachable', 'down')
      const key = newKey(name)
      loaded.push(key)
      return key
    },
    expiry,
    recheckMs: 1e12,
    recheckWaitMs: 1e6,
    maxKeys,
    now: () => nowMs,
  })
}

const isZeroed = (key: LoadedKey | undefined): boolean =>
  key !== undefined && [...key.first.key, ...(key.first.hmacKey ?? [])].every((byte) => byte === 0)

const use = (cache: LoadedKeyCache, name: string): unknown => cache.use(name, ({ first }) => first.key[0])

beforeEach(() => {
  nowMs = 1_000_000
  loaded = []
  isUnreachable = false
})

describe('LoadedKeyCache', () => {
  it('answers at once for a key that is loaded', async () => {
    const cache = open()
    expect(await use(cache, 'a')).toBe(1)
    expect(use(cache, 'a')).toBe(1)
    expect(loaded).toHaveLength(1)
  })

  it('zeroes a key that is dropped', async () => {
    const cache = open()
    await use(cache, 'a')
    cache.drop('a')
    expect(isZeroed(loaded[0])).toBe(true)
    expect(await use(cache, 'a')).toBe(1)
    expect(loaded).toHaveLength(2)
  })

  it('never lets anybody use a zeroed key, whenever it is dropped', async () => {
    for (let delay = 0; delay < 8; delay++) {
      const cache = open()
      const answer = Promise.all([use(cache, 'a'), use(cache, 'a')])
      for (let i = 0; i < delay; i++) await Promise.resolve()
      cache.drop('a')
      expect(await answer).toEqual([1, 1])
      cache.dropAll()
      expect(loaded.every(isZeroed)).toBe(true)
    }
  })

  it('never lets anybody use a zeroed key when the store is unreachable', async () => {
    for (let delay = 0; delay < 8; delay++) {
      isUnreachable = false
      const cache = open()
      await use(cache, 'a')
      isUnreachable = true
      nowMs += 2e12
      const answer = Promise.resolve(use(cache, 'a')).catch((error: KmsError) => error.code)
      for (let i = 0; i < delay; i++) await Promise.resolve()
      cache.drop('a')
      expect([1, 'unreachable']).toContain(await answer)
    }
  })

  it('drops the oldest when there are too many', async () => {
    const cache = open({}, 2)
    for (const name of ['a', 'b', 'c']) await use(cache, name)
    expect(cache.size).toBe(2)
    expect(loaded.map(isZeroed)).toEqual([true, false, false])
  })

  describe('expiry, as kes-protocol 9 has it', () => {
    it('drops everything at every tick of `any`, used or not', async () => {
      const cache = open({ anyMs: 1_000, unusedMs: 1e9 })
      nowMs += 999
      await use(cache, 'a')
      cache.sweep()
      expect(cache.size).toBe(1)
      nowMs += 1
      cache.sweep()
      expect(cache.size).toBe(0)
      expect(isZeroed(loaded[0])).toBe(true)
    })

    it('drops what was not used between two ticks of half of `unused`', async () => {
      const cache = open({ anyMs: 1e9, unusedMs: 1_000 })
      await use(cache, 'a')
      await use(cache, 'b')
      nowMs += 500
      cache.sweep()
      expect(cache.size).toBe(2)
      nowMs += 400
      await use(cache, 'a')
      nowMs += 100
      cache.sweep()
      expect(loaded.map(isZeroed)).toEqual([false, true])
    })

    it('keeps keys while the store is away if `offline` says so, and drops them at its ticks', async () => {
      const cache = open({ anyMs: 1_000, unusedMs: 1_000, offlineMs: 10_000 })
      await use(cache, 'a')
      cache.isOffline = true
      for (let i = 0; i < 9; i++) {
        nowMs += 1_000
        cache.sweep()
      }
      expect(cache.size).toBe(1)
      nowMs += 1_000
      cache.sweep()
      expect(cache.size).toBe(0)
    })

    it('takes no notice of an absent store without `offline`', async () => {
      const cache = open({ anyMs: 1_000, unusedMs: 1e9 })
      await use(cache, 'a')
      cache.isOffline = true
      nowMs += 1_000
      cache.sweep()
      expect(cache.size).toBe(0)
    })

    it('is to be swept as often as its shortest tick', () => {
      expect(open().sweepEveryMs).toBe(15_000)
      expect(open({ anyMs: 5_000 }).sweepEveryMs).toBe(5_000)
      expect(open({ offlineMs: 100 }).sweepEveryMs).toBe(100)
      for (const expiry of [{ anyMs: 0 }, { unusedMs: 0 }, { offlineMs: -1 }, { anyMs: Number.NaN }]) {
        expect(() => open(expiry)).toThrow(RangeError)
      }
    })
  })
})

describe('a store that stalls', () => {
  it('slows a loaded key down by the waiting time once, and an absent key for as long as it stalls', async () => {
    let land: ((key: LoadedKey) => void) | undefined
    let loads = 0
    const cache = new LoadedKeyCache({
      load: (name) => {
        loads++
        return loads === 1 ? Promise.resolve(newKey(name)) : new Promise((resolve) => (land = resolve))
      },
      expiry: {},
      recheckMs: 4_000,
      recheckWaitMs: 5,
      maxKeys: 10,
      now: () => nowMs,
    })
    await cache.use('a', () => 1)
    nowMs += 4_000
    expect(await cache.use('a', (key) => key.current.key[0])).toBe(1)
    expect(cache.counts).toEqual({ hits: 0, misses: 2, loads: 2, failures: 0, unconfirmed: 1 })
    expect(cache.use('a', (key) => key.current.key[0])).toBe(1)
    // The answer comes at last: nobody works with it twice.
    let uses = 0
    nowMs += 4_000
    const late = cache.use('a', () => ++uses)
    land?.({ ...newKey('a'), currentVersion: 7 })
    expect(await late).toBe(1)
    expect(uses).toBe(1)
    expect(cache.use('a', (key) => key.currentVersion)).toBe(7)
    expect(cache.counts.hits).toBe(2)
  })
})
