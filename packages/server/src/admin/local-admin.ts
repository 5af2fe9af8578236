/**
 * The `Admin` that does the work, on an open deployment: behind the admin channel of a running server, or in the process of
 * the command line.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { AccountsError, checkAccounts } from '@strongroom/accounts'
import {
  type AccountReport,
  type Admin,
  AdminError,
  type AdminErrorCode,
  type Connection,
  type DeleteKeyOptions,
  type FsckOptions,
  type InstanceStatus,
  type KeyReport,
  type KeyUsageReport,
  type NewAccount,
  type RootKeyReport,
} from '@strongroom/cli'
import { type Engine, EngineError } from '@strongroom/engine'
import { isKeyName, KmsError, rotateRootKey, rotateRootKeyFile } from '@strongroom/kms'
import { type AccountsCheck, type FsckProgress, type FsckReport, fsck } from '@strongroom/maintenance'
import type { Deployment } from '../deployment.ts'
import type { Logger } from '../log.ts'
import { keyFileSource, passphraseSource, type RootKeySource } from '../root-key-source.ts'
import { ServerError } from '../server-error.ts'

export interface LocalAdminOptions {
  readonly deployment: Deployment
  /** Where it is kept who destroyed what, and why. */
  readonly log: Pick<Logger, 'warn'>
  readonly status: InstanceStatus
  /** `https://host:port`, for clients. */
  readonly endpoint: string
  readonly caFile?: string
  /** Other processes that write. */
  readonly writers?: { readonly liveSessions: ReadonlySet<string>; readonly pids: readonly number[] }
  /** Closes the deployment, where the command line opened it. */
  readonly onClose?: () => Promise<void>
}

export class LocalAdmin implements Admin {
  readonly #options: LocalAdminOptions
  #rootKeySource: RootKeySource
  #isChecking = false

  constructor(options: LocalAdminOptions) {
    this.#options = options
    this.#rootKeySource = options.deployment.rootKeySource
  }

  async status(): Promise<InstanceStatus> {
    const { status, writers } = this.#options
    if (status.server === undefined || writers === undefined) return status
    return { ...status, server: { ...status.server, workers: writers.pids } }
  }

  async connection(): Promise<Connection> {
    const { deployment, endpoint, caFile } = this.#options
    const { accessKeyId, secretAccessKey } = deployment.rootCredentials
    const { region } = deployment.settings
    return { endpoint, region, ...(caFile === undefined ? {} : { caFile }), accessKeyId, secretAccessKey }
  }

  createKey = (name: string): Promise<KeyReport> =>
    this.#do(({ engine }) => {
      requireKeyName(name)
      return engine.createKey({ requester: this.#requester, name })
    })

  importKey = (name: string, text: string): Promise<KeyReport> =>
    this.#do(async ({ engine }) => {
      requireKeyName(name)
      const material = Buffer.from(text, 'base64')
      try {
        if (material.length !== 32) throw new AdminError('invalid', 'a key is 32 bytes in base64')
        return await engine.importKey({ requester: this.#requester, name, material })
      } finally {
        material.fill(0)
      }
    })

