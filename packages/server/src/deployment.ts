/**
 * The composition root: stores, keyring, key service, engine and accounts of one deployment, wired by the settings. What
 * listens on the network comes on top of it (`./serve.ts`); the command line works on it directly when nothing runs.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { type Accounts, createAccounts, type RootCredentials } from '@strongroom/accounts'
import { createRandomPool, loadChecksums, RecordSealer } from '@strongroom/crypto'
import { createEngine, type MaintainedEngine } from '@strongroom/engine'
import { deriveRootCredentials, type Keyring, type Kms } from '@strongroom/kms'
import { defaultMinFreeBytes, SpaceWatch } from '@strongroom/maintenance'
import {
  type BlobStore,
  type LmdbMetadataStore,
  type LocalMetadataStore,
  openFilesBlobStore,
  openLmdbMetadataStore,
  type StorageError,
} from '@strongroom/storage'
import { Closers } from './closers.ts'
import type { DataDirectory } from './data-directory.ts'
import { openKeyService } from './key-service.ts'
import type { Logger } from './log.ts'
import { openOrCreateKeyring, type RootKeySource, rootKeySource } from './root-key-source.ts'
import type { Environment } from './settings/read-environment.ts'
import type { Settings } from './settings/setting-table.ts'
import { importStaticKey } from './static-key.ts'

/** What serves requests, in whichever process. */
export interface ServingParts {
  readonly settings: Settings
  readonly directory: DataDirectory
  readonly keyring: Keyring
  readonly metadata: LocalMetadataStore
  readonly blobs: BlobStore
  readonly kms: Kms
  /** Refuses writes before a medium is full. */
  readonly space: SpaceWatch
  readonly recordSealer: RecordSealer
  readonly accounts: Accounts
  readonly engine: MaintainedEngine
  /** Of the first account: as set, or derived from the keyring. */
  readonly rootCredentials: RootCredentials
  /** Reads again what the key service shows and believes. @throws ServerError `invalid-settings` */
  reload(): Promise<void>
}

export interface Deployment extends ServingParts {
  readonly metadata: LmdbMetadataStore
  readonly rootKeySource: RootKeySource
  close(): Promise<void>
}

/** What other processes have to do with the parts of this one: none by default. */
export interface Neighbours {
  /** Told of every change of a key made here; the change is answered when it has resolved. Must not reject. */
  readonly onKeyChange?: (name: string) => Promise<void>
  /** Whether another process reads a part table, by its id. Must not reject. */
  readonly isReadElsewhere?: (tableId: Uint8Array) => Promise<boolean>
}

export interface DeploymentOptions extends Neighbours {
  readonly log: Logger
  /** `$CREDENTIALS_DIRECTORY` of a service manager. */
  readonly credentialsDirectory?: string | undefined
  /** What `${NAME}` stands for in the section `keystore`. Default: nothing. */
  readonly environment?: Environment
  /** Told of every call to the key service. */
  readonly onKmsCall?: (operation: string, result: string, milliseconds: number) => void
}

