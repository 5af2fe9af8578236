import { describe, expect, it } from 'vitest'
import type { KeyStore } from './contract.ts'
import { formatKeyMarker } from './key-marker.ts'
import { KeyService } from './key-service.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { KmsError } from './kms-error.ts'
import { formatStoredKey } from './stored-key.ts'
import { timestampFromMs } from './timestamp.ts'

/** Keeps what is deleted. `purge` destroys whatever has that name, as the engines of vendors do, once `gate` is open. */
function recoverableStore(gate: () => Promise<void>): KeyStore {
  const inner = new MemoryKeyStore()
  const bin = new Map<string, Uint8Array>()
  return {
    create: async (name, value) => {
      if (bin.has(name)) throw new KmsError('key-pending-deletion', 'recover or purge it')
      await inner.create(name, value)
    },
    get: (name) => inner.get(name),
    delete: async (name) => {
      bin.set(name, await inner.get(name))
      await inner.delete(name)
    },
    recover: async (name) => {
      const value = bin.get(name)
      if (value === undefined) throw new KmsError('key-not-found', 'nothing to recover')
      bin.delete(name)
      await inner.create(name, value)
    },
    purge: async (name) => {
      await gate()
      const isBinned = bin.delete(name)
      const isLive = await inner.delete(name).then(
        () => true,
        () => false,
      )
      if (!isBinned && !isLive) throw new KmsError('key-not-found', 'nothing to purge')
    },
    list: (prefix) => inner.list(prefix),
    status: () => inner.status(),
    close: () => inner.close(),
  }
}

describe('a key of many versions', () => {
  it('comes back with all of them, and is purged with all of them', async () => {
    const store = recoverableStore(async () => undefined)
    const keys = new KeyService(store)
    await keys.createKey('k')
    for (let version = 2; version <= 300; version++) await keys.rotateKey('k')
    await keys.deleteKey('k')
    expect(await keys.recoverKey('k')).toMatchObject({ currentVersion: 300 })
    expect((await keys.describeKey('k')).versions).toHaveLength(300)
    await keys.deleteKey('k')
    await keys.purgeKey('k')
    await expect(store.recover?.('k-v-300')).rejects.toMatchObject({ code: 'key-not-found' })
    await keys.close()
  })
})

describe('a purge that was cut short', () => {
  it('leaves nothing that the next one does not find, wherever it was cut', async () => {
    for (let calls = 0; ; calls++) {
      let left = calls
      const inner = recoverableStore(async () => undefined)
      const keys = new KeyService(inner)
      await keys.createKey('k')
      for (let version = 2; version <= 4; version++) await keys.rotateKey('k')
      await keys.deleteKey('k')
      const cut = new KeyService(
        new Proxy(inner, {
          get: (target, name: keyof KeyStore) => {
            const method: unknown = Reflect.get(target, name)
            if (typeof method !== 'function' || name === 'close') return method
            return async (...given: unknown[]) => {
              if (left-- <= 0) throw new KmsError('unreachable', 'cut')
              return await Reflect.apply(method, target, given)
            }
          },
        }),
      )
      const first = await cut.purgeKey('k').then(
        () => 'done',
        () => 'cut',
      )
      const later = new KeyService(inner, { now: () => Date.now() + 3_600_000 })
      // Where only the claim is left, there is nothing more to purge.
      await later.purgeKey('k').catch((error: unknown) => expect(error).toMatchObject({ code: 'key-not-found' }))
      for (const entry of ['k', 'k-v-2', 'k-v-3', 'k-v-4']) {
        await expect(inner.get(entry)).rejects.toMatchObject({ code: 'key-not-found' })
        await expect(inner.recover?.(entry)).rejects.toMatchObject({ code: 'key-not-found' })
      }
      for (const service of [keys, cut, later]) await service.close()
      if (first === 'done' && left > 0) break
    }
  })
})

/** A key of KES. */
function plainKey(): Uint8Array {
  const [key, hmacKey] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  return formatStoredKey({ algorithm: 'AES256', key, hmacKey, createdAt: timestampFromMs(0), createdBy: '' })
}

