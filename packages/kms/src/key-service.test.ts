import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { KeyStore } from './contract.ts'
import { formatKeyMarker, keyFamily } from './key-marker.ts'
import { KeyService, type KeyServiceOptions } from './key-service.ts'
import { newKeyring } from './keyring.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { SealedKeyStore } from './keystores/sealed-key-store.ts'
import { testKms } from './kms.suite.ts'
import { KmsError } from './kms-error.ts'
import { formatStoredKey, parseStoredKey, type StoredKey } from './stored-key.ts'

testKms('KeyService over memory', { open: async () => new KeyService(new MemoryKeyStore()) })

testKms('KeyService over a sealed store', {
  open: async () => new KeyService(new SealedKeyStore(new MemoryKeyStore(), newKeyring(0).keyStoreKeys)),
})

const context = Buffer.from('context')

/** A store that counts calls, can be cut off, and can die after a number of changes. */
class WatchedStore implements KeyStore {
  readonly inner = new MemoryKeyStore()
  gets = 0
  isCutOff = false
  changesLeft = Number.POSITIVE_INFINITY

  #check(): void {
    if (this.isCutOff) throw new KmsError('unreachable', 'cut off')
  }

  #change(): void {
    this.#check()
    if (this.changesLeft-- <= 0) throw new KmsError('unreachable', 'died')
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    this.#change()
    await this.inner.create(name, value)
  }

  async get(name: string): Promise<Uint8Array> {
    this.gets++
    this.#check()
    return this.inner.get(name)
  }

  async delete(name: string): Promise<void> {
    this.#change()
    await this.inner.delete(name)
  }

  async *list(prefix: string): AsyncIterable<string> {
    this.#check()
    yield* this.inner.list(prefix)
  }

  async status() {
    return { reachable: !this.isCutOff }
  }

  async close(): Promise<void> {}

  async names(): Promise<string[]> {
    const found: string[] = []
    for await (const name of this.inner.list('')) found.push(name)
    return found
  }
}

const kesKey = (byte: number): StoredKey => ({
  algorithm: 'AES256',
  key: Buffer.alloc(32, byte),
  hmacKey: Buffer.alloc(32, byte + 1),
  createdAt: { seconds: 1_700_000_000, nanos: 0, offsetMinutes: 0 },
  createdBy: '',
})

