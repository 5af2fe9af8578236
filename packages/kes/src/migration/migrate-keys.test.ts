import { createHash } from 'node:crypto'
import { KeyService, type KeyStore, KmsError, MemoryKeyStore } from '@strongroom/kms'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesPattern, migrateKeys } from './migrate-keys.ts'

/** A stored key made of a text. */
const keyOf = (text: string): string =>
  JSON.stringify({ bytes: createHash('sha256').update(text).digest('base64'), created_by: text })

async function storeOf(entries: Readonly<Record<string, string>>): Promise<MemoryKeyStore> {
  const store = new MemoryKeyStore()
  for (const [name, text] of Object.entries(entries)) await store.create(name, Buffer.from(keyOf(text)))
  return store
}

async function contents(store: KeyStore): Promise<Record<string, string>> {
  const entries: Record<string, string> = {}
  for await (const name of store.list('')) {
    entries[name] = JSON.parse(Buffer.from(await store.get(name)).toString()).created_by
  }
  return entries
}

/** Everything of `store`, with some methods of one's own. */
const changed = (store: KeyStore, own: Partial<KeyStore>): KeyStore => ({
  create: (name, value) => store.create(name, value),
  get: (name) => store.get(name),
  delete: (name) => store.delete(name),
  list: (prefix) => store.list(prefix),
  status: () => store.status(),
  close: () => store.close(),
  ...own,
})

