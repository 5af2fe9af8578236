/**
 * Where the keys are, as the settings say: in the data directory, in another key store behind the built-in key service, or
 * in KES servers. In front of each are bounds in time and load, and a cache of opened data keys. DESIGN 7, kes-protocol 15.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { KesClientOptions } from '@strongroom/kes'
import {
  BoundedKms,
  CachingKms,
  FilesKeyStore,
  type Keyring,
  KeyService,
  type KeyStore,
  type Kms,
  KmsError,
  SealedKeyStore,
} from '@strongroom/kms'
import type { DataDirectory } from './data-directory.ts'
import { KeyServiceWatch } from './key-service-watch.ts'
import type { Logger } from './log.ts'
import { ServerError } from './server-error.ts'
import type { Environment } from './settings/read-environment.ts'
import type { Settings } from './settings/setting-table.ts'

export interface OpenKeyServiceOptions {
  readonly settings: Settings
  readonly directory: DataDirectory
  readonly keyring: Keyring
  readonly log: Logger
  /** What `${NAME}` stands for in the section `keystore`. */
  readonly environment: Environment
  /** Told of every call. */
  readonly onCall?: ((operation: string, result: string, milliseconds: number) => void) | undefined
  /** See `CachingKmsOptions`. */
  readonly onChange?: ((name: string) => Promise<void>) | undefined
}

export interface OpenedKeyService {
  /** The caller closes it. */
  readonly kms: Kms
  /** Reads client certificates and CAs again. @throws ServerError `invalid-settings` */
  reload(): Promise<void>
  /** To be called before it is closed. */
  stopWatching(): void
}

/** A key service without bounds yet. */
interface Source {
  readonly kms: Kms
  readonly reload: () => Promise<void>
}

const nothingToReload = async (): Promise<void> => undefined

/** Connects to nobody: what cannot be reached now is tried again at each call. @throws ServerError `invalid-settings` */
export async function openKeyService(options: OpenKeyServiceOptions): Promise<OpenedKeyService> {
  const { settings, onCall, onChange, log } = options
  const watch = new KeyServiceWatch({ log })
  const { kms, reload } = settings.kesEndpoints.length > 0 ? await openKes(options) : await openBuiltIn(options)
  const bounded = new BoundedKms(kms, {
    timeoutMs: settings.kmsTimeout,
    maxInFlight: settings.kmsConcurrency,
    maxQueued: settings.kmsQueue,
    observe: (operation, result, milliseconds) => {
      onCall?.(operation, result, milliseconds)
      watch.noteCall(result, kms)
    },
  })
  const cache = { maxEntries: settings.dataKeyCacheEntries, maxAgeMs: settings.dataKeyCacheTime }
  const noting = onChange === undefined ? {} : { onChange }
  return { kms: new CachingKms(bounded, { ...cache, ...noting }), reload, stopWatching: () => watch.stop() }
}

async function openBuiltIn(options: OpenKeyServiceOptions): Promise<Source> {
  const keys = new KeyService(await openKeyStoreOf(options), { createdBy: 'strongroom' })
  return { kms: keys, reload: await keyStoreReload(options) }
}

/** Objects in flight need the keys of the store that is open, so another one is not taken at a reload: it is told. */
async function keyStoreReload({
  settings: { keyStore },
  environment,
  log,
}: Pick<OpenKeyServiceOptions, 'settings' | 'environment' | 'log'>): Promise<() => Promise<void>> {
  if (keyStore === undefined) return nothingToReload
  const kes = await import('@strongroom/kes')
  // It holds secrets.
  const digest = async (): Promise<string> =>
    createHash('sha256')
      .update(JSON.stringify(await kes.loadKesStore(keyStore, environment)))
      .digest('hex')
  const opened = await inWords(digest)
  return async () => {
    if ((await inWords(digest)) === opened) return
    log.warn({ file: keyStore }, 'the section keystore has changed: it is used after a restart, not after a reload')
  }
}

/**
 * The place of the keys of a deployment that has them itself. The files of the data directory are sealed; other stores hold
 * what KES would write there. @throws ServerError `invalid-settings`
 */
export async function openKeyStoreOf({
  settings,
  directory,
  keyring,
  environment,
}: Pick<OpenKeyServiceOptions, 'settings' | 'directory' | 'keyring' | 'environment'>): Promise<KeyStore> {
  const { keyStore } = settings
  if (keyStore === undefined) return new SealedKeyStore(await FilesKeyStore.open(directory.keys), keyring.keyStoreKeys)
  const kes = await import('@strongroom/kes')
  return inWords(async () => kes.openKesStore(await kes.loadKesStore(keyStore, environment), environment))
}

async function openKes({ settings, log }: OpenKeyServiceOptions): Promise<Source> {
  const kes = await import('@strongroom/kes')
  const client = await inWords(async () => {
    const endpoints = kes.parseEndpoints(settings.kesEndpoints.join(',')).map(({ url }) => url)
    const caPath = caPathOf(settings)
    return kes.KesClient.open({
      endpoints,
      credentials: credentialsOf(settings),
      ...(caPath === undefined ? {} : { ca: () => kes.readCertificateAuthorities(caPath) }),
      callTimeoutMs: attemptTimeout(settings.kmsTimeout, endpoints.length),
      totalTimeoutMs: settings.kmsTimeout,
      maxSockets: settings.kmsConcurrency,
      onReloadError: (error) => log.error({ error }, 'the client certificate for the KES servers cannot be used'),
    })
  })
  return { kms: new kes.KesKms(client), reload: () => inWords(() => client.reload()) }
}

/** For MinIO's clients: what keeps the keys, and where. */
export const describeKeyService = ({ kesEndpoints }: Settings): { name: string; endpoints: readonly string[] } =>
  kesEndpoints.length > 0
    ? { name: 'MinIO KES', endpoints: kesEndpoints }
    : { name: 'Strongroom', endpoints: ['127.0.0.1'] }

/** As in MinIO, the CAs beside the server's own certificates are believed. */
function caPathOf({ kesCa, certsDir }: Settings): string | undefined {
  if (kesCa !== undefined) return kesCa
  const ordinary = certsDir === undefined ? undefined : join(certsDir, 'CAs')
  return ordinary !== undefined && existsSync(ordinary) ? ordinary : undefined
}

function credentialsOf({
  kesApiKey,
  kesCertFile = '',
  kesKeyFile = '',
  kesKeyPassword,
}: Settings): KesClientOptions['credentials'] {
  if (kesApiKey !== undefined) return { apiKey: kesApiKey }
  const password = kesKeyPassword === undefined ? {} : { password: kesKeyPassword }
  return { certFile: kesCertFile, keyFile: kesKeyFile, ...password }
}

const leastAttemptMs = 250

/** A server that does not answer must leave time for the next one. */
const attemptTimeout = (totalMs: number, servers: number): number =>
  Math.min(totalMs, Math.max(leastAttemptMs, Math.floor(totalMs / servers)))

/** Settings that can never work, in one clear line. */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  const { KesError } = await import('@strongroom/kes')
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof KesError || error instanceof KmsError)) throw error
    throw new ServerError('invalid-settings', error.message, { cause: error })
  }
}