  listKeys = (pattern: string): Promise<readonly KeyReport[]> => this.#do(({ engine }) => engine.listKeys(pattern))
  describeKey = (name: string): Promise<KeyReport> => this.#do(({ engine }) => engine.describeKey(name))
  rotateKey = (name: string): Promise<KeyReport> => this.#do(({ engine }) => engine.rotateKey(name))
  lockKey = (name: string): Promise<KeyReport> => this.#do(({ engine }) => engine.lockKey(name))
  unlockKey = (name: string): Promise<KeyReport> => this.#do(({ engine }) => engine.unlockKey(name))
  grantKey = (name: string, accountId: string): Promise<KeyReport> =>
    this.#do(async ({ engine, accounts }) => {
      // A grant to a mistyped account would look like one that works.
      if (!(await accounts.listAccounts()).some(({ id }) => id === accountId)) {
        throw new AdminError('not-found', `there is no account ${accountId}: see strongroom account list`)
      }
      return await engine.grantKey(name, accountId)
    })
  revokeKey = (name: string, accountId: string): Promise<KeyReport> =>
    this.#do(({ engine }) => engine.revokeKey(name, accountId))
  keyUsage = (name: string): Promise<KeyUsageReport> => this.#do(({ engine }) => engine.keyUsage(name))

  scheduleKeyDeletion = (name: string, options: DeleteKeyOptions & { readonly days?: number }): Promise<KeyReport> =>
    this.#do(async ({ engine }) => {
      const { log } = this.#options
      const { total } = await engine.keyUsage(name)
      const report = await engine.scheduleKeyDeletion(name, options)
      const { force, reason } = options
      log.warn({ key: name, force, reason, needed: total, dueAtMs: report.deletionDueAtMs }, 'a key is to be destroyed')
      return report
    })

  cancelKeyDeletion = (name: string): Promise<KeyReport> =>
    this.#do(async ({ engine }) => {
      const report = await engine.cancelKeyDeletion(name)
      this.#options.log.warn({ key: name }, 'a key is not to be destroyed any more')
      return report
    })

  deleteKey = (name: string, options: DeleteKeyOptions): Promise<KeyUsageReport> =>
    this.#do(async ({ engine }) => {
      const { log } = this.#options
      // Before it is done: what comes after may not be written any more.
      if (options.force === true) log.warn({ key: name, reason: options.reason }, 'a key is to be destroyed by force')
      const usage = await engine.deleteKey(name, options)
      log.warn({ key: name, reason: options.reason, lost: usage.total }, 'a key was destroyed')
      return usage
    })

  createAccount = (name: string): Promise<NewAccount> => this.#do(({ accounts }) => accounts.createAccount(name))
  listAccounts = (): Promise<readonly AccountReport[]> => this.#do(({ accounts }) => accounts.listAccounts())

  deleteAccount = (nameOrId: string): Promise<AccountReport> =>
    this.#do(async ({ accounts, engine }) => {
      const all = await accounts.listAccounts()
      const account = all.find(({ name }) => name === nameOrId) ?? all.find(({ id }) => id === nameOrId)
      if (account === undefined) throw new AdminError('not-found', `there is no account ${nameOrId}`)
      const keys = await engine.listKeys('*')
      await requireOwnsNothing(account, keys, engine)
      await accounts.deleteAccount(account.id)
      this.#options.log.warn({ account: account.id, name: account.name }, 'an account was deleted')
      for (const { name, grants } of keys) if (grants.includes(account.id)) await engine.revokeKey(name, account.id)
      return account
    })

  fsck = (options: FsckOptions, onProgress: (progress: FsckProgress) => void): Promise<FsckReport> =>
    this.#do(async ({ engine, metadata, blobs, kms, recordSealer, keyring }) => {
      if (this.#isChecking) throw new AdminError('unavailable', 'a check is under way already')
      this.#isChecking = true
      try {
        const plainDataKeys = keyring.dataKeys
        const stores = { metadata, blobs, kms, recordSealer, plainDataKeys }
        const check: AccountsCheck = (snapshot, onProblem) => checkAccounts(recordSealer, snapshot, onProblem)
        const sources = { ...stores, checkAccounts: check, now: Date.now, random: randomBytes }
        // What a killed writer left behind, and what a repair turns into garbage, is the sweeper's to remove.
        if (options.repair) await engine.sweep(this.#options.writers)
        const report = await fsck({ ...sources, ...options, onProgress })
        if (options.repair) await engine.sweep(this.#options.writers)
        return report
      } finally {
        this.#isChecking = false
      }
    })

  rotateRootKey = (options: Parameters<Admin['rotateRootKey']>[0]): Promise<RootKeyReport> =>
    this.#do(({ directory }) => this.#rotateRootKey(directory.root, options))

  async close(): Promise<void> {
    await this.#options.onClose?.()
  }

  get #requester() {
    return { accountId: this.#options.deployment.accounts.rootAccountId, isRootAccount: true }
  }

  async #rotateRootKey(
    directory: string,
    { newKeyFile, newPassphraseFile }: Parameters<Admin['rotateRootKey']>[0],
  ): Promise<RootKeyReport> {
    if (newKeyFile !== undefined && newPassphraseFile !== undefined) {
      throw new AdminError('invalid', 'the new root key has one source, not two')
    }
    const current = this.#rootKeySource
    if (newKeyFile === undefined && newPassphraseFile === undefined) {
      if (current.ownFile === undefined) {
        throw new AdminError(
          'invalid',
          `the root key is ${current.description}: name the new one with --new-key-file or --new-passphrase-file`,
        )
      }
      await rotateRootKeyFile({ directory, path: current.ownFile })
      return { source: current.description }
    }
    const next = newKeyFile === undefined ? await passphraseSource(newPassphraseFile ?? '') : keyFileSource(newKeyFile)
    await rotateRootKey({ directory, rootKey: current.rootKey, newRootKey: next.rootKey })
    this.#rootKeySource = next
    const setting = newKeyFile === undefined ? 'rootKeyPassphraseFile' : 'rootKeyFile'
    return { source: `${next.description} (set ${setting} before the next start)` }
  }

  async #do<T>(work: (deployment: Deployment) => Promise<T>): Promise<T> {
    try {
      return await work(this.#options.deployment)
    } catch (error) {
      throw asAdminError(error)
    }
  }
}