describe('migrating keys', () => {
  it('copies all, more than a page of KES', async () => {
    const entries = Object.fromEntries(Array.from({ length: 2_100 }, (_, i) => [`key-${i}`, `value ${i}`]))
    const to = new MemoryKeyStore()
    const seen: number[] = []
    const report = await migrateKeys(await storeOf(entries), to, { onProgress: ({ done }) => seen.push(done) })
    expect(report).toMatchObject({ total: 2_100, identical: [], different: [], failed: [], isComplete: true })
    expect(report.copied).toHaveLength(2_100)
    expect(await contents(to)).toEqual(entries)
    expect(seen).toEqual(Array.from({ length: 2_100 }, (_, i) => i + 1))
  })

  it('copies what a pattern selects', async () => {
    const to = new MemoryKeyStore()
    await migrateKeys(await storeOf({ 'app-1': 'a', 'app-22': 'b', other: 'c' }), to, { pattern: 'app-?' })
    expect(await contents(to)).toEqual({ 'app-1': 'a' })
    await expect(migrateKeys(to, to, { pattern: 'a/../b' })).rejects.toMatchObject({ code: 'invalid-config' })
  })

  it('takes a key with its lock and its versions', async () => {
    const from = new MemoryKeyStore()
    const source = new KeyService(from)
    await source.createKey('k')
    await source.rotateKey('k')
    await source.lockKey('k')
    await source.createKey('other')
    const to = new MemoryKeyStore()
    const entries: number[] = []
    const onProgress = ({ total }: { readonly total: number }) => entries.push(total)
    expect(await migrateKeys(from, to, { pattern: 'k', onProgress })).toMatchObject({ total: 1, copied: ['k'] })
    expect(entries).toEqual([3, 3, 3])
    const target = new KeyService(to)
    expect(await target.describeKey('k')).toMatchObject({ state: 'locked', currentVersion: 2 })
    await target.close()
    await source.close()
  })

  it('counts a key once, by the worst of its versions, and one that is only called like a version by itself', async () => {
    const from = new MemoryKeyStore()
    const source = new KeyService(from)
    for (const name of ['a', 'b', 'c', 'd']) {
      await source.createKey(name)
      await source.rotateKey(name)
    }
    await from.create('old-v-2', Buffer.from(keyOf('from KES')))
    await from.create('d-v-3', Buffer.from('no key'))
    const to = new MemoryKeyStore()
    for (const name of ['a', 'a-v-2', 'b']) await to.create(name, await from.get(name))
    await to.create('c-v-2', Buffer.from(keyOf('other')))
    expect(await migrateKeys(from, to)).toEqual({
      total: 6,
      copied: ['b', 'd', 'old-v-2'],
      identical: ['a'],
      different: ['c'],
      notKeys: ['d-v-3'],
      failed: [],
      isComplete: true,
    })
    const broken = changed(from, {
      get: async (name) => {
        if (name.startsWith('b')) throw new KmsError('invalid-key', `too long: ${name}`)
        return from.get(name)
      },
    })
    const { total, failed, identical } = await migrateKeys(broken, to, { pattern: '?' })
    expect({ total, failed, identical }).toEqual({
      total: 5,
      failed: [{ name: 'b', message: 'too long: b' }],
      identical: ['a', 'd'],
    })
    await source.close()
  })

  it('never leaves a locked key unlocked, wherever it is interrupted', async () => {
    const from = new MemoryKeyStore()
    const source = new KeyService(from)
    await source.createKey('k')
    await source.rotateKey('k')
    await source.lockKey('k')
    for (let entries = 0; entries <= 3; entries++) {
      const to = new MemoryKeyStore()
      const controller = new AbortController()
      const onProgress = ({ done }: { readonly done: number }) => done >= entries && controller.abort()
      if (entries === 0) controller.abort()
      await migrateKeys(from, to, { concurrency: 1, signal: controller.signal, onProgress })
      const target = new KeyService(to)
      const states = await Promise.all((await target.listKeys('*')).map((name) => target.describeKey(name)))
      expect(states.map(({ name, state, currentVersion }) => [name, state, currentVersion])).toEqual(
        entries === 3 ? [['k', 'locked', 2]] : [],
      )
      await target.close()
    }
    await source.close()
  })

  it('goes on where it was interrupted', async () => {
    const from = await storeOf({ a: '1', b: '2', c: '3' })
    const to = await storeOf({ a: '1' })
    expect(await migrateKeys(from, to)).toMatchObject({ copied: ['b', 'c'], identical: ['a'], isComplete: true })
  })

  it('does not copy what is no key, and names it', async () => {
    const from = await storeOf({ a: '1' })
    await from.create('password', Buffer.from('{"user":"u","password":"p"}'))
    const to = new MemoryKeyStore()
    expect(await migrateKeys(from, to)).toMatchObject({ copied: ['a'], notKeys: ['password'], isComplete: true })
    expect(await contents(to)).toEqual({ a: '1' })
  })

  it('leaves what is there with another value, and says so', async () => {
    const to = await storeOf({ a: 'other' })
    expect(await migrateKeys(await storeOf({ a: '1', b: '2' }), to)).toMatchObject({ copied: ['b'], different: ['a'] })
    expect(await contents(to)).toEqual({ a: 'other', b: '2' })
  })

  it('notices a target that does not keep what it is given', async () => {
    const to = changed(new MemoryKeyStore(), { get: async () => Buffer.from('x') })
    const { copied, failed } = await migrateKeys(await storeOf({ a: '1' }), to)
    expect(copied).toEqual([])
    expect(failed).toEqual([{ name: 'a', message: 'the target gave back something else than it was given' }])
  })

  it('passes over a key that cannot be read, and reports it', async () => {
    const store = await storeOf({ a: '1', b: '2' })
    const from = changed(store, {
      get: async (name) => {
        if (name === 'a') throw new KmsError('invalid-key', 'too long')
        return store.get(name)
      },
    })
    expect(await migrateKeys(from, new MemoryKeyStore())).toMatchObject({
      copied: ['b'],
      failed: [{ name: 'a', message: 'too long' }],
      isComplete: true,
    })
  })

  it('stops at once when a store is gone', async () => {
    const entries = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key-${i}`, 'v']))
    let calls = 0
    const to = changed(new MemoryKeyStore(), {
      create: async () => {
        calls++
        throw new KmsError('unreachable', 'gone')
      },
    })
    const report = await migrateKeys(await storeOf(entries), to, { concurrency: 4 })
    expect(report.isComplete).toBe(false)
    expect(calls).toBeLessThanOrEqual(8)
  })

  it('stops when told to', async () => {
    const controller = new AbortController()
    const from = await storeOf({ a: '1', b: '2', c: '3' })
    const options = { concurrency: 1, signal: controller.signal, onProgress: () => controller.abort() }
    expect(await migrateKeys(from, new MemoryKeyStore(), options)).toMatchObject({ copied: ['a'], isComplete: false })
  })
})

describe('a pattern of names', () => {
  it('means what the regular expression of the same form means', () => {
    const characters = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 })
    const letters = fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 })
    fc.assert(
      fc.property(characters, letters, (pattern, name) => {
        const text = pattern.join('')
        const expected = new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`)
        expect(matchesPattern(name.join(''), text)).toBe(expected.test(name.join('')))
      }),
    )
  })
})