describe('KeyService', () => {
  let store: WatchedStore
  let nowMs: number
  let services: KeyService[]

  const open = (options: KeyServiceOptions = {}): KeyService => {
    const service = new KeyService(store, { now: () => nowMs, ...options })
    services.push(service)
    return service
  }

  beforeEach(() => {
    store = new WatchedStore()
    nowMs = Date.parse('2026-01-01T00:00:00.125Z')
    services = []
  })

  afterEach(async () => {
    for (const service of services) await service.close()
  })

  it('stores a key as KES does, with creator and time', async () => {
    await open().createKey('k', { createdBy: 'somebody' })
    expect(await store.names()).toEqual(['k'])
    const stored = parseStoredKey(await store.inner.get('k'))
    expect(stored).toMatchObject({
      algorithm: 'AES256',
      createdBy: 'somebody',
      createdAt: { seconds: 1_767_225_600, nanos: 125_000_000, offsetMinutes: 0 },
    })
    expect(stored.mark).toBeUndefined()
  })

  it('reads no entry while a key is in memory', async () => {
    const service = open()
    await service.createKey('k')
    const before = store.gets
    for (let i = 0; i < 50; i++) await service.generateDataKey('k', context)
    expect(store.gets).toBe(before)
  })

  it('reads a key once, however many ask for it at the same time', async () => {
    await open().createKey('k')
    const service = open()
    const before = store.gets
    await Promise.all(Array.from({ length: 50 }, () => service.generateDataKey('k', context)))
    // The key itself, its marker, and the absent second version.
    expect(store.gets - before).toBe(3)
  })

  it('does not remember that a key was missing', async () => {
    const service = open()
    await expect(service.describeKey('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await open().createKey('k')
    expect(await service.describeKey('k')).toMatchObject({ name: 'k' })
  })

  it.each([
    ['lock', (other: KeyService) => other.lockKey('k'), 'key-disabled'],
    ['deletion', (other: KeyService) => other.deleteKey('k'), 'key-not-found'],
  ])('obeys the %s of another process within the recheck time', async (_, change, code) => {
    const [service, other] = [open(), open()]
    await service.createKey('k')
    await service.generateDataKey('k', context)
    await change(other)
    nowMs += 4_000
    await expect(service.generateDataKey('k', context)).rejects.toMatchObject({ code })
  })

  it('seals under the version that another process made within the recheck time, and opens it at once', async () => {
    const [service, other] = [open(), open()]
    await service.createKey('k')
    await other.rotateKey('k')
    const { ciphertext } = await other.generateDataKey('k', context)
    expect(await service.decrypt('k', 2, ciphertext, context)).toHaveLength(32)
    await other.rotateKey('k')
    nowMs += 4_000
    expect((await service.generateDataKey('k', context)).keyVersion).toBe(3)
  })

  it('gives every one of two rotating processes a version of its own', async () => {
    const [one, two] = [open(), open()]
    await one.createKey('k')
    await Promise.all([one.rotateKey('k'), two.rotateKey('k'), one.rotateKey('k'), two.rotateKey('k')])
    expect((await open().describeKey('k')).versions).toHaveLength(5)
  })

  it('goes on with a loaded key when the store is cut off, and fails for the others', async () => {
    const service = open()
    await service.createKey('k')
    await service.createKey('other')
    await service.generateDataKey('k', context)
    store.isCutOff = true
    nowMs += 10_000
    expect((await service.generateDataKey('k', context)).keyVersion).toBe(1)
    await expect(open().generateDataKey('k', context)).rejects.toMatchObject({ code: 'unreachable' })
    await expect(service.rotateKey('k')).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('ends the waiting when the signal says so', async () => {
    await open().createKey('k')
    const service = open()
    const ended = AbortSignal.abort()
    await expect(service.generateDataKey('k', context, { signal: ended })).rejects.toMatchObject({
      code: 'unreachable',
    })
    expect((await service.generateDataKey('k', context)).keyVersion).toBe(1)
  })

  it('does not encrypt more than it was told to', async () => {
    const service = open({ maxPlaintextBytes: 100 })
    await service.createKey('k')
    await expect(service.encrypt('k', Buffer.alloc(101), context)).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('says that a key from before 2024 has no HMAC', async () => {
    await store.inner.create('old', Buffer.from(`{"bytes":"${Buffer.alloc(32, 1).toString('base64')}"}`))
    const service = open()
    expect((await service.describeKey('old')).versions[0]?.createdAt.getUTCFullYear()).toBe(1)
    await expect(service.hmac('old', context)).rejects.toMatchObject({ code: 'no-hmac-key' })
    expect((await service.rotateKey('old')).currentVersion).toBe(2)
  })

  it('says which stored key cannot be read, and deletes it', async () => {
    await store.inner.create('broken', Buffer.from('not a key'))
    const service = open()
    const failure = service.describeKey('broken')
    await expect(failure).rejects.toMatchObject({ code: 'invalid-key', message: expect.stringContaining("'broken'") })
    await service.deleteKey('broken')
    expect(await store.names()).toEqual([])
  })

  it('deletes a key that its sealed store cannot vouch for', async () => {
    const keyring = newKeyring(0)
    await store.inner.create('planted', formatStoredKey(kesKey(1)))
    const service = new KeyService(new SealedKeyStore(store, keyring.keyStoreKeys))
    services.push(service)
    await expect(service.describeKey('planted')).rejects.toMatchObject({ code: 'not-authentic' })
    await service.deleteKey('planted')
    expect(await store.names()).toEqual([])
  })

  describe('over a directory of KES', () => {
    it('takes keys that are named like versions and locks for what they are', async () => {
      for (const [name, byte] of [
        ['k', 1],
        ['k-v-2', 2],
        ['k-locked', 3],
      ] as const) {
        await store.inner.create(name, formatStoredKey(kesKey(byte)))
      }
      const service = open()
      expect(await service.listKeys('*')).toEqual(['k', 'k-locked', 'k-v-2'])
      expect(await service.describeKey('k')).toMatchObject({ state: 'enabled', currentVersion: 1 })
      const { ciphertext } = await service.encrypt('k-v-2', Buffer.from('x'), context)
      expect(await service.decrypt('k-v-2', 1, ciphertext, context)).toHaveLength(1)

      await expect(service.rotateKey('k')).rejects.toMatchObject({
        code: 'unsupported',
        message: "'k-v-2' is a key of its own, so key 'k' cannot be rotated",
      })
      await expect(service.lockKey('k')).rejects.toMatchObject({ code: 'unsupported' })
      await service.deleteKey('k')
      expect(await store.names()).toEqual(['k-locked', 'k-v-2'])
    })

    it('opens with the version that an earlier release made behind such a key', async () => {
      const mark = { version: 3, family: keyFamily(kesKey(1)) }
      await store.inner.create('k', formatStoredKey(kesKey(1)))
      await store.inner.create('k-v-2', formatStoredKey(kesKey(2)))
      await store.inner.create('k-v-3', formatStoredKey({ ...kesKey(3), mark }))
      const service = open()
      expect((await service.describeKey('k')).versions.map(({ version }) => version)).toEqual([1, 3])
      await service.deleteKey('k')
      expect(await store.names()).toEqual(['k-v-2'])
    })

    it('says which entry keeps a key from being used when a version of it cannot be read', async () => {
      await store.inner.create('k', formatStoredKey(kesKey(1)))
      await store.inner.create('k-v-2', Buffer.from('a note of somebody'))
      const service = open()
      await expect(service.encrypt('k', Buffer.from('x'), context)).rejects.toMatchObject({
        code: 'invalid-key',
        message:
          "the stored key 'k-v-2' cannot be read, so key 'k' is not used: restore it, or remove it if it is no version of that key",
      })
    })

    it('takes a marker or a version that is about another key of that name for nothing', async () => {
      await store.inner.create('k', formatStoredKey(kesKey(1)))
      await store.inner.create('k-locked', formatKeyMarker({ meaning: 'locked', family: '00'.repeat(16), atMs: nowMs }))
      const mark = { version: 2, family: new Uint8Array(16) }
      await store.inner.create('k-v-2', formatStoredKey({ ...kesKey(2), mark }))
      const service = open()
      expect(await service.describeKey('k')).toMatchObject({ state: 'enabled', currentVersion: 1 })
      expect(await service.listKeys('*')).toEqual(['k'])
      expect((await service.lockKey('k')).state).toBe('locked')
      expect((await service.unlockKey('k')).state).toBe('enabled')
      expect((await service.rotateKey('k')).currentVersion).toBe(3)
      await service.deleteKey('k')
      expect(await store.names()).toEqual([])
    })
  })

  it('puts a lock in the place of an earlier key’s in one step, so that it is never without', async () => {
    const inner = new MemoryKeyStore()
    const deletions = vi.spyOn(inner, 'delete')
    const service = new KeyService(inner)
    await service.createKey('k')
    await inner.create('k-locked', formatKeyMarker({ meaning: 'locked', family: 'ab'.repeat(16), atMs: nowMs }))
    expect(await service.lockKey('k')).toMatchObject({ state: 'locked' })
    expect(deletions).not.toHaveBeenCalled()
    await service.close()
  })

  describe('killed in the middle', () => {
    /** Runs `change` with a store that dies after so many changes, for every such number, and calls `after` with a new service. */
    async function killEverywhere(
      prepare: (service: KeyService) => Promise<unknown>,
      change: (service: KeyService) => Promise<unknown>,
      after: (service: KeyService, steps: number) => Promise<void>,
    ): Promise<number> {
      for (let steps = 0; ; steps++) {
        store = new WatchedStore()
        await prepare(open())
        store.changesLeft = steps
        const outcome = await change(open()).then(
          () => 'done',
          () => 'died',
        )
        store.changesLeft = Number.POSITIVE_INFINITY
        await after(open(), steps)
        if (outcome === 'done') return steps
      }
    }

    const prepare = async (service: KeyService): Promise<void> => {
      await service.createKey('k')
      await service.rotateKey('k')
      await service.rotateKey('k')
    }

    it('leaves a key that is whole, being deleted or gone, and deletes it when asked again', async () => {
      const states: string[] = []
      const steps = await killEverywhere(
        prepare,
        (service) => service.deleteKey('k'),
        async (service) => {
          const state = await service.describeKey('k').then(
            (key) => `${key.state} ${key.versions.length}`,
            (error: KmsError) => error.code,
          )
          states.push(state)
          if (state.startsWith('pending')) {
            const refused = { code: 'key-pending-deletion' }
            await expect(service.generateDataKey('k', context)).rejects.toMatchObject(refused)
            await expect(service.rotateKey('k')).rejects.toMatchObject(refused)
            await expect(service.unlockKey('k')).rejects.toMatchObject(refused)
          }
          if ((await store.names()).length > 0) await service.deleteKey('k')
          expect(await store.names()).toEqual([])
        },
      )
      expect(steps).toBe(5)
      expect(states).toEqual([
        'enabled 3',
        'pending-deletion 3',
        'pending-deletion 2',
        'pending-deletion 1',
        'key-not-found',
        'key-not-found',
      ])
    })

    it('lets a new key of the name begin anew, whatever a dead deletion left', async () => {
      await killEverywhere(
        prepare,
        (service) => service.deleteKey('k'),
        async (service) => {
          if ((await store.names()).includes('k')) return
          expect(await service.createKey('k')).toMatchObject({ state: 'enabled', currentVersion: 1 })
          expect((await service.generateDataKey('k', context)).keyVersion).toBe(1)
        },
      )
    })

    it('leaves a key whose deletion is being scheduled as it was, locked, or awaiting deletion', async () => {
      const states: string[] = []
      await killEverywhere(
        prepare,
        (service) => service.scheduleKeyDeletion('k', new Date(nowMs + 1_000)),
        async (service) => {
          const { state, deletionDueAt } = await service.describeKey('k')
          states.push(state)
          expect(deletionDueAt?.getTime()).toBe(state === 'pending-deletion' ? nowMs + 1_000 : undefined)
          await service.cancelKeyDeletion('k')
          expect((await service.unlockKey('k')).versions).toHaveLength(3)
        },
      )
      expect(states).toEqual(['enabled', 'locked', 'pending-deletion'])
    })

    it('gives a key that has lost a version back to nobody, although its deletion had been for later', async () => {
      await killEverywhere(
        async (service) => {
          await prepare(service)
          await service.scheduleKeyDeletion('k', new Date(nowMs + 86_400_000))
        },
        (service) => service.deleteKey('k'),
        async (service) => {
          const known = await service.describeKey('k').catch(() => undefined)
          if (known === undefined) return
          const restored = await service.cancelKeyDeletion('k').catch((error: KmsError) => error.code)
          if (known.versions.length < 3) expect(restored).toBe('key-pending-deletion')
          await service.deleteKey('k')
          expect(await store.names()).toEqual([])
        },
      )
    })

    it('stays locked while a locked key is deleted', async () => {
      const states: string[] = []
      await killEverywhere(
        async (service) => {
          await prepare(service)
          await service.lockKey('k')
        },
        (service) => service.deleteKey('k'),
        async (service) => {
          states.push(
            await service.describeKey('k').then(
              ({ state }) => state,
              (error: KmsError) => error.code,
            ),
          )
        },
      )
      expect(states).toEqual(['locked', 'locked', 'locked', 'locked', 'key-not-found', 'key-not-found'])
    })
  })
})

describe('the quick answer for the state of a key', () => {
  it('is there once the key is loaded, and follows every change', async () => {
    const service = new KeyService(new MemoryKeyStore())
    expect(service.peekState('k')).toBeUndefined()
    await expect(service.keyState('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await service.createKey('k')
    const first = service.peekState('k')
    expect(first).toMatchObject({ state: 'enabled', currentVersion: 1 })
    expect(await service.keyState('k')).toEqual(first)
    await service.rotateKey('k')
    expect(service.peekState('k')).toEqual({ ...first, currentVersion: 2 })
    await service.lockKey('k')
    expect(service.peekState('k')).toEqual({ ...first, state: 'locked', currentVersion: 2 })
    await service.deleteKey('k')
    expect(service.peekState('k')).toBeUndefined()
    await service.createKey('k')
    expect(service.peekState('k')?.generation).not.toBe(first?.generation)
    await service.close()
  })
})

describe('decryption without the version', () => {
  it('opens what any version has sealed and says which', async () => {
    const keys = new KeyService(new MemoryKeyStore())
    await keys.createKey('k')
    const context = new Uint8Array([1])
    const first = await keys.generateDataKey('k', context)
    await keys.rotateKey('k')
    const second = await keys.generateDataKey('k', context)
    for (const { ciphertext, plaintext, keyVersion } of [first, second]) {
      expect(await keys.decryptAny('k', ciphertext, context)).toEqual({ keyVersion, plaintext })
    }
    expect([first.keyVersion, second.keyVersion]).toEqual([1, 2])
    await expect(async () => keys.decryptAny('k', first.ciphertext, new Uint8Array())).rejects.toMatchObject({
      code: 'not-authentic',
    })
    await keys.close()
  })

  it('opens at once what was sealed after a rotation on another node', async () => {
    const store = new MemoryKeyStore()
    let nowMs = 0
    const here = new KeyService(store, { now: () => nowMs })
    const there = new KeyService(store)
    await here.createKey('k')
    await there.rotateKey('k')
    const { ciphertext, plaintext } = await there.generateDataKey('k', new Uint8Array())
    await expect(async () => here.decryptAny('k', ciphertext, new Uint8Array())).rejects.toMatchObject({
      code: 'not-authentic',
    })
    nowMs += 1_000
    expect((await here.decryptAny('k', ciphertext, new Uint8Array())).plaintext).toEqual(plaintext)
    await here.close()
  })
})