describe('a deleted key of its own that has the name of a version', () => {
  const setUp = async () => {
    const store = recoverableStore(async () => undefined)
    const keys = new KeyService(store)
    await keys.createKey('x')
    await keys.rotateKey('x')
    await keys.rotateKey('x')
    // Behind a key of its own, as earlier releases made it.
    await store.purge?.('x-v-2')
    await store.create('x-v-2', plainKey())
    await keys.deleteKey('x')
    await keys.deleteKey('x-v-2')
    return { store, keys }
  }

  it('is not purged along, and can be recovered', async () => {
    const { store, keys } = await setUp()
    await keys.purgeKey('x')
    await expect(store.recover?.('x-v-3')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.get('x-v-2')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(await keys.recoverKey('x-v-2')).toMatchObject({ name: 'x-v-2', state: 'enabled' })
    await keys.close()
  })

  it('is recovered along: the versions behind it would not be found without it', async () => {
    const { keys } = await setUp()
    expect(await keys.recoverKey('x')).toMatchObject({ currentVersion: 3 })
    expect(await keys.describeKey('x-v-2')).toMatchObject({ currentVersion: 1 })
    await keys.close()
  })
})

describe('an entry with the name of a version that cannot be read', () => {
  const setUp = async () => {
    const store = recoverableStore(async () => undefined)
    const keys = new KeyService(store)
    await keys.createKey('x')
    for (let version = 2; version <= 4; version++) await keys.rotateKey('x')
    await keys.deleteKey('x')
    await store.purge?.('x-v-3')
    return { store, keys, note: Buffer.from('a note of somebody') }
  }
  const purged = {
    code: 'unsupported',
    message: expect.stringMatching(/^key 'x' is purged, but .*: 'x-v-3'; remove it/),
  }

  it('is not purged along, and named', async () => {
    const { store, keys, note } = await setUp()
    await store.create('x-v-3', note)
    await expect(keys.purgeKey('x')).rejects.toMatchObject(purged)
    expect(Buffer.from(await store.get('x-v-3'))).toEqual(note)
    for (const entry of ['x', 'x-v-2', 'x-v-4']) {
      await expect(store.recover?.(entry)).rejects.toMatchObject({ code: 'key-not-found' })
    }
    await expect(keys.purgeKey('x')).rejects.toMatchObject({ code: 'key-not-found' })
    await keys.close()
  })

  it('stays deleted, and can be recovered, if it was', async () => {
    const { store, keys, note } = await setUp()
    await store.create('x-v-3', note)
    await store.delete('x-v-3')
    await expect(keys.purgeKey('x')).rejects.toMatchObject(purged)
    await expect(store.get('x-v-3')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.recover?.('x-v-3')
    expect(Buffer.from(await store.get('x-v-3'))).toEqual(note)
    await keys.close()
  })
})

describe('two nodes over one key store', () => {
  it('never purge a key that the other one recovers', async () => {
    let open = (): void => undefined
    let arrived = (): void => undefined
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const isPurging = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const store = recoverableStore(async () => {
      arrived()
      await opened
    })
    const [one, other] = [new KeyService(store), new KeyService(store)]
    await one.createKey('k')
    await store.delete('k')
    const purged = one.purgeKey('k')
    await isPurging
    await expect(other.recoverKey('k')).rejects.toMatchObject({ code: 'busy' })
    open()
    await purged
    await expect(other.recoverKey('k')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(await other.createKey('k')).toMatchObject({ state: 'enabled' })
  })

  it('take over after ten minutes what one of them left', async () => {
    const store = recoverableStore(async () => undefined)
    let nowMs = Date.parse('2026-01-01T00:00:00Z')
    const keys = new KeyService(store, { now: () => nowMs })
    await keys.createKey('k')
    await keys.deleteKey('k')
    const left = formatKeyMarker({ meaning: 'deleting', family: '0'.repeat(32), atMs: nowMs })
    await store.create('k-deletion', left)
    await expect(keys.recoverKey('k')).rejects.toMatchObject({ code: 'busy' })
    nowMs += 600_000
    expect(await keys.recoverKey('k')).toMatchObject({ state: 'enabled' })
    await expect(store.get('k-deletion')).rejects.toMatchObject({ code: 'key-not-found' })
    await keys.close()
  })
})

describe('purging a deleted key', () => {
  it('does not destroy a key that is recovered at the same moment', async () => {
    let open = (): void => undefined
    let arrived = (): void => undefined
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const isPurging = new Promise<void>((resolve) => {
      arrived = resolve
    })
    let isGated = false
    const store = recoverableStore(async () => {
      if (!isGated) return
      arrived()
      await opened
    })
    const keys = new KeyService(store)
    await keys.createKey('k')
    await keys.deleteKey('k')
    isGated = true
    const purged = keys.purgeKey('k')
    await isPurging
    const recovered = keys.recoverKey('k').then(
      () => 'recovered',
      (error: unknown) => (error instanceof KmsError ? error.code : 'other'),
    )
    // What would not wait for the purge has its turn now.
    await new Promise((resolve) => setImmediate(resolve))
    open()
    await purged
    expect(await recovered).toBe('key-not-found')
    await expect(keys.describeKey('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await keys.close()
  })

  it('leaves a key alone that was recovered before', async () => {
    const keys = new KeyService(recoverableStore(async () => undefined))
    await keys.createKey('k')
    await keys.deleteKey('k')
    const [recovered, purged] = await Promise.allSettled([keys.recoverKey('k'), keys.purgeKey('k')])
    expect(recovered.status).toBe('fulfilled')
    expect(purged).toMatchObject({ status: 'rejected', reason: { code: 'key-exists' } })
    expect(await keys.describeKey('k')).toMatchObject({ state: 'enabled' })
    await keys.close()
  })
})
