/**
 * Accounts and their access keys in the metadata store, and the look-up that every request begins with.
 *
 * Every access key belongs to the root user of its account; further users come with policies. The first account is the
 * deployment's: its root credentials live in memory only, given by the settings or derived from the keyring's seed.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { type Commit, type MetadataStore, prefixEnd, type Snapshot } from '@strongroom/storage'
import { AccessKeyCache } from './access-key-cache.ts'
import { accessKeyKey, accountAccessKeyKey, accountKey, accountNameKey, firstAccountKey } from './account-keys.ts'
import { openAccessKey, openAccount, openId, type RecordSealing, sealId, sealRecord } from './account-records.ts'
import { AccountsError } from './accounts-error.ts'
import { newAccessKeyId, newAccountId, newSecretAccessKey, type RandomBytes } from './credentials.ts'
import type { Principal } from './principal.ts'

export interface RootCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface AccountsOptions {
  readonly metadata: MetadataStore
  readonly recordSealer: RecordSealing
  /** Of the first account. Not stored. */
  readonly rootCredentials: RootCredentials
  /** Opened access keys kept in memory. Default 4,096. */
  readonly cachedAccessKeys?: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly random: RandomBytes
}

export interface Account {
  readonly id: string
  readonly name: string
  readonly createdAtMs: number
  /** The deployment's first account. */
  readonly isRootAccount: boolean
}

/** The secret is shown once, here. */
export interface NewAccessKey {
  readonly accountId: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Who an access key stands for, and the secret to check a signature with. */
export interface Credential {
  readonly principal: Principal
  /** A copy: whoever looked it up zeroes it. */
  readonly secret: Uint8Array
}

/** Name of the first account. */
export const firstAccountName = 'root'

const maxAccessKeysPerAccount = 100
const maxAttempts = 20
const pageSize = 1000

/** The accounts of a deployment. Made by {@link createAccounts}. */
export class Accounts {
  /** Id of the deployment's first account. */
  readonly rootAccountId: string
  readonly #options: AccountsOptions
  readonly #rootPrincipal: Principal
  readonly #rootKeyId: Buffer
  readonly #rootSecret: Uint8Array
  readonly #cache: AccessKeyCache

  constructor(options: AccountsOptions, rootAccountId: string) {
    this.#options = options
    this.rootAccountId = rootAccountId
    const accessKeyId = options.rootCredentials.accessKeyId
    this.#rootPrincipal = { accountId: rootAccountId, accessKeyId, isRootAccount: true }
    this.#rootKeyId = Buffer.from(accessKeyId)
    this.#rootSecret = Buffer.from(options.rootCredentials.secretAccessKey)
    this.#cache = new AccessKeyCache(options.cachedAccessKeys ?? 4096)
  }

  /**
   * Finds the credential of an access key; `undefined` if there is none.
   *
   * @throws AccountsError `corrupt`; whatever the metadata store throws
   */
  async lookup(accessKeyId: string): Promise<Credential | undefined> {
    if (isText(accessKeyId, this.#rootKeyId)) {
      return { principal: this.#rootPrincipal, secret: new Uint8Array(this.#rootSecret) }
    }
    if (!isAccessKeyIdShape(accessKeyId)) return undefined
    const key = accessKeyKey.encode(accessKeyId)
    const entry = await this.#read((snapshot) => snapshot.get(key))
    if (entry === undefined) {
      this.#cache.drop(accessKeyId)
      return undefined
    }
    let cached = this.#cache.get(accessKeyId, entry.version)
    if (cached === undefined) {
      const record = openAccessKey(this.#options.recordSealer, key, entry.value)
      cached = { version: entry.version, accountId: record.accountId, secret: Buffer.from(record.secretAccessKey) }
      this.#cache.set(accessKeyId, cached)
    }
    const isRootAccount = cached.accountId === this.rootAccountId
    return {
      principal: { accountId: cached.accountId, accessKeyId, isRootAccount },
      secret: new Uint8Array(cached.secret),
    }
  }

  /**
   * Makes an account with one access key.
   *
   * @param name 1 to 64 of `A-Z a-z 0-9 . _ -`
   * @throws AccountsError `account-exists`, `invalid-name`
   */
  async createAccount(name: string): Promise<NewAccessKey> {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
      throw new AccountsError('invalid-name', 'an account name is 1 to 64 letters, digits, dots, dashes or underscores')
    }
    const { recordSealer, now, random } = this.#options
    return await this.#retry(async () => {
      const accountId = newAccountId(random)
      const [byName, byId] = [accountNameKey.encode(name), accountKey.encode(accountId)]
      if ((await this.#read((snapshot) => snapshot.get(byName))) !== undefined) {
        throw new AccountsError('account-exists', `there is an account named ${name} already`)
      }
      const accessKey = this.#accessKeyCommit(accountId)
      const committed = await this.#commit({
        checks: [{ key: byName, version: 'absent' }, { key: byId, version: 'absent' }, ...accessKey.checks],
        puts: [
          { key: byName, value: sealId(recordSealer, byName, accountId) },
          { key: byId, value: sealRecord(recordSealer, byId, { name, createdAtMs: now() }) },
          ...accessKey.puts,
        ],
      })
      return committed ? accessKey.made : undefined
    })
  }

