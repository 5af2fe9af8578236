/**
 * Reads a KES config file from disk, and makes of it what a KES server is told.
 *
 * @module
 */
import { readFile, stat } from 'node:fs/promises'
import type { KeyStore } from '@strongroom/kms'
import type { KesServerOptions } from '../contract.ts'
import { KesError } from '../kes-error.ts'
import { type KesConfig, parseKesConfig, parseKesStore } from './kes-config.ts'
import { readTls } from './read-tls.ts'
import { describeStore, type KesStoreConfig } from './store-config.ts'
import { type Environment, maxConfigLength } from './yaml-source.ts'

/** @throws KesError `invalid-config`: one line for each thing that is wrong */
export async function loadKesConfig(file: string, environment: Environment): Promise<KesConfig> {
  const config = parseKesConfig(await readConfig(file), file, environment)
  await checkStoreFiles(config.store, file)
  return config
}

/** The key store of a config file, nothing else of which need be there. @throws KesError `invalid-config` */
export async function loadKesStore(file: string, environment: Environment): Promise<KesStoreConfig> {
  const store = parseKesStore(await readConfig(file), file, environment)
  await checkStoreFiles(store, file)
  return store
}

/** What the server is told, given somebody who opens key stores. Certificates are read when the server asks for them. */
export function kesServerOptions(
  config: KesConfig,
  openKeyStore: (store: KesStoreConfig) => Promise<KeyStore>,
): KesServerOptions {
  const { address, tls, policies, api, cache, log, keys, store, adminIdentity } = config
  return {
    endpoints: [address],
    tls: {
      load: () => readTls(tls),
      verifyClients: tls.verifyClients,
      proxyIdentities: tls.proxyIdentities,
      ...(tls.proxyCertificateHeader === '' ? {} : { proxyCertificateHeader: tls.proxyCertificateHeader }),
    },
    adminIdentity,
    policies,
    api: Object.fromEntries(api.map(({ path, skipAuth, timeoutMs }) => [path, { skipAuth, timeoutMs }])),
    cache,
    log,
    keys,
    openKeyStore: () => openKeyStore(store),
    keyStoreLabel: describeStore(store),
    ...(store.kind === 'vault' ? { keyStorePingMs: store.pingMs } : {}),
  }
}

async function readConfig(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > maxConfigLength * 4) throw new KesError('invalid-config', `${file}: too long for a config file`)
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof KesError) throw cause
    throw new KesError('invalid-config', `open ${file}: ${reasonOf(cause)}`, { cause })
  }
}

/** What a store's settings name must be there at start, as in KES. */
async function checkStoreFiles(store: KesStoreConfig, file: string): Promise<void> {
  for (const [setting, path] of filesOf(store)) {
    try {
      await stat(path)
    } catch (cause) {
      throw new KesError('invalid-config', `${file}: ${setting}: ${path}: ${reasonOf(cause)}`, { cause })
    }
  }
}

function filesOf(store: KesStoreConfig): readonly (readonly [setting: string, path: string])[] {
  const files =
    store.kind === 'vault' ? vaultFiles(store) : 'caPath' in store ? [['tls.ca', store.caPath] as const] : []
  return files.filter(([, path]) => path !== '').map(([setting, path]) => [`keystore: ${setting}`, path])
}

function vaultFiles({ tls, kubernetes }: KesStoreConfig & { kind: 'vault' }): readonly (readonly [string, string])[] {
  const jwt = kubernetes?.jwt ?? ''
  return [
    ['tls.key', tls.key],
    ['tls.cert', tls.cert],
    ['tls.ca', tls.ca],
    ['kubernetes.jwt', jwt.includes('/') ? jwt : ''],
  ]
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return code === 'ENOENT' ? 'no such file or directory' : `cannot be read${code === '' ? '' : ` (${code})`}`
}
