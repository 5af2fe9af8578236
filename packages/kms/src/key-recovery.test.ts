import { describe, expect, it } from 'vitest'
import type { KeyStore } from './contract.ts'
import { KeyService } from './key-service.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { KmsError } from './kms-error.ts'

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
