import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Keyring, newKeyring, withNewKey } from '../keyring.ts'
import { FilesKeyStore } from './files-key-store.ts'
import { testKeyStore } from './key-store.suite.ts'
import { MemoryKeyStore } from './memory-key-store.ts'
import { copyKeys, SealedKeyStore, type SealedKeyStoreOptions } from './sealed-key-store.ts'

let directory: string
let keyring: Keyring

async function prepare(): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-keys-'))
  keyring = newKeyring(0)
}

async function dispose(): Promise<void> {
  keyring.close()
  await rm(directory, { recursive: true, force: true })
}

const open = async (options?: SealedKeyStoreOptions): Promise<SealedKeyStore> =>
  new SealedKeyStore(await FilesKeyStore.open(directory), keyring.keyStoreKeys, options)

testKeyStore('SealedKeyStore over files', {
  async open() {
    await prepare()
    return open()
  },
  openAgain: () => open(),
  dispose,
})

testKeyStore('SealedKeyStore over memory', {
  async open() {
    await prepare()
    return new SealedKeyStore(new MemoryKeyStore(), keyring.keyStoreKeys)
  },
  dispose,
})

describe('SealedKeyStore', () => {
  beforeEach(prepare)
  afterEach(dispose)

  const secret = Buffer.from('the secret value')

  it('lets nothing of a value reach the disk', async () => {
    await (await open()).create('k', secret)
    const onDisk = await readFile(join(directory, 'k'), 'latin1')
    expect(onDisk).toMatch(/^strongroom:sealed:v1:[A-Za-z0-9+/]+=*$/)
    for (const form of ['latin1', 'hex', 'base64'] as const) expect(onDisk).not.toContain(secret.toString(form))
  })

  it('seals the same value differently every time', async () => {
    const store = await open()
    await store.create('a', secret)
    await store.create('b', secret)
    expect(await readFile(join(directory, 'a'))).not.toEqual(await readFile(join(directory, 'b')))
  })

  it('refuses an entry that was moved to another name', async () => {
    const store = await open()
    await store.create('a', secret)
    await rename(join(directory, 'a'), join(directory, 'b'))
    await expect(store.get('b')).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('refuses an entry that was changed or cut anywhere', async () => {
    const store = await open()
    await store.create('k', secret)
    const sealed = await readFile(join(directory, 'k'))
    for (let i = 'strongroom:sealed:v1:'.length; i < sealed.length - 2; i += 5) {
      const changed = Buffer.from(sealed)
      changed[i] = changed[i] === 0x41 ? 0x42 : 0x41
      await writeFile(join(directory, 'k'), changed)
      await expect(store.get('k')).rejects.toMatchObject({ code: 'not-authentic' })
      await writeFile(join(directory, 'k'), sealed.subarray(0, i))
      await expect(store.get('k')).rejects.toMatchObject({ code: 'not-authentic' })
    }
  })

  it('refuses what another deployment sealed', async () => {
    const store = await open()
    await store.create('k', secret)
    const other = newKeyring(0)
    const stranger = new SealedKeyStore(await FilesKeyStore.open(directory), other.keyStoreKeys)
    await expect(stranger.get('k')).rejects.toMatchObject({ code: 'not-authentic' })
    other.close()
  })

  it('refuses a plain entry unless plain entries were allowed', async () => {
    await writeFile(join(directory, 'k'), secret)
    await expect((await open()).get('k')).rejects.toMatchObject({ code: 'not-authentic' })
    expect(Buffer.from(await (await open({ allowPlain: true })).get('k'))).toEqual(secret)
  })

  it('opens old entries after the keyring got a new key for it, and seals new ones under that', async () => {
    await (await open()).create('old', secret)
    const rotated = withNewKey(keyring, 'keyStore', 0)
    const store = new SealedKeyStore(await FilesKeyStore.open(directory), rotated.keyStoreKeys)
    await store.create('new', secret)
    expect(Buffer.from(await store.get('old'))).toEqual(secret)
    expect(Buffer.from(await store.get('new'))).toEqual(secret)
    await expect((await open()).get('new')).rejects.toMatchObject({ code: 'not-authentic' })
    rotated.close()
  })

  it('exports plain entries and takes them in again', async () => {
    const store = await open()
    await store.create('a', secret)
    await store.create('b', Buffer.from('other'))
    const plain = new MemoryKeyStore()
    await plain.create('b', Buffer.from('other'))
    expect(await copyKeys(store, plain)).toEqual({ copied: ['a'], existing: ['b'] })
    expect(Buffer.from(await plain.get('a'))).toEqual(secret)
    const back = new SealedKeyStore(new MemoryKeyStore(), keyring.keyStoreKeys)
    expect((await copyKeys(plain, back)).copied).toEqual(['a', 'b'])
    expect(Buffer.from(await back.get('a'))).toEqual(secret)
  })
})