/** Opens everything, or nothing. The caller holds the instance lock. @throws ServerError, StorageError, KmsError */
export async function openDeployment(
  settings: Settings,
  directory: DataDirectory,
  options: DeploymentOptions,
): Promise<Deployment> {
  const closers = new Closers()
  const close = (): Promise<void> =>
    closers.closeAll((what, error) => options.log.error({ error }, `${what} did not close cleanly`))
  try {
    return { ...(await open(settings, directory, options, closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A store that can neither finish nor undo a write is whole only if this process ends before the write does. */
function dieAtOnce(error: StorageError): void {
  writeSync(2, `strongroom: ${error.message}: ending at once to keep the metadata whole\n`)
  process.kill(process.pid, 'SIGKILL')
}

async function open(
  settings: Settings,
  directory: DataDirectory,
  options: DeploymentOptions,
  closers: Closers,
): Promise<Omit<Deployment, 'close'>> {
  const { log, credentialsDirectory } = options
  const source = await rootKeySource(settings, directory, credentialsDirectory)
  const keyring = await openOrCreateKeyring(directory, source)
  closers.add('keyring', () => keyring.close())

  const metadata = await openLmdbMetadataStore(directory.metadata, {
    onFatal: dieAtOnce,
    onWarning: (message) => log.warn(message),
  })
  closers.add('metadata store', () => metadata.close())
  const prepare = async (kms: Kms): Promise<void> => {
    if (settings.staticKey !== undefined) await importStaticKey(settings.staticKey, kms)
  }
  const parts = await openServingParts(settings, directory, { ...options, keyring, metadata, prepare }, closers)
  await tellOfLostKey(parts.engine, defaultKeyOf(settings), log)
  return { ...parts, metadata, rootKeySource: source }
}

export interface ServingPartsOptions extends DeploymentOptions {
  readonly keyring: Keyring
  readonly metadata: LocalMetadataStore
  /** Done before anything else asks the key service. */
  readonly prepare?: (kms: Kms) => Promise<void>
  /** Of the writer session, 8 bytes. Default: random. */
  readonly sessionId?: Uint8Array
  /** How long it is believed what space is free, in milliseconds. Default 1,000. */
  readonly spaceAgeMs?: number
}

/** What lies over a keyring and a metadata store, which stay the caller's. Whatever was opened is in `closers`. */
export async function openServingParts(
  settings: Settings,
  directory: DataDirectory,
  options: ServingPartsOptions,
  closers: Closers,
): Promise<ServingParts> {
  const { log, environment = {}, onKmsCall, keyring, metadata, onKeyChange, isReadElsewhere, sessionId } = options
  await loadChecksums()
  const blobs = await openFilesBlobStore(directory.blobs)
  closers.add('blob store', () => blobs.close())

  const space = await watchSpace(settings, { metadata, blobs }, options)
  const sources = { settings, directory, keyring, log, environment }
  const keyService = await openKeyService({ ...sources, onCall: onKmsCall, onChange: onKeyChange })
  const { kms } = keyService
  closers.add('key service', async () => {
    keyService.stopWatching()
    await kms.close()
  })
  await options.prepare?.(kms)

  const { currentId, keys } = keyring.metadataKeys
  const recordSealer = new RecordSealer({ currentKeyId: currentId, keys })
  closers.add('record sealer', () => recordSealer.close())
  const rootCredentials = configuredCredentials(settings) ?? deriveRootCredentials(keyring)
  const random = createRandomPool()
  const accounts = await createAccounts({ metadata, recordSealer, rootCredentials, now: Date.now, random: randomBytes })
  closers.add('accounts', () => accounts.close())

  const engine = await createEngine({
    metadata,
    blobs,
    kms,
    recordSealer,
    plainDataKeys: keyring.dataKeys,
    rootAccountId: accounts.rootAccountId,
    region: settings.region,
    defaultEncryption: settings.defaultEncryption,
    defaultKey: defaultKeyOf(settings),
    requireEncryption: settings.requireEncryption,
    compatibility: settings.compatibility,
    space,
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(isReadElsewhere === undefined ? {} : { isReadElsewhere }),
    now: Date.now,
    random,
  })
  closers.add('engine', () => engine.close())
  const stores = { keyring, metadata, blobs, kms, space, recordSealer }
  return { settings, directory, ...stores, accounts, engine, rootCredentials, reload: keyService.reload }
}

/** Measured once before the first request. The log says when writes stop, and when they go on. */
async function watchSpace(
  { minFreeSpace }: Settings,
  { metadata, blobs }: Pick<ServingParts, 'metadata' | 'blobs'>,
  { log, spaceAgeMs }: Pick<ServingPartsOptions, 'log' | 'spaceAgeMs'>,
): Promise<SpaceWatch> {
  const media = [
    { name: 'objects', takesBodies: true, capacity: () => blobs.capacity() },
    { name: 'metadata', takesBodies: false, capacity: () => metadata.capacity() },
  ]
  const space = new SpaceWatch(media, {
    minFreeBytes: (totalBytes) => {
      if (minFreeSpace === 'auto') return defaultMinFreeBytes(totalBytes)
      return 'bytes' in minFreeSpace ? minFreeSpace.bytes : Math.floor(totalBytes * minFreeSpace.share)
    },
    onChange: (medium, isLow, freeBytes) => {
      if (isLow) log.error({ medium, freeBytes }, 'storage is full: writes are refused until space is freed')
      else log.warn({ medium, freeBytes }, 'there is room in storage again: writes are taken')
    },
    onError: (error) => log.warn({ error }, 'free space cannot be told'),
    ...(spaceAgeMs === undefined ? {} : { maxAgeMs: spaceAgeMs }),
  })
  await space.measure()
  return space
}

/** The engine makes no other key in the place of one that its store lost, and starts without it: somebody has to be told. */
async function tellOfLostKey(engine: MaintainedEngine, name: string, log: Logger): Promise<void> {
  // What else may be wrong with the key service shows at the first request.
  const state = await engine.describeKey(name).then(
    (key) => key.state,
    () => undefined,
  )
  if (state !== 'missing') return
  log.error({ key: name }, 'the key store lacks the default key: bring the store back, or import the key again')
}

const configuredCredentials = ({ rootUser, rootPassword }: Settings): RootCredentials | undefined =>
  rootUser === undefined || rootPassword === undefined
    ? undefined
    : { accessKeyId: rootUser, secretAccessKey: rootPassword }

/** The name of the deployment's key. */
export const defaultKeyOf = ({ staticKey, defaultKey }: Settings): string => staticKey?.split(':')[0] ?? defaultKey
