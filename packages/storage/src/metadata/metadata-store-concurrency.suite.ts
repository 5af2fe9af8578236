/**
 * Snapshots and concurrent writers of a metadata store: part of its contract suite.
 *
 * @module
 */

import { expect, test } from 'vitest'
import type { MetadataStore } from './contract.ts'
import { add, bytes, counter, get, plain, put } from './metadata-store-support.suite.ts'

/** Registers the tests of snapshots. */
export function snapshotTests(store: () => MetadataStore): void {
  test('a snapshot stays one state while others commit, across awaits, for every kind of read', async () => {
    await store().commit({ puts: [put('iso/a', '1'), put('iso/b/x', '2')], adds: [add('iso/n', 1)] })
    const snapshot = store().snapshot()
    const read = async () => ({
      one: plain((await snapshot.get(bytes('iso/a')))?.value),
      many: (await snapshot.getMany([bytes('iso/a'), bytes('iso/c')])).map((entry) => plain(entry?.value)),
      list: (await snapshot.list({ gte: bytes('iso/'), lt: bytes('iso0'), limit: 10 })).map((entry) =>
        plain(entry.key),
      ),
      prefixes: (await snapshot.listPrefixes({ prefix: bytes('iso/'), delimiter: bytes('/'), limit: 10 })).length,
      counter: await snapshot.counter(bytes('iso/n')),
    })
    const before = await read()
    expect(before).toEqual({ one: '1', many: ['1', undefined], list: ['iso/a', 'iso/b/x'], prefixes: 2, counter: 1 })
    for (let i = 0; i < 5; i++) {
      await store().commit({
        puts: [put('iso/a', `later ${i}`), put('iso/c', 'x')],
        deletes: [bytes('iso/b/x')],
        adds: [add('iso/n', 1)],
      })
      await new Promise((resolve) => setImmediate(resolve))
      expect(await read()).toEqual(before)
    }
    snapshot.release()
    expect(plain((await get(store(), 'iso/a'))?.value)).toBe('later 4')
  })

  test('a new snapshot includes every acknowledged commit, however busy the process is reading', async () => {
    const held = []
    for (let i = 0; i < 100; i++) {
      await store().commit({ puts: [put('fresh', String(i))] })
      expect(plain((await get(store(), 'fresh'))?.value)).toBe(String(i))
      const snapshot = store().snapshot()
      held.push(snapshot)
      if (held.length > 7) held.shift()?.release()
    }
    const values = await Promise.all(held.map((snapshot) => snapshot.get(bytes('fresh'))))
    expect(values.map((entry) => plain(entry?.value))).toEqual(['93', '94', '95', '96', '97', '98', '99'])
    for (const snapshot of held) snapshot.release()
  })

  test('values belong to the reader: writing into one changes nothing else', async () => {
    await store().commit({ puts: [put('own', 'value')] })
    const snapshot = store().snapshot()
    try {
      const [first] = await snapshot.list({ gte: bytes('own'), lt: bytes('owo'), limit: 1 })
      const second = await snapshot.get(bytes('own'))
      first?.value.fill(0)
      expect(plain(second?.value)).toBe('value')
      second?.value.fill(0)
      expect(plain((await snapshot.get(bytes('own')))?.value)).toBe('value')
    } finally {
      snapshot.release()
    }
  })

  test('a released snapshot refuses to read', async () => {
    const snapshot = store().snapshot()
    snapshot.release()
    await expect(snapshot.get(bytes('own'))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(snapshot.list({ gte: bytes('a'), lt: bytes('b'), limit: 1 })).rejects.toMatchObject({
      code: 'unavailable',
    })
  })
}

/** Registers the tests of writers that meet. */
export function concurrencyTests(store: () => MetadataStore): void {
  test('many writers that check and retry lose no update', async () => {
    const writers = 12
    const rounds = 20
    let retries = 0
    const increment = async () => {
      for (;;) {
        const entry = await get(store(), 'contended')
        const result = await store().commit({
          checks: [{ key: bytes('contended'), version: entry?.version ?? 'absent' }],
          puts: [put('contended', String(Number(plain(entry?.value) ?? '0') + 1))],
          adds: [add('contended/n', 1)],
        })
        if (result.committed) return
        retries++
      }
    }
    const writer = async () => {
      for (let round = 0; round < rounds; round++) await increment()
    }
    await Promise.all(Array.from({ length: writers }, writer))
    expect(plain((await get(store(), 'contended'))?.value)).toBe(String(writers * rounds))
    expect(await counter(store(), 'contended/n')).toBe(writers * rounds)
    // Somebody always gets through, so nobody can fail more often than all others succeed.
    expect(retries).toBeLessThanOrEqual((writers - 1) * writers * rounds)
  })

  test('no snapshot ever sees half of a transfer, however many run', async () => {
    const accounts = Array.from({ length: 10 }, (_, i) => `bank/${i}`)
    const balanceOf = (value: Uint8Array | undefined) => Number(plain(value))
    await store().commit({ puts: accounts.map((account) => put(account, '100')) })
    const transfer = async (i: number) => {
      const snapshot = store().snapshot()
      const [from, to] = [accounts[i % 10] ?? '', accounts[(i * 7 + 3) % 10] ?? '']
      const [source, target] = await snapshot.getMany([bytes(from), bytes(to)])
      snapshot.release()
      if (from === to || source === undefined || target === undefined) return
      await store().commit({
        checks: [source, target],
        puts: [put(from, String(balanceOf(source.value) - 1)), put(to, String(balanceOf(target.value) + 1))],
      })
    }
    const audit = async () => {
      const snapshot = store().snapshot()
      const listed = await snapshot.list({ gte: bytes('bank/'), lt: bytes('bank0'), limit: 100 })
      await new Promise((resolve) => setImmediate(resolve))
      const again = await snapshot.getMany(accounts.map(bytes))
      snapshot.release()
      expect(listed.reduce((sum, entry) => sum + balanceOf(entry.value), 0)).toBe(1000)
      expect(again.map((entry) => entry?.version)).toEqual(listed.map((entry) => entry.version))
    }
    const jobs: Promise<void>[] = []
    for (let i = 0; i < 300; i++) {
      jobs.push(transfer(i), audit())
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(jobs)
    await audit()
  })

  test('of commits made at once under the same check exactly one goes through', async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        store().commit({ checks: [{ key: bytes('once'), version: 'absent' }], puts: [put('once', String(i))] }),
      ),
    )
    expect(results.filter((result) => result.committed)).toHaveLength(1)
    const winner = results.findIndex((result) => result.committed)
    expect(plain((await get(store(), 'once'))?.value)).toBe(String(winner))
  })
}