  /**
   * Removes an account with its name and all its access keys: the next request that uses one is refused. Whether the account
   * still owns anything is the caller's question.
   *
   * @throws AccountsError `no-such-account`, `first-account`
   */
  async deleteAccount(accountId: string): Promise<void> {
    if (accountId === this.rootAccountId) {
      throw new AccountsError('first-account', 'the first account of a deployment cannot be deleted')
    }
    const byId = accountKey.encode(accountId)
    const accessKeyIds = await this.#retry(async () => {
      const account = await this.#read((snapshot) => snapshot.get(byId))
      if (account === undefined) throw new AccountsError('no-such-account', `there is no account ${accountId}`)
      const { name } = openAccount(this.#options.recordSealer, byId, account.value)
      const ids = await this.listAccessKeys(accountId)
      const deletes = [
        byId,
        accountNameKey.encode(name),
        ...ids.flatMap((id) => [accessKeyKey.encode(id), accountAccessKeyKey.encode(accountId, id)]),
      ]
      return (await this.#commit({ checks: [{ key: byId, version: account.version }], deletes })) ? ids : undefined
    })
    for (const id of accessKeyIds) this.#cache.drop(id)
  }

  /** Every account, by id. */
  async listAccounts(): Promise<readonly Account[]> {
    const accounts: Account[] = []
    await this.#scan(accountKey.prefix(), (key, value) => {
      const [id] = accountKey.decode(key)
      accounts.push(this.#account(id, key, value))
    })
    return accounts
  }

  /** `undefined` if there is no account of that name. */
  async accountNamed(name: string): Promise<Account | undefined> {
    const { recordSealer } = this.#options
    const byName = accountNameKey.encode(name)
    return await this.#read(async (snapshot) => {
      const idEntry = await snapshot.get(byName)
      if (idEntry === undefined) return undefined
      const id = openId(recordSealer, byName, idEntry.value)
      const byId = accountKey.encode(id)
      const entry = await snapshot.get(byId)
      if (entry === undefined) throw new AccountsError('corrupt', 'an account name leads to no account')
      return this.#account(id, byId, entry.value)
    })
  }

  /**
   * Makes another access key of an account.
   *
   * @throws AccountsError `no-such-account`, `too-many-access-keys`
   */
  async createAccessKey(accountId: string): Promise<NewAccessKey> {
    const byId = accountKey.encode(accountId)
    return await this.#retry(async () => {
      const account = await this.#read((snapshot) => snapshot.get(byId))
      if (account === undefined) throw new AccountsError('no-such-account', `there is no account ${accountId}`)
      if ((await this.listAccessKeys(accountId)).length >= maxAccessKeysPerAccount) {
        throw new AccountsError('too-many-access-keys', `an account has at most ${maxAccessKeysPerAccount} access keys`)
      }
      const accessKey = this.#accessKeyCommit(accountId)
      const checks = [{ key: byId, version: account.version }, ...accessKey.checks]
      // The account's record as it is, but newer: who deletes the account at this moment has to look again.
      const puts = [{ key: byId, value: account.value }, ...accessKey.puts]
      return (await this.#commit({ checks, puts })) ? accessKey.made : undefined
    })
  }

  /** Ids of an account's stored access keys, in order (the root credentials of the first account are not stored). */
  async listAccessKeys(accountId: string): Promise<readonly string[]> {
    const ids: string[] = []
    await this.#scan(accountAccessKeyKey.prefix(accountId), (key) => ids.push(accountAccessKeyKey.decode(key)[1]))
    return ids
  }

  /**
   * Revokes an access key: the next request that uses it is refused.
   *
   * @throws AccountsError `no-such-access-key`
   */
  async deleteAccessKey(accessKeyId: string): Promise<void> {
    const key = accessKeyKey.encode(accessKeyId)
    await this.#retry(async () => {
      const entry = await this.#read((snapshot) => snapshot.get(key))
      if (entry === undefined) throw new AccountsError('no-such-access-key', `there is no access key ${accessKeyId}`)
      const { accountId } = openAccessKey(this.#options.recordSealer, key, entry.value)
      const deletes = [key, accountAccessKeyKey.encode(accountId, accessKeyId)]
      return (await this.#commit({ checks: [{ key, version: entry.version }], deletes })) ? true : undefined
    })
    this.#cache.drop(accessKeyId)
  }

  /** Zeroes the secrets in memory. The object must not be used afterwards. */
  close(): void {
    this.#cache.clear()
    this.#rootSecret.fill(0)
  }

  #account(id: string, key: Uint8Array, sealed: Uint8Array): Account {
    const record = openAccount(this.#options.recordSealer, key, sealed)
    return { id, name: record.name, createdAtMs: record.createdAtMs, isRootAccount: id === this.rootAccountId }
  }

  #accessKeyCommit(accountId: string) {
    const { recordSealer, now, random } = this.#options
    const made: NewAccessKey = {
      accountId,
      accessKeyId: newAccessKeyId(random),
      secretAccessKey: newSecretAccessKey(random),
    }
    const key = accessKeyKey.encode(made.accessKeyId)
    const index = accountAccessKeyKey.encode(accountId, made.accessKeyId)
    const record = { accountId, secretAccessKey: made.secretAccessKey, createdAtMs: now() }
    return {
      made,
      checks: [{ key, version: 'absent' as const }],
      puts: [
        { key, value: sealRecord(recordSealer, key, record) },
        { key: index, value: sealId(recordSealer, index, accountId) },
      ],
    }
  }

  async #commit(commit: Commit): Promise<boolean> {
    return (await this.#options.metadata.commit(commit)).committed
  }

  async #read<T>(read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    return await readOnce(this.#options.metadata, read)
  }

  async #scan(prefix: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): Promise<void> {
    const lt = prefixEnd(prefix)
    await this.#read(async (snapshot) => {
      let gte = prefix
      for (;;) {
        const page = await snapshot.list({ gte, lt, limit: pageSize })
        for (const entry of page) visit(entry.key, entry.value)
        const last = page.at(-1)
        if (last === undefined || page.length < pageSize) return
        gte = Buffer.concat([last.key, Buffer.from([0])])
      }
    })
  }

  /** Runs `attempt` until it gives a result; `undefined` means that another commit came first. */
  async #retry<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    for (let count = 0; count < maxAttempts; count++) {
      const result = await attempt()
      if (result !== undefined) return result
    }
    throw new AccountsError('busy', 'the accounts are being changed by others; try again')
  }
}