async function requireOwnsNothing(
  { id, name }: AccountReport,
  keys: readonly KeyReport[],
  engine: Pick<Engine, 'listBuckets'>,
): Promise<void> {
  const shown = 10
  const { buckets } = await engine.listBuckets({ accountId: id, limit: shown })
  const owned = keys.filter(({ ownerAccountId }) => ownerAccountId === id).slice(0, shown)
  const what = [
    ...(buckets.length === 0 ? [] : [`buckets: ${buckets.map((bucket) => bucket.name).join(', ')}`]),
    ...(owned.length === 0 ? [] : [`keys: ${owned.map((key) => key.name).join(', ')}`]),
  ]
  if (what.length > 0) throw new AdminError('refused', `account ${name} still owns ${what.join('; ')}`)
}

/** A key that is made needs a name that is allowed; one that is only named wrongly is just not there. */
function requireKeyName(name: string): void {
  if (isKeyName(name)) return
  throw new AdminError(
    'invalid',
    `${JSON.stringify(name)} cannot name a key: 1 to 80 of 0-9 A-Z a-z - _, no hyphen at either end`,
  )
}

/**
 * Codes of the packages below, as the command line tells them apart, with a text where the error has none of its own. What
 * is not here is a fault of ours.
 */
const codes: Readonly<Record<string, readonly [code: AdminErrorCode, text?: string]>> = {
  'account-exists': ['conflict'],
  'invalid-name': ['invalid'],
  'no-such-account': ['not-found'],
  'first-account': ['refused'],
  'key-exists': ['conflict'],
  'key-not-found': ['not-found'],
  'key-disabled': ['refused'],
  'key-pending-deletion': ['refused'],
  'invalid-key': ['invalid'],
  'not-authentic': ['refused'],
  unsupported: ['refused'],
  unreachable: ['unavailable'],
  busy: ['unavailable'],
  sealed: ['unavailable'],
  'root-key': ['invalid'],
  'permission-denied': ['invalid'],
  KeyInUse: ['refused', 'the key is in use'],
  KeyAlreadyExists: ['conflict', 'there is a key of this name already'],
  'KMS.NotFoundException': ['not-found', 'there is no such key'],
  'KMS.DisabledException': ['refused', 'the key is locked'],
  'KMS.KMSInvalidStateException': ['refused', 'the key is being deleted'],
  OperationAborted: ['unavailable', 'something else is changing this at the moment: try again'],
  InvalidArgument: ['invalid'],
  InvalidRequest: ['invalid'],
  ServiceUnavailable: ['unavailable', 'the key service does not answer'],
  XMinioStorageFull: ['unavailable', 'storage is full'],
  SlowDown: ['unavailable', 'too much is being changed at the moment: try again'],
}

function asAdminError(error: unknown): unknown {
  const isOurs =
    error instanceof EngineError ||
    error instanceof KmsError ||
    error instanceof AccountsError ||
    error instanceof ServerError
  if (!isOurs) return error
  const known = codes[error.code]
  if (known === undefined) return error
  const [code, text] = known
  // An engine error without a text of its own shows its code, which says nothing to a person.
  return new AdminError(code, error.message === error.code ? (text ?? error.message) : error.message, { cause: error })
}
