/**
 * Deleting keys after some days, and keys whose material is lost.
 *
 * @module
 */

import { KeyService, KmsError, MemoryKeyStore } from '@strongroom/kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { createTestEngine, rootRequester, type TestEngine } from './engine.fixture.ts'
import { assembleEngine, createContext, createEngine } from './engine.ts'
import { expectExactBooks } from './recount.fixture.ts'

const dayMs = 86_400_000

let test: TestEngine
let bucket: Bucket
let store: MemoryKeyStore
let clock: { nowMs: number }

beforeEach(async () => {
  clock = { nowMs: 1_790_000_000_000 }
  store = new MemoryKeyStore()
  const now = () => clock.nowMs
  test = await createTestEngine({ now, kms: new KeyService(store, { now }) })
  bucket = await test.bucket()
  await test.engine.createKey({ requester: rootRequester, name: 'k' })
})
afterEach(() => test.close())

const kms = { encryption: { mode: 'sse-kms', keyId: 'k' } } as const
const pending = {
  code: 'KMS.KMSInvalidStateException',
  clientMessage: 'arn:aws:kms:us-east-1:100000000001:key/k is pending deletion.',
}
const forced = { force: true, reason: 'the contract ends' } as const

describe('a key whose deletion is scheduled', () => {
  it('answers every use that it awaits its deletion, while listings, HEAD and DELETE go on', async () => {
    await test.put(bucket, 'x', 'x', kms)
    const info = await test.engine.scheduleKeyDeletion('k', forced)
    expect(info).toMatchObject({ state: 'pending-deletion', deletionDueAtMs: clock.nowMs + 30 * dayMs })
    expect((await test.engine.listKeys('k'))[0]).toEqual(info)
    await expect(test.get(bucket, 'x')).rejects.toMatchObject(pending)
    await expect(test.put(bucket, 'y', 'y', kms)).rejects.toMatchObject(pending)
    await expect(test.engine.rotateKey('k')).rejects.toMatchObject(pending)
    await expect(test.engine.unlockKey('k')).rejects.toMatchObject(pending)
    await expect(test.engine.scheduleKeyDeletion('k', forced)).rejects.toMatchObject(pending)
    expect((await test.engine.listObjects({ bucket, prefix: '', limit: 9 })).items).toHaveLength(1)
    expect((await test.engine.headObject({ requester: rootRequester, bucket, name: 'x' })).head.sizeBytes).toBe(1)
    await test.engine.deleteObject({ bucket, name: 'x' })
    await expectExactBooks(test)
  })

  it.each([6, 31, 7.5, Number.NaN, -1])('is not deleted after %s days', async (days) => {
    await expect(test.engine.scheduleKeyDeletion('k', { days })).rejects.toMatchObject({ code: 'InvalidRequest' })
    expect((await test.engine.describeKey('k')).state).toBe('enabled')
  })

  it('is refused while anything needs it, unless forced with a reason', async () => {
    await test.put(bucket, 'x', 'x', kms)
    await expect(test.engine.scheduleKeyDeletion('k')).rejects.toMatchObject({ code: 'KeyInUse' })
    await expect(test.engine.scheduleKeyDeletion('k', { force: true })).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
    expect((await test.engine.describeKey('k')).state).toBe('enabled')
    await test.put(bucket, 'y', 'y', kms)
    await test.engine.scheduleKeyDeletion('k', forced)
  })

  it('comes back locked, and then whole', async () => {
    await test.put(bucket, 'x', 'x', kms)
    await test.engine.scheduleKeyDeletion('k', { ...forced, days: 7 })
    clock.nowMs += 7 * dayMs - 1
    expect((await test.engine.sweep()).keysDestroyed).toEqual([])
    expect(await test.engine.cancelKeyDeletion('k')).toMatchObject({ state: 'locked' })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    await test.engine.unlockKey('k')
    clock.nowMs += 30 * dayMs
    expect((await test.engine.sweep()).keysDestroyed).toEqual([])
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
    await test.put(bucket, 'y', 'y', kms)
  })

  it('is destroyed by the sweep once its time has come, and not taken back then', async () => {
    await test.put(bucket, 'x', 'x', kms)
    await test.engine.scheduleKeyDeletion('k', { ...forced, days: 7 })
    clock.nowMs += 7 * dayMs
    await expect(test.engine.cancelKeyDeletion('k')).rejects.toMatchObject(pending)
    const { keysDestroyed } = await test.engine.sweep()
    expect(keysDestroyed).toHaveLength(1)
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it('leaves nothing in the key store, and its name free for a key that shares nothing with it', async () => {
    await test.put(bucket, 'x', 'x', kms)
    const { id } = await test.engine.describeKey('k')
    await test.engine.scheduleKeyDeletion('k', { ...forced, days: 7 })
    clock.nowMs += 7 * dayMs
    const report = await test.engine.sweep()
    expect(report.keysDestroyed).toMatchObject([{ name: 'k', total: { objects: 1, versions: 1 } }])
    const names: string[] = []
    for await (const name of store.list('k')) names.push(name)
    expect(names).toEqual([])
    expect((await test.engine.sweep()).keysDestroyed).toEqual([])
    expect((await test.engine.createKey({ requester: rootRequester, name: 'k' })).id).not.toBe(id)
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'AccessDenied' })
    await expectExactBooks(test)
  })

  it('gets no object from a write that had its data key before', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    async function* content() {
      await held
      yield Buffer.from('x')
    }
    const writing = test.put(bucket, 'x', '', { ...kms, body: { sizeBytes: 1, content: content() } })
    await test.engine.scheduleKeyDeletion('k')
    release()
    await expect(writing).rejects.toMatchObject(pending)
    expect((await test.engine.keyUsage('k')).rows).toEqual([])
  })

  it.each(['scheduling', 'destroying'])('is whole, locked or going, wherever %s is cut short', async (what) => {
    for (let steps = 0; steps < 12; steps += 1) {
      const name = `k${steps}`
      await test.engine.createKey({ requester: rootRequester, name })
      if (what === 'destroying') {
        await test.engine.scheduleKeyDeletion(name, { days: 7 })
        clock.nowMs += 7 * dayMs
      }
      const dying = await dyingEngine(steps)
      if (what === 'destroying') await dying.sweep().catch(() => {})
      else await dying.scheduleKeyDeletion(name, { days: 7 }).catch(() => {})
      // Long after: everything that was cut short is finished or taken back, and nothing hangs.
      clock.nowMs += 700_000
      for (let sweeps = 0; sweeps < 3; sweeps += 1) await test.engine.sweep()
      const state = await test.engine.describeKey(name).then(
        (info) => info.state,
        (error: { code: string }) => error.code,
      )
      if (what === 'destroying') expect([steps, state]).toEqual([steps, 'KMS.NotFoundException'])
      else expect(['enabled', 'locked', 'pending-deletion']).toContain(state)
      if (state === 'pending-deletion') await test.engine.cancelKeyDeletion(name)
      if (state !== 'KMS.NotFoundException') {
        await test.engine.unlockKey(name)
        await test.put(bucket, name, 'x', { encryption: { mode: 'sse-kms', keyId: name } })
        expect((await test.get(bucket, name)).bytes.toString()).toBe('x')
      }
    }
  })
})

