import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BoundedKms, type KmsObserver } from './bounded-kms.ts'
import { CachingKms } from './caching-kms.ts'
import type { DataKeyCacheOptions } from './data-key-cache.ts'
import { DelegatingKms } from './delegating-kms.ts'
import { KeyService } from './key-service.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { testKms } from './kms.suite.ts'

/** A KMS as it looks from afar: it has no quick answer for the state of a key. */
class RemoteKms extends DelegatingKms {}

const inProcess = (options?: DataKeyCacheOptions, observe?: KmsObserver) => {
  const service = new KeyService(new MemoryKeyStore())
  return { service, kms: new CachingKms(new BoundedKms(service, observe === undefined ? {} : { observe }), options) }
}

testKms('CachingKms in process', { open: async () => inProcess().kms })
testKms('CachingKms over a remote KMS', {
  open: async () => new CachingKms(new BoundedKms(new RemoteKms(new KeyService(new MemoryKeyStore())))),
})

const context = Buffer.from('context')

describe('CachingKms', () => {
  let calls: string[]
  const observe: KmsObserver = (operation, result) => void calls.push(`${operation} ${result}`)
  const open: { close(): Promise<void> }[] = []

  beforeEach(() => {
    calls = []
  })

  afterEach(async () => {
    for (const kms of open.splice(0)) await kms.close()
  })

  it('asks the KMS once for a data key that is used a thousand times', async () => {
    const { kms } = inProcess({}, observe)
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext, plaintext } = await kms.generateDataKey('k', context)
    for (let i = 0; i < 1_000; i++) {
      const opened = await kms.decrypt('k', 1, ciphertext, context)
      expect(Buffer.compare(opened, plaintext)).toBe(0)
      opened.fill(0)
    }
    expect(calls).toEqual(['createKey ok', 'generateDataKey ok', 'decrypt ok'])
    expect(kms.counts).toEqual({ hits: 999, misses: 1, loads: 1, entries: 1 })
  })

  it('tells data keys apart by key, version, ciphertext and context', async () => {
    const { kms } = inProcess({}, observe)
    open.push(kms)
    await kms.createKey('k')
    await kms.importKey('k2', Buffer.alloc(32, 1))
    const { ciphertext } = await kms.generateDataKey('k', context)
    await kms.decrypt('k', 1, ciphertext, context)
    await kms.rotateKey('k')
    const refused = { code: 'not-authentic' }
    await expect(kms.decrypt('k2', 1, ciphertext, context)).rejects.toMatchObject(refused)
    await expect(kms.decrypt('k', 2, ciphertext, context)).rejects.toMatchObject(refused)
    await expect(kms.decrypt('k', 1, ciphertext, Buffer.from('other'))).rejects.toMatchObject(refused)
    // The same bytes, split elsewhere.
    const moved = Buffer.concat([ciphertext, context.subarray(0, 1)])
    await expect(kms.decrypt('k', 1, moved, context.subarray(1))).rejects.toMatchObject(refused)
  })

  it('knows a data key again by its bytes, whichever arrays hold them', async () => {
    const { kms } = inProcess()
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext, plaintext } = await kms.generateDataKey('k', context)
    for (const array of [ciphertext, Buffer.from(ciphertext), ciphertext]) {
      const opened = await kms.decrypt('k', 1, array, Buffer.from(context))
      expect(Buffer.compare(opened, plaintext)).toBe(0)
    }
    expect(kms.counts).toMatchObject({ hits: 2, loads: 1 })
  })

  it('obeys a lock at the next request, also one that was not made through it', async () => {
    const { kms, service } = inProcess()
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext } = await kms.generateDataKey('k', context)
    await kms.decrypt('k', 1, ciphertext, context)
    await service.lockKey('k')
    await expect(kms.decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'key-disabled' })
    await service.unlockKey('k')
    expect(await kms.decrypt('k', 1, ciphertext, context)).toHaveLength(32)
  })

  it('opens nothing for a new key of the name of a deleted one, also when it was not deleted through it', async () => {
    const { kms, service } = inProcess()
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext } = await kms.generateDataKey('k', context)
    await kms.decrypt('k', 1, ciphertext, context)
    await service.deleteKey('k')
    await expect(kms.decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'key-not-found' })
    await service.createKey('k')
    await expect(kms.decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('keeps no large plaintexts', async () => {
    const { kms } = inProcess()
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext } = await kms.encrypt('k', Buffer.alloc(10_000), context)
    await kms.decrypt('k', 1, ciphertext, context)
    expect(kms.counts.entries).toBe(0)
  })

  it('ends one caller’s waiting without ending that of others', async () => {
    const { kms } = inProcess()
    open.push(kms)
    await kms.createKey('k')
    const { ciphertext } = await kms.generateDataKey('k', context)
    const ending = new AbortController()
    const impatient = kms.decrypt('k', 1, ciphertext, context, { signal: ending.signal })
    const patient = kms.decrypt('k', 1, ciphertext, context)
    ending.abort()
    await expect(impatient).rejects.toMatchObject({ code: 'unreachable' })
    expect(await patient).toHaveLength(32)
  })

  describe('over a remote KMS', () => {
    beforeEach(() => {
      vi.useFakeTimers()
    })

    afterEach(() => {
      vi.useRealTimers()
    })

    it('asks for the state of a key once in four seconds, and obeys a lock made elsewhere within five', async () => {
      const service = new KeyService(new MemoryKeyStore())
      const kms = new CachingKms(new BoundedKms(new RemoteKms(service), { observe }))
      open.push(kms)
      await kms.createKey('k')
      const { ciphertext } = await kms.generateDataKey('k', context)
      for (let i = 0; i < 100; i++) await kms.decrypt('k', 1, ciphertext, context)
      expect(calls).toEqual(['createKey ok', 'generateDataKey ok', 'describeKey ok', 'decrypt ok'])
      await service.lockKey('k')
      vi.advanceTimersByTime(4_000)
      await expect(kms.decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'key-disabled' })
    })
  })
})
