/**
 * A deployment in memory, for the transcripts: keys that live and die, fixed ids and times.
 *
 * @module
 */
import type { FsckProgress, FsckReport } from '@strongroom/maintenance'
import {
  type Admin,
  AdminError,
  type FsckOptions,
  type KeyReport,
  type KeyUsageCounts,
  type KeyUsageReport,
} from './admin.ts'

const createdAtMs = Date.UTC(2026, 10, 23, 14, 5, 6)
const nothing: KeyUsageCounts = { objects: 0, versions: 0, bytes: 0, uploads: 0, parts: 0, partBytes: 0 }
const some: KeyUsageCounts = { objects: 2, versions: 3, bytes: 3_200_000, uploads: 1, parts: 4, partBytes: 20_971_520 }

/** The key `busy` is needed by objects in the bucket `photos`. */
export class MemoryAdmin implements Admin {
  readonly #keys = new Map<string, KeyReport>()
  readonly #accounts = [{ id: '100000000001', name: 'root', createdAtMs, isRootAccount: true }]

  constructor() {
    this.#put('strongroom-default', {})
    this.#put('busy', {})
  }

  #put(name: string, change: Partial<KeyReport>): KeyReport {
    const fresh: KeyReport = {
      name,
      id: 'k1',
      ownerAccountId: '100000000001',
      state: 'enabled',
      currentVersion: 1,
      versions: [{ version: 1, createdAtMs }],
      grants: [],
    }
    const key = { ...(this.#keys.get(name) ?? fresh), ...change }
    this.#keys.set(name, key)
    return key
  }

  #get(name: string): KeyReport {
    const key = this.#keys.get(name)
    if (key === undefined) throw new AdminError('not-found', `there is no key ${name}`)
    return key
  }

  async status() {
    const startedAtMs = Date.UTC(2026, 0, 2, 3, 4, 5)
    return { version: '0.1.0', server: { endpoint: 'https://127.0.0.1:9000', pid: 4711, startedAtMs } }
  }

  async connection() {
    return {
      endpoint: 'https://127.0.0.1:9000',
      region: 'us-east-1',
      caFile: "/tmp/it's/ca.crt",
      accessKeyId: 'SRAKEXAMPLE',
      secretAccessKey: 'secret/with+signs',
    }
  }

  async createKey(name: string) {
    if (this.#keys.has(name)) throw new AdminError('conflict', `there is a key ${name} already`)
    return this.#put(name, {})
  }

  async importKey(name: string, material: string) {
    if (Buffer.from(material, 'base64').length !== 32) throw new AdminError('invalid', 'not 32 bytes')
    return await this.createKey(name)
  }

  async listKeys(pattern: string) {
    const prefix = pattern.replace(/\*$/, '')
    return [...this.#keys.values()]
      .filter(({ name }) => name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async describeKey(name: string) {
    return this.#get(name)
  }

  async rotateKey(name: string) {
    const { currentVersion, versions } = this.#get(name)
    const version = currentVersion + 1
    return this.#put(name, { currentVersion: version, versions: [...versions, { version, createdAtMs }] })
  }

  async lockKey(name: string) {
    this.#get(name)
    return this.#put(name, { state: 'locked' })
  }

  async unlockKey(name: string) {
    this.#get(name)
    return this.#put(name, { state: 'enabled' })
  }

  async grantKey(name: string, accountId: string) {
    return this.#put(name, { grants: [...this.#get(name).grants, accountId] })
  }

  async revokeKey(name: string, accountId: string) {
    return this.#put(name, { grants: this.#get(name).grants.filter((id) => id !== accountId) })
  }

  async keyUsage(name: string): Promise<KeyUsageReport> {
    this.#get(name)
    if (name !== 'busy') return { name, total: nothing, rows: [] }
    return { name, total: some, rows: [{ ...some, keyVersion: 1, bucket: 'photos' }] }
  }

  async scheduleKeyDeletion(name: string, { days = 30, force }: { readonly days?: number; readonly force?: boolean }) {
    const { state } = this.#get(name)
    if (state === 'pending-deletion') throw new AdminError('refused', `${name} is pending deletion`)
    if (name === 'busy' && force !== true) throw new AdminError('refused', 'in use')
    return this.#put(name, { state: 'pending-deletion', deletionDueAtMs: createdAtMs + days * 86_400_000 })
  }

  async cancelKeyDeletion(name: string) {
    const { deletionDueAtMs: due, ...key } = this.#get(name)
    if (due === undefined) return key
    const locked = { ...key, state: 'locked' } as const
    this.#keys.set(name, locked)
    return locked
  }

  async deleteKey(name: string, { force }: { readonly force?: boolean }) {
    const usage = await this.keyUsage(name)
    if (name === 'busy' && force !== true) throw new AdminError('refused', 'in use')
    this.#keys.delete(name)
    return usage
  }

  async createAccount(name: string) {
    this.#accounts.push({ id: '100000000002', name, createdAtMs, isRootAccount: false })
    return { accountId: '100000000002', accessKeyId: 'SRAKSECOND', secretAccessKey: 'second' }
  }

  async listAccounts() {
    return this.#accounts
  }

  async deleteAccount(nameOrId: string) {
    const at = this.#accounts.findIndex(({ id, name }) => name === nameOrId || id === nameOrId)
    if (at === 0) throw new AdminError('refused', 'the first account of a deployment cannot be deleted')
    const [account] = at > 0 ? this.#accounts.splice(at, 1) : []
    if (account === undefined) throw new AdminError('not-found', `there is no account ${nameOrId}`)
    return account
  }

  async fsck({ repair, verifyData }: FsckOptions, onProgress: (progress: FsckProgress) => void): Promise<FsckReport> {
    onProgress({ phase: 'objects', done: 2, total: 2 })
    const isRepaired = repair === true
    const finding = {
      kind: 'leftover-blob',
      place: { blobId: '00ff' },
      detail: 'blob 00ff: no record names it',
    } as const
    return {
      findings: [{ ...finding, repairable: true, repaired: isRepaired }],
      omitted: 0,
      unrepaired: isRepaired ? 0 : 1,
      withheld: 0,
      checked: { objects: 2, accountRecords: 1, blobs: 3, blobBytes: 1536 },
      skipped: verifyData === true ? [{ reason: 'client-held', items: 2, bytes: 70_000 }] : [],
    }
  }

  async rotateRootKey({ newPassphraseFile }: { readonly newPassphraseFile?: string }) {
    return { source: newPassphraseFile === undefined ? '/data/root.key' : `passphrase in ${newPassphraseFile}` }
  }

  async close() {}
}
