import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RecordSealer } from '@strongroom/crypto'
import { type LmdbMetadataStore, openLmdbMetadataStore } from '@strongroom/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accessKeyKey, accountNameKey } from './account-keys.ts'
import { type Accounts, type AccountsOptions, createAccounts } from './accounts.ts'

const sealer = new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) })

const rootCredentials = { accessKeyId: 'rootkeyid', secretAccessKey: 'root secret' }

let directory: string
let metadata: LmdbMetadataStore
let reads = 0
let accounts: Accounts

const options = (): AccountsOptions => ({
  metadata: {
    snapshot: () => {
      reads++
      return metadata.snapshot()
    },
    commit: (commit) => metadata.commit(commit),
    stats: () => metadata.stats(),
    close: () => metadata.close(),
  },
  recordSealer: sealer,
  rootCredentials,
  now: () => 1_700_000_000_000,
  random: randomBytes,
})

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-accounts-'))
  metadata = await openLmdbMetadataStore(directory, { onFatal: (error: unknown) => expect.fail(String(error)) })
})

afterAll(async () => {
  await metadata.close()
  await rm(directory, { recursive: true })
})

beforeEach(async () => {
  accounts = await createAccounts(options())
})

describe('the first account', () => {
  it('keeps its id from start to start', async () => {
    const again = await createAccounts(options())
    expect(again.rootAccountId).toBe(accounts.rootAccountId)
    expect(again.rootAccountId).toMatch(/^[1-9]\d{11}$/)
  })

  it('is found by the root credentials without a read of the store', async () => {
    reads = 0
    const credential = await accounts.lookup('rootkeyid')
    expect(credential?.principal).toEqual({
      accountId: accounts.rootAccountId,
      accessKeyId: 'rootkeyid',
      isRootAccount: true,
    })
    expect(Buffer.from(credential?.secret ?? []).toString()).toBe('root secret')
    expect(reads).toBe(0)
  })

  it('gives its secret out as a copy, so that a caller may zero it', async () => {
    ;(await accounts.lookup('rootkeyid'))?.secret.fill(0)
    const credential = await accounts.lookup('rootkeyid')
    expect(Buffer.from(credential?.secret ?? []).toString()).toBe('root secret')
  })
})

