/**
 * What the command line asks of a deployment. The server package implements it twice: over the admin channel of a running
 * server, and in this process on a stopped data directory. Everything here is plain JSON.
 *
 * @module
 */
import type { FsckProgress, FsckReport } from '@strongroom/maintenance'

export type AdminErrorCode = 'invalid' | 'not-found' | 'conflict' | 'refused' | 'unavailable' | 'internal'

/** Why a command was not done, in words for the person who typed it. */
export class AdminError extends Error {
  readonly code: AdminErrorCode

  constructor(code: AdminErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AdminError'
    this.code = code
  }
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** What a client must know to talk to the deployment. */
export interface Connection extends Credentials {
  /** `https://host:port`. */
  readonly endpoint: string
  readonly region: string
  /** Certificates to trust, where the system's do not suffice. */
  readonly caFile?: string
}

export interface InstanceStatus {
  readonly version: string
  /** Undefined: nothing runs, this process works on the data directory. */
  readonly server?: {
    readonly endpoint: string
    readonly pid: number
    readonly startedAtMs: number
    /** Ids of the processes that serve for it, where it has such. */
    readonly workers?: readonly number[]
  }
}

export interface KeyReport {
  readonly name: string
  readonly id: string
  readonly ownerAccountId: string
  readonly state: 'enabled' | 'locked' | 'pending-deletion' | 'missing'
  /** When a key whose deletion is scheduled is destroyed, at the earliest. */
  readonly deletionDueAtMs?: number
  readonly currentVersion: number
  readonly versions: readonly { readonly version: number; readonly createdAtMs: number }[]
  readonly grants: readonly string[]
}

export interface DeleteKeyOptions {
  readonly force?: boolean
  readonly reason?: string
}

export interface KeyUsageCounts {
  readonly objects: number
  readonly versions: number
  readonly bytes: number
  readonly uploads: number
  readonly parts: number
  readonly partBytes: number
}

export interface KeyUsageReport {
  readonly name: string
  readonly total: KeyUsageCounts
  readonly rows: readonly (KeyUsageCounts & { readonly keyVersion: number; readonly bucket: string })[]
}

export interface AccountReport {
  readonly id: string
  readonly name: string
  readonly createdAtMs: number
  readonly isRootAccount: boolean
}

export interface NewAccount extends Credentials {
  readonly accountId: string
}

export interface FsckOptions {
  /** Mend what can be mended. */
  readonly repair?: boolean
  /** Read and authenticate every stored byte. */
  readonly verifyData?: boolean
}

export interface RootKeyReport {
  /** Where the new root key is: a file, or how it is made. */
  readonly source: string
}

export interface Admin {
  status(): Promise<InstanceStatus>
  connection(): Promise<Connection>
  createKey(name: string): Promise<KeyReport>
  /** `material`: 32 bytes in base64. */
  importKey(name: string, material: string): Promise<KeyReport>
  listKeys(pattern: string): Promise<readonly KeyReport[]>
  describeKey(name: string): Promise<KeyReport>
  rotateKey(name: string): Promise<KeyReport>
  lockKey(name: string): Promise<KeyReport>
  unlockKey(name: string): Promise<KeyReport>
  grantKey(name: string, accountId: string): Promise<KeyReport>
  revokeKey(name: string, accountId: string): Promise<KeyReport>
  keyUsage(name: string): Promise<KeyUsageReport>
  /** After `days`, 7 to 30, default 30. @throws AdminError as `deleteKey` */
  scheduleKeyDeletion(name: string, options: DeleteKeyOptions & { readonly days?: number }): Promise<KeyReport>
  /** Takes a deletion back that is not due yet; the key is locked then. */
  cancelKeyDeletion(name: string): Promise<KeyReport>
  /** At once. @throws AdminError `refused` while anything needs the key and `force` is not set */
  deleteKey(name: string, options: DeleteKeyOptions): Promise<KeyUsageReport>
  createAccount(name: string): Promise<NewAccount>
  listAccounts(): Promise<readonly AccountReport[]>
  /** With its access keys. By name or id. @throws AdminError `refused` while it owns a bucket or a key */
  deleteAccount(nameOrId: string): Promise<AccountReport>
  fsck(options: FsckOptions, onProgress: (progress: FsckProgress) => void): Promise<FsckReport>
  /** A new root key wraps the keyring; absent paths: the source that the settings name. */
  rotateRootKey(options: { readonly newPassphraseFile?: string; readonly newKeyFile?: string }): Promise<RootKeyReport>
  close(): Promise<void>
}
