/**
 * The contract of `MetadataStore`, as tests that every engine runs.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Commit, MetadataStore } from './contract.ts'
import { concurrencyTests, snapshotTests } from './metadata-store-concurrency.suite.ts'
import { metadataStoreLaws } from './metadata-store-laws.suite.ts'
import { lifetimeTests, limitTests } from './metadata-store-limits.suite.ts'
import {
  add,
  bytes,
  counter,
  get,
  type MetadataStoreHarness,
  plain,
  put,
  versionOf,
} from './metadata-store-support.suite.ts'

/** Registers the suite under the engine's name. */
export function metadataStoreSuite(name: string, createHarness: () => Promise<MetadataStoreHarness>): void {
  describe(`${name}: the metadata store contract`, () => {
    let harness: MetadataStoreHarness
    let store: MetadataStore
    beforeAll(async () => {
      harness = await createHarness()
      store = await harness.open()
    })
    afterAll(async () => {
      await store.close()
      await harness.dispose()
    })
    const current = (): MetadataStore => store
    commitTests(current)
    snapshotTests(current)
    concurrencyTests(current)
    limitTests(current)
    metadataStoreLaws(current)
    lifetimeTests(createHarness)
  })
}

function commitTests(store: () => MetadataStore): void {
  test('a commit applies its puts, deletes and adds together', async () => {
    await store().commit({ puts: [put('together/a', '1'), put('together/b', '2')] })
    const result = await store().commit({
      puts: [put('together/c', '3'), put('together/a', '4')],
      deletes: [bytes('together/b'), bytes('together/never-was')],
      adds: [{ key: bytes('together/n'), delta: 5 }],
    })
    expect(result).toEqual({ committed: true })
    expect(plain((await get(store(), 'together/a'))?.value)).toBe('4')
    expect(await get(store(), 'together/b')).toBeUndefined()
    expect(plain((await get(store(), 'together/c'))?.value)).toBe('3')
    expect(await counter(store(), 'together/n')).toBe(5)
  })

  test('a failed check is reported by its key and nothing is written', async () => {
    await store().commit({ puts: [put('atomic/a', 'old')], adds: [{ key: bytes('atomic/n'), delta: 1 }] })
    const stale = await versionOf(store(), 'atomic/a')
    await store().commit({ puts: [put('atomic/a', 'new')] })
    const attempts: Commit['checks'] = [
      { key: bytes('atomic/a'), version: stale },
      { key: bytes('atomic/a'), version: 'absent' },
      { key: bytes('atomic/missing'), version: stale },
    ]
    for (const check of attempts) {
      const result = await store().commit({
        checks: [{ key: bytes('atomic/other'), version: 'absent' }, check],
        puts: [put('atomic/c', 'x')],
        deletes: [bytes('atomic/a')],
        adds: [{ key: bytes('atomic/n'), delta: 7 }],
      })
      expect(result).toEqual({ committed: false, failedKey: check.key })
    }
    expect(plain((await get(store(), 'atomic/a'))?.value)).toBe('new')
    expect(await get(store(), 'atomic/c')).toBeUndefined()
    expect(await counter(store(), 'atomic/n')).toBe(1)
  })

  test('checks that hold let the commit through, also on keys that it does not write', async () => {
    await store().commit({ puts: [put('holds/a', '1')] })
    const version = await versionOf(store(), 'holds/a')
    const checks = [
      { key: bytes('holds/a'), version },
      { key: bytes('holds/none'), version: 'absent' as const },
    ]
    expect(await store().commit({ checks, puts: [put('holds/b', '2')] })).toEqual({ committed: true })
    expect(await store().commit({ checks })).toEqual({ committed: true })
    expect(await store().commit({})).toEqual({ committed: true })
    expect(await versionOf(store(), 'holds/a')).toBe(version)
  })

  test('a version is never used again, not even after a delete and for the same value', async () => {
    const seen = new Set<number>()
    for (let round = 0; round < 5; round++) {
      await store().commit({ puts: [put('versions/a', 'same')] })
      seen.add(await versionOf(store(), 'versions/a'))
      await store().commit({ puts: [put('versions/a', 'same')] })
      seen.add(await versionOf(store(), 'versions/a'))
      await store().commit({ deletes: [bytes('versions/a')] })
    }
    expect(seen.size).toBe(10)
  })

  test('counters add up, go below zero and back to it, and are no entries', async () => {
    const addToSum = (delta: number) => store().commit({ adds: [add('sum', delta)] })
    expect(await counter(store(), 'sum')).toBe(0)
    await Promise.all([addToSum(5), addToSum(-7), addToSum(2 ** 40)])
    expect(await counter(store(), 'sum')).toBe(2 ** 40 - 2)
    await addToSum(-(2 ** 40))
    expect(await counter(store(), 'sum')).toBe(-2)
    await addToSum(2)
    expect(await counter(store(), 'sum')).toBe(0)
    await addToSum(3)
    expect(await counter(store(), 'sum')).toBe(3)
    expect(await get(store(), 'sum')).toBeUndefined()
    expect(await store().commit({ adds: [add('sum', 1), add('sum', 2)] })).toEqual({ committed: true })
    expect(await counter(store(), 'sum')).toBe(6)
  })

  test('a counter that goes beyond what a number holds, and back, is exact', async () => {
    const deltas = [
      7,
      Number.MAX_SAFE_INTEGER,
      Number.MAX_SAFE_INTEGER,
      -Number.MAX_SAFE_INTEGER,
      4,
      -Number.MAX_SAFE_INTEGER,
    ]
    const results = await Promise.all(deltas.map((delta) => store().commit({ adds: [add('far', delta)] })))
    expect(results.every((result) => result.committed)).toBe(true)
    expect(await counter(store(), 'far')).toBe(11)
  })
}