describe('accounts', () => {
  it('come with an access key that is found again', async () => {
    const made = await accounts.createAccount('tenant-a')
    expect(made.accessKeyId).toMatch(/^SRAK[A-Z2-7]{16}$/)
    expect(made.secretAccessKey).toHaveLength(40)
    const credential = await accounts.lookup(made.accessKeyId)
    expect(credential?.principal).toEqual({
      accountId: made.accountId,
      accessKeyId: made.accessKeyId,
      isRootAccount: false,
    })
    expect(Buffer.from(credential?.secret ?? []).toString()).toBe(made.secretAccessKey)
  })

  it('have names of their own', async () => {
    await accounts.createAccount('tenant-b')
    await expect(accounts.createAccount('tenant-b')).rejects.toMatchObject({ code: 'account-exists' })
    await expect(accounts.createAccount('root')).rejects.toMatchObject({ code: 'account-exists' })
    for (const name of ['', 'a b', 'ä', 'x'.repeat(65), 'a/b']) {
      await expect(accounts.createAccount(name)).rejects.toMatchObject({ code: 'invalid-name' })
    }
  })

  it('are made once when two callers ask for one name at the same time', async () => {
    const results = await Promise.allSettled([accounts.createAccount('race'), accounts.createAccount('race')])
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('are listed with the first one, and found by name', async () => {
    const made = await accounts.createAccount('tenant-c')
    const all = await accounts.listAccounts()
    expect(all.find((account) => account.isRootAccount)).toMatchObject({ name: 'root', id: accounts.rootAccountId })
    expect(all).toContainEqual({
      id: made.accountId,
      name: 'tenant-c',
      createdAtMs: 1_700_000_000_000,
      isRootAccount: false,
    })
    expect(await accounts.accountNamed('tenant-c')).toMatchObject({ id: made.accountId })
    expect(await accounts.accountNamed('nobody')).toBeUndefined()
  })
})

describe('access keys', () => {
  it('of an account are several, listed in order, and removed one by one', async () => {
    const first = await accounts.createAccount('tenant-d')
    const second = await accounts.createAccessKey(first.accountId)
    const both = [first.accessKeyId, second.accessKeyId].sort()
    expect(await accounts.listAccessKeys(first.accountId)).toEqual(both)
    await accounts.deleteAccessKey(first.accessKeyId)
    expect(await accounts.listAccessKeys(first.accountId)).toEqual([second.accessKeyId])
    await expect(accounts.deleteAccessKey(first.accessKeyId)).rejects.toMatchObject({ code: 'no-such-access-key' })
  })

  it('that another process revoked are refused at the next look-up', async () => {
    const made = await accounts.createAccount('tenant-e')
    expect(await accounts.lookup(made.accessKeyId)).toBeDefined()
    const elsewhere = await createAccounts(options())
    await elsewhere.deleteAccessKey(made.accessKeyId)
    expect(await accounts.lookup(made.accessKeyId)).toBeUndefined()
  })

  it('of an unknown account cannot be made', async () => {
    await expect(accounts.createAccessKey('000000000000')).rejects.toMatchObject({ code: 'no-such-account' })
  })

  it('are at most 100 to an account', async () => {
    const { accountId } = await accounts.createAccount('tenant-f')
    for (let count = 1; count < 100; count++) await accounts.createAccessKey(accountId)
    await expect(accounts.createAccessKey(accountId)).rejects.toMatchObject({ code: 'too-many-access-keys' })
  })

  it('of a deleted account are refused at the next look-up, by others, too, and its name is free', async () => {
    const made = await accounts.createAccount('tenant-i')
    const second = await accounts.createAccessKey(made.accountId)
    const elsewhere = await createAccounts(options())
    expect(await elsewhere.lookup(second.accessKeyId)).toBeDefined()
    await accounts.deleteAccount(made.accountId)
    expect(await accounts.lookup(made.accessKeyId)).toBeUndefined()
    expect(await elsewhere.lookup(second.accessKeyId)).toBeUndefined()
    expect(await accounts.listAccessKeys(made.accountId)).toEqual([])
    expect(await accounts.accountNamed('tenant-i')).toBeUndefined()
    await expect(accounts.deleteAccount(made.accountId)).rejects.toMatchObject({ code: 'no-such-account' })
    await accounts.createAccount('tenant-i')
  })

  it('are none of them left by an account that is deleted while one is made', async () => {
    const { accountId } = await accounts.createAccount('tenant-j')
    const [made] = await Promise.allSettled([accounts.createAccessKey(accountId), accounts.deleteAccount(accountId)])
    if (made.status === 'fulfilled') expect(await accounts.lookup(made.value.accessKeyId)).toBeUndefined()
    expect(await accounts.listAccessKeys(accountId)).toEqual([])
  })

  it('of the first account stay: it cannot be deleted', async () => {
    await expect(accounts.deleteAccount(accounts.rootAccountId)).rejects.toMatchObject({ code: 'first-account' })
  })

  it('that nobody has are not found, whatever they look like', async () => {
    for (const id of ['', 'nobody', 'ROOTKEYID', '\u0000', 'x'.repeat(5000), 'ä']) {
      expect(await accounts.lookup(id)).toBeUndefined()
    }
  })

  it('never stand in the store in the clear', async () => {
    const made = await accounts.createAccount('tenant-g')
    const snapshot = metadata.snapshot()
    try {
      for (const entry of await snapshot.list({ gte: Buffer.from([0]), lt: Buffer.from([0xff]), limit: 10_000 })) {
        expect(Buffer.from(entry.value).includes(made.secretAccessKey)).toBe(false)
        expect(Buffer.from(entry.value).includes(rootCredentials.secretAccessKey)).toBe(false)
      }
    } finally {
      snapshot.release()
    }
  })
})

describe('damaged records', () => {
  it('are one error: put under another key, or of another shape', async () => {
    const made = await accounts.createAccount('tenant-h')
    const key = accessKeyKey.encode(made.accessKeyId)
    for (const body of [
      '',
      '\u0001',
      '\u0001{}',
      '\u0002{"accountId":"1","secretAccessKey":"","createdAtMs":0}',
      '\u0001null',
    ]) {
      await metadata.commit({ puts: [{ key, value: sealer.seal(key, Buffer.from(body)) }] })
      await expect(accounts.lookup(made.accessKeyId)).rejects.toMatchObject({ code: 'corrupt' })
    }
    const byName = accountNameKey.encode('tenant-h')
    await metadata.commit({ puts: [{ key: byName, value: sealer.seal(key, Buffer.from(made.accountId)) }] })
    await expect(accounts.accountNamed('tenant-h')).rejects.toMatchObject({ code: 'corrupt' })
  })
})
