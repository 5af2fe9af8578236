/**
 * The vectors of docs/formats/stored-keys.md and docs/formats/keyring.md: rebuilt byte for byte, read back, and shown in
 * the documents as they are in the files.
 */

import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sealValue } from '@strongroom/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { countingRandom } from './counting-random.fixture.ts'
import { KeyService } from './key-service.ts'
import type { KeyringContent } from './keyring.ts'
import { createKeyring, keyringFileName, openKeyring } from './keyring-file.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { SealedKeyStore } from './keystores/sealed-key-store.ts'
import { deriveRootCredentials } from './root-credentials.ts'
import { fileRootKey } from './root-key/key-file.ts'
import { passphraseRootKey } from './root-key/passphrase.ts'
import type { RootKey } from './root-key/root-key.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

interface StoredKeyVectors {
  readonly createdAt: string
  readonly createdBy: string
  readonly entries: Readonly<Record<string, string>>
  readonly sealed: { readonly key: string; readonly keyId: number; readonly name: string; readonly value: string }
  readonly dataKey: {
    readonly context: string
    readonly plaintext: string
    readonly ciphertext: string
    readonly keyVersion: number
  }
}

interface KeyringVector {
  readonly name: string
  /** Base64 of 32 bytes. */
  readonly rootKey?: string
  readonly passphrase?: string
  readonly createdAt: string
  readonly file: string
  readonly content: {
    readonly entries: readonly {
      readonly purpose: string
      readonly id: number
      readonly createdAt: string
      readonly key: string
    }[]
    readonly credentialsSeed: string
    readonly credentialsGeneration: number
    readonly signingSeed: string
  }
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

const storedKeys = JSON.parse(read('../testdata/stored-keys.json')) as StoredKeyVectors
const keyrings = JSON.parse(read('../testdata/keyring.json')) as readonly KeyringVector[]
const text = (value: Uint8Array): string => Buffer.from(value).toString('utf8')
const base64 = (value: Uint8Array): string => Buffer.from(value).toString('base64')

/** A document says what its vectors say, wherever its lines are broken. */
function expectInDocument(document: string, values: readonly string[]): void {
  const squeezed = document.replace(/\s/g, '')
  for (const value of values) expect(squeezed).toContain(value.replace(/\s/g, ''))
}

describe('the vectors of stored-keys.md', () => {
  const nowMs = Date.parse(storedKeys.createdAt)

  it('are what a key with two versions and a lock is stored as', async () => {
    const store = new MemoryKeyStore()
    const kms = new KeyService(store, { now: () => nowMs, random: countingRandom(), createdBy: storedKeys.createdBy })
    await kms.createKey('my-key')
    await kms.rotateKey('my-key')
    await kms.lockKey('my-key')
    const entries: Record<string, string> = {}
    for await (const name of store.list('')) entries[name] = text(await store.get(name))
    expect(entries).toEqual(storedKeys.entries)
    await kms.close()
  })

  it('show the marker of a deletion in thirty days, which stands beside that of the lock', async () => {
    const store = new MemoryKeyStore()
    for (const [name, value] of Object.entries(storedKeys.entries)) await store.create(name, Buffer.from(value))
    const kms = new KeyService(store, { now: () => nowMs, random: countingRandom() })
    await kms.scheduleKeyDeletion('my-key', new Date(nowMs + 30 * 86_400_000))
    const marker = text(await store.get('my-key-deletion'))
    expect(marker.startsWith('strongroom:scheduled:v1:')).toBe(true)
    expectInDocument(read('../../../docs/formats/stored-keys.md'), ['`my-key-deletion`', marker])
    await kms.cancelKeyDeletion('my-key')
    const names: string[] = []
    for await (const name of store.list('')) names.push(name)
    expect(names).toEqual(Object.keys(storedKeys.entries))
    await kms.close()
  })

  it('are read back, and make the data key shown', async () => {
    const store = new MemoryKeyStore()
    for (const [name, value] of Object.entries(storedKeys.entries)) await store.create(name, Buffer.from(value))
    const kms = new KeyService(store, { now: () => nowMs, random: countingRandom() })
    expect(await kms.describeKey('my-key')).toMatchObject({ state: 'locked', currentVersion: 2 })
    await kms.unlockKey('my-key')
    const { context, plaintext, ciphertext, keyVersion } = storedKeys.dataKey
    const made = await kms.generateDataKey('my-key', Buffer.from(context))
    expect({
      context,
      plaintext: base64(made.plaintext),
      ciphertext: base64(made.ciphertext),
      keyVersion: made.keyVersion,
    }).toEqual(storedKeys.dataKey)
    expect(
      base64(await kms.decrypt('my-key', keyVersion, Buffer.from(ciphertext, 'base64'), Buffer.from(context))),
    ).toBe(plaintext)
    await kms.close()
  })

  it('show what a sealed entry is', async () => {
    const { key, keyId, name, value } = storedKeys.sealed
    const inner = new MemoryKeyStore()
    const keys = { currentId: keyId, keys: new Map([[keyId, Buffer.from(key, 'base64')]]) }
    const store = new SealedKeyStore(inner, keys, { random: countingRandom() })
    const plain = storedKeys.entries[name] ?? ''
    await store.create(name, Buffer.from(plain))
    expect(text(await inner.get(name))).toBe(value)
    expect(text(await store.get(name))).toBe(plain)
    // As the document describes it.
    const aad = Buffer.from(`strongroom key store entry\0${name}`)
    const sealed = sealValue(Buffer.from(key, 'base64'), keyId, Buffer.from(plain), aad, countingRandom())
    expect(value).toBe(`strongroom:sealed:v1:${sealed.toString('base64')}`)
  })

  it('stand in the document', () => {
    const { entries, sealed, dataKey } = storedKeys
    expectInDocument(read('../../../docs/formats/stored-keys.md'), [
      ...Object.values(entries),
      sealed.key,
      sealed.value,
      dataKey.context,
      dataKey.plaintext,
      dataKey.ciphertext,
    ])
  })
})

describe('the vectors of keyring.md', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-keyring-'))
  })

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  async function rootKeyOf({ rootKey, passphrase }: KeyringVector, random = countingRandom()): Promise<RootKey> {
    if (passphrase !== undefined)
      return passphraseRootKey(Buffer.from(passphrase), { memoryKib: 256, passes: 1, parallelism: 1 }, random)
    const path = join(directory, 'root.key')
    await writeFile(path, `${rootKey}\n`, { mode: 0o600 })
    return fileRootKey(path)
  }

  const shown = (content: KeyringContent): KeyringVector['content'] => ({
    entries: content.entries.map(({ purpose, id, createdAtMs, key }) => ({
      purpose,
      id,
      createdAt: new Date(createdAtMs).toISOString(),
      key: base64(key),
    })),
    credentialsSeed: base64(content.credentialsSeed),
    credentialsGeneration: content.credentialsGeneration,
    signingSeed: base64(content.signingSeed),
  })

  it.each(keyrings)('open: $name', async (vector) => {
    await writeFile(join(directory, keyringFileName), vector.file)
    const keyring = await openKeyring({ directory, rootKey: await rootKeyOf(vector) })
    expect(shown(keyring.content)).toEqual(vector.content)
    expect(deriveRootCredentials(keyring)).toEqual(vector.credentials)
    keyring.close()
  })

  it.each(keyrings)('are made again byte for byte: $name', async (vector) => {
    const random = countingRandom()
    const rootKey = await rootKeyOf(vector, random)
    const keyring = await createKeyring({ directory, rootKey }, { now: () => Date.parse(vector.createdAt), random })
    expect(await readFile(join(directory, keyringFileName), 'utf8')).toBe(vector.file)
    keyring.close()
  })

  it('stand in the document', () => {
    const document = read('../../../docs/formats/keyring.md')
    for (const { file, rootKey, passphrase, credentials } of keyrings) {
      expectInDocument(document, [
        file,
        rootKey ?? passphrase ?? '',
        credentials.accessKeyId,
        credentials.secretAccessKey,
      ])
    }
  })
})
