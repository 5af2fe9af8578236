/**
 * The limits and the lifetime of a metadata store: part of its contract suite.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import { type Commit, type MetadataStore, maxCommitOperations, maxKeyBytes, maxValueBytes } from './contract.ts'
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

/** Registers the tests of sizes and counts. */
export function limitTests(store: () => MetadataStore): void {
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

/** Registers the tests of closing and opening again. */
export function lifetimeTests(createHarness: () => Promise<MetadataStoreHarness>): void {
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
      await store.commit({ puts: [put('kept', 'value'), put('gone', 'x')], adds: [add('n', 3)] })
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