it('is still for later after a deletion at once was cut short and the next one refused', async () => {
  await test.put(bucket, 'x', 'x', kms)
  const { deletionDueAtMs } = await test.engine.scheduleKeyDeletion('k', { ...forced, days: 7 })
  const dying = await dyingEngine(2)
  await expect(dying.deleteKey('k', forced)).rejects.toThrow()
  clock.nowMs += 700_000
  // The first one got as far as its mark.
  await expect(test.engine.cancelKeyDeletion('k')).rejects.toMatchObject(pending)
  await expect(test.engine.deleteKey('k')).rejects.toMatchObject({ code: 'KeyInUse' })
  expect(await test.engine.describeKey('k')).toMatchObject({ state: 'pending-deletion', deletionDueAtMs })
  clock.nowMs += 7 * dayMs
  expect((await test.engine.sweep()).keysDestroyed).toMatchObject([{ name: 'k' }])
})

/** An engine on the same stores whose process dies after so many changes of either. */
async function dyingEngine(changes: number) {
  let left = changes
  const step = () => {
    if (left-- <= 0) throw new KmsError('unreachable', 'the power went')
  }
  const now = () => clock.nowMs
  const keyStore = new MemoryKeyStore()
  Object.assign(keyStore, {
    get: store.get.bind(store),
    list: store.list.bind(store),
    create: async (name: string, value: Uint8Array) => {
      step()
      return store.create(name, value)
    },
    delete: async (name: string) => {
      step()
      return store.delete(name)
    },
  })
  const context = await createContext({ ...test.options, kms: new KeyService(keyStore, { now }) })
  const { commits } = context
  const run: typeof commits.run = (attempt) =>
    commits.run((snapshot, draft) => {
      step()
      return attempt(snapshot, draft)
    })
  return assembleEngine({ ...context, commits: Object.create(commits, { run: { value: run } }) })
}

