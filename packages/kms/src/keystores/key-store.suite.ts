/**
 * What every `KeyStore` does. Run by each implementation with its own way to make an empty store.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../contract.ts'

/** How the suite gets its stores. */
export interface KeyStoreHarness {
  /** A new, empty store. */
  open(): Promise<KeyStore>
  /** Another store over the same place, if the medium is shared. */
  openAgain?(): Promise<KeyStore>
  /** Removes what `open` made. */
  dispose?(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function names(store: KeyStore, prefix = ''): Promise<string[]> {
  const found: string[] = []
  for await (const name of store.list(prefix)) found.push(name)
  return found
}

/** Registers the suite under `title`. */
export function testKeyStore(title: string, harness: KeyStoreHarness): void {
  describe(`${title}, as a key store`, () => {
    let store: KeyStore

    beforeEach(async () => {
      store = await harness.open()
    })

    afterEach(async () => {
      await store.close()
      await harness.dispose?.()
    })

    it('gives back what was created, byte for byte', async () => {
      const value = Uint8Array.from({ length: 256 }, (_, i) => i)
      await store.create('k', value)
      expect(Buffer.from(await store.get('k'))).toEqual(Buffer.from(value))
    })

    it('keeps its value whatever the caller does to his bytes', async () => {
      const value = bytes('value')
      await store.create('k', value)
      value.fill(0)
      const first = await store.get('k')
      expect(Buffer.from(first).toString()).toBe('value')
      first.fill(0)
      expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    })

    it('refuses to create a name twice and keeps the first value', async () => {
      await store.create('k', bytes('first'))
      await expect(store.create('k', bytes('second'))).rejects.toMatchObject({ code: 'key-exists' })
      expect(Buffer.from(await store.get('k')).toString()).toBe('first')
    })

    it('lets exactly one of many creators of a name win', async () => {
      const attempts = Array.from({ length: 12 }, (_, i) => store.create('k', bytes(`value ${i}`)))
      const results = await Promise.allSettled(attempts)
      const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
      expect(winners).toHaveLength(1)
      expect(Buffer.from(await store.get('k')).toString()).toBe(`value ${winners[0]}`)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'key-exists' })
      }
    })

    it('says of a missing key that it does not exist', async () => {
      await expect(store.get('missing')).rejects.toMatchObject({ code: 'key-not-found' })
      await expect(store.delete('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    })

    it('deletes, and lets the name be created again', async () => {
      await store.create('k', bytes('old'))
      await store.delete('k')
      await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
      expect(await names(store)).toEqual([])
      await store.create('k', bytes('new'))
      expect(Buffer.from(await store.get('k')).toString()).toBe('new')
    })

    it('lists names by prefix in byte order', async () => {
      for (const name of ['b', 'a', 'B', 'a-v-2', 'a-v-10', 'ab', '_', 'a_']) await store.create(name, bytes(name))
      expect(await names(store)).toEqual(['B', '_', 'a', 'a-v-10', 'a-v-2', 'a_', 'ab', 'b'])
      expect(await names(store, 'a-')).toEqual(['a-v-10', 'a-v-2'])
      expect(await names(store, 'zz')).toEqual([])
    })

    it.each(['', '.', '..', 'a/b', '../k', 'a\\b', 'a.b', 'a\0', 'ü', 'a b', 'x'.repeat(200)])(
      'refuses the name %j',
      async (name) => {
        await expect(store.create(name, bytes('value'))).rejects.toMatchObject({ code: 'invalid-name' })
        await expect(store.get(name)).rejects.toMatchObject({ code: 'invalid-name' })
        await expect(store.delete(name)).rejects.toMatchObject({ code: 'invalid-name' })
      },
    )

    it('takes the longest name that a version of a key can have', async () => {
      const name = `${'x'.repeat(80)}-v-999999999`
      await store.create(name, bytes('value'))
      expect(await names(store)).toEqual([name])
    })

    it('is reachable', async () => {
      expect(await store.status()).toMatchObject({ reachable: true })
    })

    const { openAgain } = harness
    if (openAgain === undefined) return

    it('shows another store over the same place what it holds', async () => {
      await store.create('k', bytes('value'))
      const other = await openAgain()
      expect(Buffer.from(await other.get('k')).toString()).toBe('value')
      await other.close()
    })

    it('lets exactly one of two stores over the same place create a name', async () => {
      const other = await openAgain()
      const results = await Promise.allSettled([store.create('k', bytes('one')), other.create('k', bytes('two'))])
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      await other.close()
    })
  })
}
