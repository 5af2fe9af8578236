/**
 * What every `Kms` does. Run by each implementation and decorator with its own way to make one without keys.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Kms } from './contract.ts'

/** How the suite gets its services. */
export interface KmsHarness {
  /** A new one, without keys. */
  open(): Promise<Kms>
  /** Removes what `open` made. */
  dispose?(): Promise<void>
  /** It can delete keys at a later time. Default true; a KES over the wire cannot. */
  readonly schedulesDeletions?: boolean
}

const context = Buffer.from('{"bucket":"bucket/object"}')
const noContext = new Uint8Array(0)
const text = Buffer.from('plaintext')

/** Registers the suite under `title`. */
export function testKms(title: string, harness: KmsHarness): void {
  describe(`${title}, as a KMS`, () => {
    let kms: Kms

    beforeEach(async () => {
      kms = await harness.open()
    })

    afterEach(async () => {
      await kms.close()
      await harness.dispose?.()
    })

    describeKeys(() => kms)
    describeCryptography(() => kms)
    describeVersions(() => kms)
    describeLocks(() => kms)
    describeDeletion(() => kms)
    if (harness.schedulesDeletions !== false) describeScheduledDeletion(() => kms)
  })
}

function describeKeys(kms: () => Kms): void {
  it('creates a key once', async () => {
    const before = Date.now()
    const key = await kms().createKey('my-key')
    expect(key).toMatchObject({ name: 'my-key', state: 'enabled', currentVersion: 1 })
    expect(key.versions.map(({ version }) => version)).toEqual([1])
    expect(Math.abs((key.versions[0]?.createdAt.getTime() ?? 0) - before)).toBeLessThan(60_000)
    await expect(kms().createKey('my-key')).rejects.toMatchObject({ code: 'key-exists' })
    expect(await kms().describeKey('my-key')).toEqual(key)
  })

  it('lets exactly one of many creators of a name win', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => kms().createKey('contested')))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it.each(['', '_', '-a', 'a-', 'a/b', '..', 'a.b', 'ü', 'x'.repeat(81)])('refuses the name %j', async (name) => {
    await expect(kms().createKey(name)).rejects.toMatchObject({ code: 'invalid-name' })
    await expect(kms().describeKey(name)).rejects.toMatchObject({ code: 'invalid-name' })
    await expect(kms().generateDataKey(name, noContext)).rejects.toMatchObject({ code: 'invalid-name' })
  })

  it.each(['k-v-2', 'k-v-02', 'k-locked', 'k-deletion'])('reserves the name %j', async (name) => {
    await expect(kms().createKey(name)).rejects.toMatchObject({ code: 'invalid-name' })
    await expect(kms().importKey(name, new Uint8Array(32))).rejects.toMatchObject({ code: 'invalid-name' })
  })

  it('says of a missing key that it does not exist, whatever is asked of it', async () => {
    const missing = { code: 'key-not-found' }
    await expect(kms().describeKey('missing')).rejects.toMatchObject(missing)
    await expect(kms().generateDataKey('missing', context)).rejects.toMatchObject(missing)
    await expect(kms().encrypt('missing', text, context)).rejects.toMatchObject(missing)
    await expect(kms().decrypt('missing', 1, Buffer.alloc(76), context)).rejects.toMatchObject(missing)
    await expect(kms().hmac('missing', text)).rejects.toMatchObject(missing)
    await expect(kms().rotateKey('missing')).rejects.toMatchObject(missing)
    await expect(kms().lockKey('missing')).rejects.toMatchObject(missing)
    await expect(kms().unlockKey('missing')).rejects.toMatchObject(missing)
    await expect(kms().deleteKey('missing')).rejects.toMatchObject(missing)
  })

  it('imports 32 bytes and no other length', async () => {
    const material = Buffer.alloc(32, 7)
    expect(await kms().importKey('imported', material)).toMatchObject({ name: 'imported', currentVersion: 1 })
    await expect(kms().importKey('short', material.subarray(1))).rejects.toMatchObject({ code: 'invalid-key' })
    await expect(kms().importKey('long', Buffer.alloc(33))).rejects.toMatchObject({ code: 'invalid-key' })
    await expect(kms().importKey('imported', material)).rejects.toMatchObject({ code: 'key-exists' })
  })

  it('opens with an imported key what another key of the same bytes sealed', async () => {
    await kms().importKey('one', Buffer.alloc(32, 7))
    await kms().importKey('two', Buffer.alloc(32, 7))
    const { ciphertext } = await kms().encrypt('one', text, context)
    expect(Buffer.from(await kms().decrypt('two', 1, ciphertext, context))).toEqual(text)
  })

  it('makes keys of the algorithm asked for', async () => {
    expect(await kms().createKey('chacha', { algorithm: 'ChaCha20' })).toMatchObject({ algorithm: 'ChaCha20' })
    expect(await kms().createKey('aes', { algorithm: 'AES256' })).toMatchObject({ algorithm: 'AES256' })
    const { ciphertext, plaintext } = await kms().generateDataKey('chacha', context)
    expect(Buffer.from(await kms().decrypt('chacha', 1, ciphertext, context))).toEqual(Buffer.from(plaintext))
  })

  it('lists keys by name and by prefix, in byte order, without their versions and locks', async () => {
    for (const name of ['b', 'a', 'ab', 'B']) await kms().createKey(name)
    await kms().rotateKey('a')
    await kms().lockKey('ab')
    expect(await kms().listKeys('*')).toEqual(['B', 'a', 'ab', 'b'])
    expect(await kms().listKeys('')).toEqual(['B', 'a', 'ab', 'b'])
    expect(await kms().listKeys('a*')).toEqual(['a', 'ab'])
    expect(await kms().listKeys('a')).toEqual(['a'])
    expect(await kms().listKeys('c*')).toEqual([])
    await expect(kms().listKeys('a*b')).rejects.toMatchObject({ code: 'invalid-name' })
  })

  it('is reachable', async () => {
    expect(await kms().status()).toMatchObject({ reachable: true })
  })
}

