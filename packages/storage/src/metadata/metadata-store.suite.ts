/**
 * The contract of `MetadataStore`, as tests that every engine runs.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Commit, type MetadataStore, maxCommitOperations, maxKeyBytes, maxValueBytes } from './contract.ts'
import { metadataStoreLaws } from './metadata-store-laws.suite.ts'

/** One place where a store lives. */
export interface MetadataStoreHarness {
  /** Opens the store; after its `close()`, opens what it left behind. */
  open(): Promise<MetadataStore>
  /** Removes everything. */
  dispose(): Promise<void>
  /** Whether what was committed is there after `close()` and `open()`. */
  readonly isDurable: boolean
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const plain = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()

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

/** Reads one key in a snapshot of its own. */
async function get(store: MetadataStore, key: string) {
  const snapshot = store.snapshot()
  try {
    return await snapshot.get(bytes(key))
  } finally {
    snapshot.release()
  }
}

async function counter(store: MetadataStore, key: string): Promise<number> {
  const snapshot = store.snapshot()
  try {
    return await snapshot.counter(bytes(key))
  } finally {
    snapshot.release()
  }
}

async function versionOf(store: MetadataStore, key: string): Promise<number> {
  const entry = await get(store, key)
  if (entry === undefined) throw new Error(`no entry at ${key}`)
  return entry.version
}

const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) })

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
    const add = (delta: number) => store().commit({ adds: [{ key: bytes('sum'), delta }] })
    expect(await counter(store(), 'sum')).toBe(0)
    await Promise.all([add(5), add(-7), add(2 ** 40)])
    expect(await counter(store(), 'sum')).toBe(2 ** 40 - 2)
    await add(-(2 ** 40))
    expect(await counter(store(), 'sum')).toBe(-2)
    await add(2)
    expect(await counter(store(), 'sum')).toBe(0)
    await add(3)
    expect(await counter(store(), 'sum')).toBe(3)
    expect(await get(store(), 'sum')).toBeUndefined()
    expect(await store().commit({ adds: [add2('sum', 1), add2('sum', 2)] })).toEqual({ committed: true })
    expect(await counter(store(), 'sum')).toBe(6)
  })
}

const add2 = (key: string, delta: number) => ({ key: bytes(key), delta })