/**
 * Opens the accounts of a deployment; the first time, makes the first account.
 *
 * @throws AccountsError `corrupt`, `busy`
 * @example
 * const accounts = await createAccounts({ metadata, recordSealer, rootCredentials, now: Date.now, random: randomBytes })
 * const credential = await accounts.lookup('SRAK…')
 */
export async function createAccounts(options: AccountsOptions): Promise<Accounts> {
  const { metadata, recordSealer, now, random } = options
  const first = firstAccountKey.encode('')
  for (let count = 0; count < maxAttempts; count++) {
    const entry = await readOnce(metadata, (snapshot) => snapshot.get(first))
    if (entry !== undefined) return new Accounts(options, openId(recordSealer, first, entry.value))
    const accountId = newAccountId(random)
    const [byName, byId] = [accountNameKey.encode(firstAccountName), accountKey.encode(accountId)]
    const result = await metadata.commit({
      checks: [first, byName, byId].map((key) => ({ key, version: 'absent' as const })),
      puts: [
        { key: first, value: sealId(recordSealer, first, accountId) },
        { key: byName, value: sealId(recordSealer, byName, accountId) },
        { key: byId, value: sealRecord(recordSealer, byId, { name: firstAccountName, createdAtMs: now() }) },
      ],
    })
    if (result.committed) return new Accounts(options, accountId)
  }
  throw new AccountsError('busy', 'the first account could not be made: others change the same records')
}

async function readOnce<T>(metadata: MetadataStore, read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const snapshot = metadata.snapshot()
  try {
    return await read(snapshot)
  } finally {
    snapshot.release()
  }
}

function isAccessKeyIdShape(text: string): boolean {
  return text.length > 0 && text.length <= 128 && /^[\x21-\x7e]+$/.test(text)
}

function isText(text: string, bytes: Uint8Array): boolean {
  const own = Buffer.from(text)
  return own.length === bytes.length && timingSafeEqual(own, bytes)
}