describe('a key whose deletion was cut short, in a store that does not show it', () => {
  const hide = async () => {
    const entries: [name: string, value: Uint8Array][] = []
    for await (const name of store.list('k')) entries.push([name, await store.get(name)])
    for (const [name] of entries) await store.delete(name)
    return entries
  }

  it('is waited for while objects need it, and whole when the store shows it again', async () => {
    await test.put(bucket, 'x', 'x', kms)
    await expect((await dyingEngine(2)).deleteKey('k', forced)).rejects.toThrow()
    const entries = await hide()
    clock.nowMs += 29 * dayMs
    await test.engine.sweep()
    for (const [name, value] of entries) await store.create(name, value)
    await test.engine.sweep()
    expect((await test.engine.describeKey('k')).state).toBe('enabled')
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
    await expectExactBooks(test)
  })

  it('is deleted when somebody asks for it again, or when nobody can bring it back any more', async () => {
    for (const finish of [
      () => test.engine.deleteKey('k', forced),
      async () => {
        clock.nowMs += 31 * dayMs
        await test.engine.sweep()
      },
    ]) {
      const { id } = await test.engine.describeKey('k')
      await test.put(bucket, 'x', 'x', kms)
      await expect((await dyingEngine(2)).deleteKey('k', forced)).rejects.toThrow()
      await hide()
      clock.nowMs += 700_000
      await test.engine.sweep()
      expect((await test.engine.describeKey('k')).state).toBe('missing')
      await finish()
      expect((await test.engine.createKey({ requester: rootRequester, name: 'k' })).id).not.toBe(id)
    }
  })

  it('is deleted at once if nothing needs it', async () => {
    await expect((await dyingEngine(2)).deleteKey('k')).rejects.toThrow()
    await hide()
    clock.nowMs += 700_000
    await test.engine.sweep()
    await expect(test.engine.describeKey('k')).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
  })
})

describe('a key whose deletion is scheduled, in a store that does not show it', () => {
  it('is not taken for destroyed before its time, and can be taken back when the store shows it again', async () => {
    await test.put(bucket, 'x', 'x', kms)
    await test.engine.scheduleKeyDeletion('k', forced)
    const entries: [name: string, value: Uint8Array][] = []
    for await (const name of store.list('k')) entries.push([name, await store.get(name)])
    for (const [name] of entries) await store.delete(name)
    clock.nowMs += 29 * dayMs
    expect((await test.engine.sweep()).keysDestroyed).toEqual([])
    expect((await test.engine.describeKey('k')).state).toBe('missing')
    for (const [name, value] of entries) await store.create(name, value)
    await test.engine.cancelKeyDeletion('k')
    await test.engine.unlockKey('k')
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
    await expectExactBooks(test)
  })

  it('is given up when nobody can bring it back any more', async () => {
    const { id } = await test.engine.describeKey('k')
    await test.engine.scheduleKeyDeletion('k', forced)
    for await (const name of store.list('k')) await store.delete(name)
    clock.nowMs += 31 * dayMs
    await test.engine.sweep()
    expect((await test.engine.createKey({ requester: rootRequester, name: 'k' })).id).not.toBe(id)
  })
})

describe('a key whose material is lost', () => {
  const lose = () => store.delete('k')

  it('is not taken over by a new key of its name, and comes back by import', async () => {
    const material = Buffer.alloc(32, 7)
    await test.engine.importKey({ requester: rootRequester, name: 'kept', material: Buffer.from(material) })
    const encryption = { encryption: { mode: 'sse-kms', keyId: 'kept' } } as const
    await test.put(bucket, 'x', 'x', encryption)
    await store.delete('kept')
    clock.nowMs += 60_000
    expect((await test.engine.describeKey('kept')).state).toBe('missing')
    const taken = test.engine.createKey({ requester: rootRequester, name: 'kept' })
    await expect(taken).rejects.toMatchObject({
      code: 'KeyAlreadyExists',
      clientMessage: expect.stringContaining('is lost'),
    })
    await test.engine.importKey({ requester: rootRequester, name: 'kept', material })
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
  })

  it('can be given up, and its name used again', async () => {
    await lose()
    clock.nowMs += 60_000
    await test.engine.deleteKey('k')
    expect((await test.engine.createKey({ requester: rootRequester, name: 'k' })).state).toBe('enabled')
  })

  it('is not replaced at the start, either, if it is the deployment key', async () => {
    await test.put(bucket, 'x', 'x')
    const next = await createEngine({ ...test.options, kms: new KeyService(new MemoryKeyStore()) })
    expect((await next.describeKey('deployment-key')).state).toBe('missing')
    await next.close()
  })
})