function describeCryptography(kms: () => Kms): void {
  it('generates data keys that only the same context opens', async () => {
    await kms().createKey('k')
    const { keyVersion, plaintext, ciphertext } = await kms().generateDataKey('k', context)
    expect(keyVersion).toBe(1)
    expect(plaintext).toHaveLength(32)
    expect(Buffer.from(await kms().decrypt('k', 1, ciphertext, context))).toEqual(Buffer.from(plaintext))
    await expect(kms().decrypt('k', 1, ciphertext, noContext)).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('never generates the same data key twice', async () => {
    await kms().createKey('k')
    const made = await Promise.all(Array.from({ length: 20 }, () => kms().generateDataKey('k', context)))
    expect(new Set(made.map(({ plaintext }) => Buffer.from(plaintext).toString('hex'))).size).toBe(20)
    expect(new Set(made.map(({ ciphertext }) => Buffer.from(ciphertext).toString('hex'))).size).toBe(20)
  })

  it('gives every caller a plaintext of his own, to zero as he likes', async () => {
    await kms().createKey('k')
    const { plaintext, ciphertext } = await kms().generateDataKey('k', context)
    const expected = Buffer.from(plaintext).toString('hex')
    plaintext.fill(0)
    for (let i = 0; i < 3; i++) {
      const opened = await kms().decrypt('k', 1, ciphertext, context)
      expect(Buffer.from(opened).toString('hex')).toBe(expected)
      opened.fill(0)
    }
  })

  it.each([0, 1, 32, 65_536])('encrypts and decrypts %d bytes', async (length) => {
    await kms().createKey('k')
    const plaintext = Buffer.alloc(length, 0x5a)
    const { keyVersion, ciphertext } = await kms().encrypt('k', plaintext, noContext)
    expect(Buffer.from(await kms().decrypt('k', keyVersion, ciphertext, noContext))).toEqual(plaintext)
  })

  it('opens nothing that was changed, cut or sealed by another key', async () => {
    await kms().createKey('k')
    await kms().createKey('other')
    const { ciphertext } = await kms().generateDataKey('k', context)
    const refused = { code: 'not-authentic' }
    for (let i = 0; i < ciphertext.length; i++) {
      const changed = Buffer.from(ciphertext)
      changed[i] = (changed[i] ?? 0) ^ 1
      await expect(kms().decrypt('k', 1, changed, context)).rejects.toMatchObject(refused)
    }
    for (const length of [0, 1, 28, 29, 44, ciphertext.length - 1]) {
      await expect(kms().decrypt('k', 1, ciphertext.subarray(0, length), context)).rejects.toMatchObject(refused)
    }
    await expect(kms().decrypt('other', 1, ciphertext, context)).rejects.toMatchObject(refused)
  })

  it('makes HMACs that depend on key and message and survive a rotation', async () => {
    await kms().createKey('k')
    await kms().createKey('other')
    const hmac = async (name: string, message: Uint8Array): Promise<string> =>
      Buffer.from(await kms().hmac(name, message)).toString('hex')
    const first = await hmac('k', text)
    expect(first).toHaveLength(64)
    expect(await hmac('k', noContext)).not.toBe(first)
    expect(await hmac('other', text)).not.toBe(first)
    await kms().rotateKey('k')
    expect(await hmac('k', text)).toBe(first)
  })
}

function describeVersions(kms: () => Kms): void {
  it('seals under the newest version and opens under all', async () => {
    await kms().createKey('k')
    const sealed = [await kms().generateDataKey('k', context)]
    for (const version of [2, 3]) {
      expect((await kms().rotateKey('k')).currentVersion).toBe(version)
      sealed.push(await kms().generateDataKey('k', context))
    }
    expect(sealed.map(({ keyVersion }) => keyVersion)).toEqual([1, 2, 3])
    expect((await kms().describeKey('k')).versions.map(({ version }) => version)).toEqual([1, 2, 3])
    for (const { keyVersion, plaintext, ciphertext } of sealed) {
      const opened = await kms().decrypt('k', keyVersion, ciphertext, context)
      expect(Buffer.from(opened)).toEqual(Buffer.from(plaintext))
    }
    const [first] = sealed
    await expect(kms().decrypt('k', 2, first?.ciphertext ?? noContext, context)).rejects.toMatchObject({
      code: 'not-authentic',
    })
    await expect(kms().decrypt('k', 4, first?.ciphertext ?? noContext, context)).rejects.toMatchObject({
      code: 'key-not-found',
    })
  })

  it('rotates one after the other when asked at once', async () => {
    await kms().createKey('k')
    await Promise.all(Array.from({ length: 5 }, () => kms().rotateKey('k')))
    expect((await kms().describeKey('k')).versions.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('takes a version for no key', async () => {
    await kms().createKey('k')
    await kms().rotateKey('k')
    await expect(kms().describeKey('k-v-2')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(kms().encrypt('k-v-2', text, context)).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(kms().deleteKey('k-v-2')).rejects.toMatchObject({ code: 'key-not-found' })
    expect((await kms().describeKey('k')).currentVersion).toBe(2)
  })

  it('keeps the algorithm over a rotation', async () => {
    await kms().createKey('k', { algorithm: 'ChaCha20' })
    expect((await kms().rotateKey('k')).algorithm).toBe('ChaCha20')
  })
}

function describeLocks(kms: () => Kms): void {
  it('refuses every use of a locked key from the next request on, and gives it back when unlocked', async () => {
    await kms().createKey('k')
    const { ciphertext } = await kms().generateDataKey('k', context)
    await kms().decrypt('k', 1, ciphertext, context)
    expect((await kms().lockKey('k')).state).toBe('locked')
    const refused = { code: 'key-disabled' }
    await expect(kms().decrypt('k', 1, ciphertext, context)).rejects.toMatchObject(refused)
    await expect(kms().generateDataKey('k', context)).rejects.toMatchObject(refused)
    await expect(kms().encrypt('k', text, context)).rejects.toMatchObject(refused)
    await expect(kms().hmac('k', text)).rejects.toMatchObject(refused)
    await expect(kms().rotateKey('k')).rejects.toMatchObject(refused)
    expect((await kms().describeKey('k')).state).toBe('locked')
    expect((await kms().unlockKey('k')).state).toBe('enabled')
    expect(await kms().decrypt('k', 1, ciphertext, context)).toHaveLength(32)
  })

  it('locks and unlocks twice without complaint', async () => {
    await kms().createKey('k')
    expect((await kms().unlockKey('k')).state).toBe('enabled')
    await kms().lockKey('k')
    expect((await kms().lockKey('k')).state).toBe('locked')
    await kms().unlockKey('k')
    expect((await kms().unlockKey('k')).state).toBe('enabled')
  })

  it('takes a lock for no key', async () => {
    await kms().createKey('k')
    await kms().lockKey('k')
    await expect(kms().describeKey('k-locked')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(kms().deleteKey('k-locked')).rejects.toMatchObject({ code: 'key-not-found' })
    expect((await kms().describeKey('k')).state).toBe('locked')
  })
}

function describeDeletion(kms: () => Kms): void {
  it('deletes all versions and the lock, so that nothing opens what they sealed', async () => {
    await kms().createKey('k')
    const first = await kms().generateDataKey('k', context)
    await kms().rotateKey('k')
    const second = await kms().generateDataKey('k', context)
    await kms().decrypt('k', 2, second.ciphertext, context)
    await kms().lockKey('k')
    await kms().deleteKey('k')
    await expect(kms().decrypt('k', 1, first.ciphertext, context)).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(kms().decrypt('k', 2, second.ciphertext, context)).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(kms().deleteKey('k')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(await kms().listKeys('*')).toEqual([])
  })

  it('shares nothing between a key and a later one of that name', async () => {
    await kms().createKey('k')
    const { ciphertext } = await kms().generateDataKey('k', context)
    await kms().decrypt('k', 1, ciphertext, context)
    await kms().rotateKey('k')
    await kms().deleteKey('k')
    expect(await kms().createKey('k')).toMatchObject({ state: 'enabled', currentVersion: 1 })
    await expect(kms().decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('leaves the neighbours of a deleted key alone', async () => {
    for (const name of ['k', 'k-v', 'k2', 'k-x']) await kms().createKey(name)
    await kms().rotateKey('k-v')
    await kms().deleteKey('k')
    expect(await kms().listKeys('*')).toEqual(['k-v', 'k-x', 'k2'])
    expect((await kms().describeKey('k-v')).currentVersion).toBe(2)
  })
}

/** Every `Kms` of this package schedules deletions. */
function describeScheduledDeletion(kms: () => Kms): void {
  const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000)
  const schedule = (name: string, dueAt: Date) => kms().scheduleKeyDeletion?.(name, dueAt)
  const cancel = (name: string) => kms().cancelKeyDeletion?.(name)

  it('refuses every use of a key that awaits its deletion, says when that is, and forgets nothing', async () => {
    await kms().createKey('k')
    const { ciphertext } = await kms().generateDataKey('k', context)
    await kms().decrypt('k', 1, ciphertext, context)
    const dueAt = inDays(7)
    const scheduled = await schedule('k', dueAt)
    expect(scheduled).toMatchObject({ state: 'pending-deletion', deletionDueAt: dueAt })
    expect(await kms().describeKey('k')).toEqual(scheduled)
    expect(await kms().listKeys('*')).toEqual(['k'])
    const refused = { code: 'key-pending-deletion' }
    await expect(kms().decrypt('k', 1, ciphertext, context)).rejects.toMatchObject(refused)
    await expect(kms().generateDataKey('k', context)).rejects.toMatchObject(refused)
    await expect(kms().encrypt('k', text, context)).rejects.toMatchObject(refused)
    await expect(kms().hmac('k', text)).rejects.toMatchObject(refused)
    await expect(kms().rotateKey('k')).rejects.toMatchObject(refused)
    await expect(kms().lockKey('k')).rejects.toMatchObject(refused)
    await expect(kms().unlockKey('k')).rejects.toMatchObject(refused)
    await expect(schedule('k', inDays(9))).rejects.toMatchObject(refused)
  })

  it('gives a key back locked when its deletion is cancelled, and cancels twice without complaint', async () => {
    await kms().createKey('k')
    const { ciphertext } = await kms().generateDataKey('k', context)
    await schedule('k', inDays(7))
    const cancelled = await cancel('k')
    expect(cancelled?.state).toBe('locked')
    expect(cancelled).not.toHaveProperty('deletionDueAt')
    expect((await cancel('k'))?.state).toBe('locked')
    await expect(kms().decrypt('k', 1, ciphertext, context)).rejects.toMatchObject({ code: 'key-disabled' })
    await kms().unlockKey('k')
    expect((await cancel('k'))?.state).toBe('enabled')
    expect(await kms().decrypt('k', 1, ciphertext, context)).toHaveLength(32)
  })

  it('does not cancel a deletion that is due', async () => {
    await kms().createKey('k')
    await schedule('k', inDays(-1))
    await expect(cancel('k')).rejects.toMatchObject({ code: 'key-pending-deletion' })
    await kms().deleteKey('k')
    expect(await kms().listKeys('*')).toEqual([])
  })

  it('deletes a key that awaits its deletion, and a new one of the name awaits none', async () => {
    await kms().createKey('k')
    await schedule('k', inDays(7))
    await kms().deleteKey('k')
    await expect(kms().describeKey('k')).rejects.toMatchObject({ code: 'key-not-found' })
    expect((await kms().createKey('k')).state).toBe('enabled')
    expect((await kms().lockKey('k')).state).toBe('locked')
  })

  it('says of a missing key that there is nothing to schedule or to cancel', async () => {
    await expect(schedule('missing', inDays(7))).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(cancel('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    await kms().createKey('k')
    await schedule('k', inDays(7))
    await expect(kms().describeKey('k-deletion')).rejects.toMatchObject({ code: 'key-not-found' })
  })
}
