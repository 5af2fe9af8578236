/**
 * A deployment on a directory of its own, as the server lays it out and wires it, but for the sockets: opened, read through the
 * S3 operations, checked, closed; and its entries changed while nobody has them open.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Accounts, checkAccounts, createAccounts } from '@strongroom/accounts'
import { RecordSealer } from '@strongroom/crypto'
import { createEngine, type EngineOptions, type MaintainedEngine } from '@strongroom/engine'
import {
  createKeyring,
  createRootKeyFile,
  FilesKeyStore,
  fileRootKey,
  KeyService,
  keyringFileName,
  openKeyring,
  SealedKeyStore,
} from '@strongroom/kms'
import { type AccountsCheck, type FsckReport, fsck } from '@strongroom/maintenance'
import { createS3Handler, type S3Handler } from '@strongroom/operations'
import {
  type Commit,
  type CommitResult,
  type Entry,
  type MetadataStats,
  type MetadataStore,
  openFilesBlobStore,
  openLmdbMetadataStore,
  type Snapshot,
} from '@strongroom/storage'

export const rootSigner = { accessKeyId: 'tamper-root', secret: Buffer.from('tamper-root-secret') }
export const region = 'us-east-1'
export const defaultKey = 'standard'

/** A metadata store that remembers every value that was ever put. */
export class RememberingStore implements MetadataStore {
  /** By key in hex; oldest first. */
  readonly history = new Map<string, Buffer[]>()
  readonly #inner: MetadataStore

  constructor(inner: MetadataStore) {
    this.#inner = inner
  }

  snapshot(): Snapshot {
    return this.#inner.snapshot()
  }

  async commit(commit: Commit): Promise<CommitResult> {
    const result = await this.#inner.commit(commit)
    if (!result.committed) return result
    for (const { key, value } of commit.puts ?? []) {
      const id = Buffer.from(key).toString('hex')
      this.history.set(id, [...(this.history.get(id) ?? []), Buffer.from(value)])
    }
    return result
  }

  stats(): MetadataStats {
    return this.#inner.stats()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

/** Opens the metadata store of a directory, alone. */
export async function openMetadata(directory: string): Promise<MetadataStore> {
  const fail = (error: Error) => {
    throw error
  }
  return await openLmdbMetadataStore(join(directory, 'metadata'), { onFatal: fail, onWarning: () => {} })
}

export interface OpenDeployment {
  readonly engine: MaintainedEngine
  readonly accounts: Accounts
  readonly handle: S3Handler
  readonly stores: Pick<EngineOptions, 'metadata' | 'blobs' | 'kms' | 'recordSealer' | 'plainDataKeys'>
  fsck(): Promise<FsckReport>
  /** All but the metadata store, which is the caller's. */
  close(): Promise<void>
}

/** Opens a deployment over its metadata store; makes it if there is none. */
export async function openDeployment(directory: string, metadata: MetadataStore): Promise<OpenDeployment> {
  const rootKeyFile = join(directory, 'root.key')
  if (!existsSync(rootKeyFile)) await createRootKeyFile(rootKeyFile)
  const location = { directory, rootKey: fileRootKey(rootKeyFile) }
  const keyring = existsSync(join(directory, keyringFileName))
    ? await openKeyring(location)
    : await createKeyring(location)
  for (const name of ['blobs', 'keys']) await mkdir(join(directory, name), { recursive: true, mode: 0o700 })
  const blobs = await openFilesBlobStore(join(directory, 'blobs'))
  const keyStore = new SealedKeyStore(await FilesKeyStore.open(join(directory, 'keys')), keyring.keyStoreKeys)
  const kms = new KeyService(keyStore)
  const { currentId: currentKeyId, keys } = keyring.metadataKeys
  const recordSealer = new RecordSealer({ currentKeyId, keys })
  const closeAll: (() => Promise<void> | void)[] = [
    () => keyring.close(),
    () => recordSealer.close(),
    () => kms.close(),
    () => blobs.close(),
  ]
  const close = async () => {
    for (const closeOne of closeAll.reverse()) await closeOne()
  }
  try {
    const rootCredentials = { accessKeyId: rootSigner.accessKeyId, secretAccessKey: rootSigner.secret.toString() }
    const accounts = await createAccounts({
      metadata,
      recordSealer,
      rootCredentials,
      now: Date.now,
      random: randomBytes,
    })
    closeAll.push(() => accounts.close())
    const plainDataKeys = keyring.dataKeys
    const stores = { metadata, blobs, kms, recordSealer, plainDataKeys }
    const settings = { rootAccountId: accounts.rootAccountId, region, defaultKey, defaultEncryption: 'none' } as const
    const engine = await createEngine({ ...stores, ...settings })
    closeAll.push(() => engine.close())
    const handle = createS3Handler({ engine, accounts, region, defaultEncryption: 'none', onUnexpectedError: () => {} })
    const ofAccounts: AccountsCheck = (snapshot, onProblem) => checkAccounts(recordSealer, snapshot, onProblem)
    const check = () =>
      fsck({ ...stores, checkAccounts: ofAccounts, verifyData: true, now: Date.now, random: randomBytes })
    return { engine, accounts, handle, stores, fsck: check, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** All entries, by key in hex. */
export async function allEntries(metadata: MetadataStore): Promise<Map<string, Entry>> {
  const snapshot = metadata.snapshot()
  try {
    const entries = await snapshot.list({ gte: Buffer.of(0), lt: Buffer.of(0xff), limit: 100_000 })
    return new Map(entries.map((entry) => [Buffer.from(entry.key).toString('hex'), entry]))
  } finally {
    snapshot.release()
  }
}

/** Puts entries back as they were. */
export async function restoreEntries(metadata: MetadataStore, wanted: ReadonlyMap<string, Entry>): Promise<void> {
  const found = await allEntries(metadata)
  const puts = [...wanted.values()].filter(({ key, value }) => {
    const now = found.get(Buffer.from(key).toString('hex'))
    return !now || Buffer.compare(now.value, value) !== 0
  })
  const deletes = [...found].filter(([id]) => !wanted.has(id)).map(([, { key }]) => key)
  for (let start = 0; start < Math.max(puts.length, deletes.length); start += 40) {
    await metadata.commit({ puts: puts.slice(start, start + 40), deletes: deletes.slice(start, start + 40) })
  }
}