function snapshotTests(store: () => MetadataStore): void {
  test('a snapshot stays one state while others commit, across awaits, for every kind of read', async () => {
    await store().commit({ puts: [put('iso/a', '1'), put('iso/b/x', '2')], adds: [add2('iso/n', 1)] })
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
        adds: [add2('iso/n', 1)],
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

function concurrencyTests(store: () => MetadataStore): void {
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
          adds: [add2('contended/n', 1)],
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

function limitTests(store: () => MetadataStore): void {
  const invalid = { code: 'invalid' }

  test('takes keys and values up to the limits, empty values too, and gives them back exactly', async () => {
    const longest = Buffer.alloc(maxKeyBytes, 0xfe)
    const largest = Buffer.from(Array.from({ length: maxValueBytes }, (_, i) => i % 251))
    const puts = [
      { key: longest, value: largest },
      { key: bytes('limits/empty'), value: new Uint8Array(0) },
      { key: Buffer.from([0]), value: Buffer.from([0]) },
      { key: Buffer.from([0xff]), value: Buffer.from([1]) },
    ]
    await store().commit({ puts })
    const snapshot = store().snapshot()
    try {
      const read = await snapshot.getMany(puts.map((each) => each.key))
      expect(read.map((entry) => entry && Buffer.from(entry.value))).toEqual(
        puts.map((each) => Buffer.from(each.value)),
      )
      const listed = await snapshot.list({ gte: longest, lt: Buffer.from([0xff]), limit: 2 })
      expect(listed.map((entry) => [entry.key.length, entry.value.length])).toEqual([[maxKeyBytes, maxValueBytes]])
      const backwards = await snapshot.list({ gte: longest, lt: Buffer.from([0xff]), limit: 2, reverse: true })
      expect(backwards.map((entry) => entry.key.length)).toEqual([maxKeyBytes])
    } finally {
      snapshot.release()
    }
    await store().commit({ deletes: puts.map((each) => each.key) })
  })

  test('lists behind the longest key, and up to bounds that no key could have', async () => {
    const longest = Buffer.alloc(maxKeyBytes, 0x2f)
    const shorter = longest.subarray(1)
    const next = Buffer.from([0x2f, 0x30])
    await store().commit({ puts: [longest, shorter, next].map((key) => ({ key, value: bytes('x') })) })
    const beyond = Buffer.alloc(maxKeyBytes + 500, 0x2f)
    const end = Buffer.from([0x30])
    const snapshot = store().snapshot()
    const keysOf = (entries: readonly { readonly key: Uint8Array }[]) => entries.map((entry) => entry.key.length)
    try {
      const all = { prefix: Buffer.from([0x2f]), delimiter: Buffer.from([0x7a]), limit: 10 }
      expect((await snapshot.listPrefixes(all)).length).toBe(3)
      expect((await snapshot.listPrefixes({ ...all, after: longest })).length).toBe(1)
      expect((await snapshot.listPrefixes({ ...all, after: beyond })).length).toBe(1)
      for (const reverse of [false, true]) {
        const listed = async (gte: Uint8Array, lt: Uint8Array) =>
          keysOf(await snapshot.list({ gte, lt, limit: 10, reverse }))
        expect(await listed(beyond, end)).toEqual([2])
        expect((await listed(shorter, beyond)).sort()).toEqual([maxKeyBytes - 1, maxKeyBytes])
        expect(await listed(beyond, Buffer.concat([beyond, beyond]))).toEqual([])
      }
    } finally {
      snapshot.release()
    }
    await store().commit({ deletes: [longest, shorter, next] })
  })

  test('refuses longer keys, larger values, too many operations and unsafe deltas', async () => {
    const tooLong = Buffer.alloc(maxKeyBytes + 1)
    const value = bytes('x')
    const refused: Commit[] = [
      { puts: [{ key: tooLong, value }] },
      { puts: [{ key: new Uint8Array(0), value }] },
      { deletes: [tooLong] },
      { checks: [{ key: tooLong, version: 'absent' }] },
      { adds: [{ key: tooLong, delta: 1 }] },
      { adds: [{ key: bytes('n'), delta: 0.5 }] },
      { adds: [{ key: bytes('n'), delta: 2 ** 53 }] },
      { puts: [{ key: bytes('k'), value: new Uint8Array(maxValueBytes + 1) }] },
      { puts: Array.from({ length: maxCommitOperations + 1 }, (_, i) => put(`many/${i}`, 'x')) },
      { puts: [put('twice', '1'), put('twice', '2')] },
      { puts: [put('twice', '1')], deletes: [bytes('twice')] },
      { puts: Array.from({ length: 50 }, (_, i) => put(`twice/${i % 49}`, 'x')) },
    ]
    for (const commit of refused) await expect(store().commit(commit)).rejects.toMatchObject(invalid)
    const snapshot = store().snapshot()
    try {
      await expect(snapshot.get(tooLong)).rejects.toMatchObject(invalid)
      await expect(snapshot.get(new Uint8Array(0))).rejects.toMatchObject(invalid)
    } finally {
      snapshot.release()
    }
    expect(await get(store(), 'twice')).toBeUndefined()
  })

  test(`takes ${maxCommitOperations} operations in one commit`, async () => {
    const puts = Array.from({ length: maxCommitOperations }, (_, i) => put(`full/${i}`, 'x'))
    expect(await store().commit({ puts })).toEqual({ committed: true })
    expect(await get(store(), `full/${maxCommitOperations - 1}`)).toBeDefined()
  })
}

function lifetimeTests(createHarness: () => Promise<MetadataStoreHarness>): void {
  test('a closed store refuses work, after finishing what it had taken', async () => {
    const harness = await createHarness()
    try {
      const store = await harness.open()
      const open = store.snapshot()
      const commits = Array.from({ length: 20 }, (_, i) => store.commit({ puts: [put(`taken/${i}`, 'x')] }))
      const closed = store.close()
      expect(await Promise.all(commits)).toEqual(commits.map(() => ({ committed: true })))
      await closed
      await store.close()
      await expect(store.commit({ puts: [put('a', 'b')] })).rejects.toMatchObject({ code: 'unavailable' })
      expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: 'unavailable' }))
      await expect(open.get(bytes('taken/0'))).rejects.toMatchObject({ code: 'unavailable' })
      open.release()
    } finally {
      await harness.dispose()
    }
  })

  test('what was committed is there after closing and opening again, and versions go on', async () => {
    const harness = await createHarness()
    try {
      let store = await harness.open()
      await store.commit({ puts: [put('kept', 'value'), put('gone', 'x')], adds: [add2('n', 3)] })
      await store.commit({ deletes: [bytes('gone')] })
      const version = await versionOf(store, 'kept')
      await store.close()
      if (!harness.isDurable) return
      store = await harness.open()
      expect(plain((await get(store, 'kept'))?.value)).toBe('value')
      expect(await versionOf(store, 'kept')).toBe(version)
      expect(await get(store, 'gone')).toBeUndefined()
      expect(await counter(store, 'n')).toBe(3)
      await store.commit({ puts: [put('gone', 'x')] })
      expect(await versionOf(store, 'gone')).toBeGreaterThan(version)
      await store.close()
    } finally {
      await harness.dispose()
    }
  })
}
