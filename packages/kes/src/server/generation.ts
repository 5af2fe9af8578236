/**
 * Everything that one configuration makes: rules, routes, key service, key store. A reload makes the next generation; requests
 * end in the one they began in, and a generation is closed when its last one has.
 *
 * @module
 */
import type { RandomSource } from '@strongroom/crypto'
import { KeyService, type KeyStore, KmsError } from '@strongroom/kms'
import type { KesServerOptions } from '../contract.ts'
import { PolicyTable } from '../protocol/policies.ts'
import { type Route, RouteTable } from '../protocol/routes.ts'
import type { ErrorLog } from './error-log.ts'
import { GuardedKeyStore } from './guarded-key-store.ts'
import { TlsProxies } from './tls-proxy.ts'

export interface GenerationDependencies {
  readonly now: () => number
  readonly random: RandomSource | undefined
  readonly errorLog: ErrorLog
  /** CAs in PEM of this configuration. */
  readonly ca: readonly string[]
}

/** KES's largest body: no plaintext can be longer. */
const maxPlaintextBytes = 1_000_000

/** See the module. */
export class Generation {
  readonly options: KesServerOptions
  readonly policies: PolicyTable
  readonly routes: RouteTable
  readonly proxies: TlsProxies
  readonly store: GuardedKeyStore
  readonly keys: KeyService
  #inFlight = 0
  #isRetired = false
  #whenIdle: (() => void) | undefined

  private constructor(parts: Pick<Generation, 'options' | 'policies' | 'routes' | 'proxies' | 'store' | 'keys'>) {
    this.options = parts.options
    this.policies = parts.policies
    this.routes = parts.routes
    this.proxies = parts.proxies
    this.store = parts.store
    this.keys = parts.keys
  }

  /** @throws KesError `invalid-config`, and what opening the key store or making `keys` throws for good */
  static async create(options: KesServerOptions, dependencies: GenerationDependencies): Promise<Generation> {
    const { now, random, errorLog, ca } = dependencies
    const { tls } = options
    const policies = new PolicyTable({
      adminIdentity: options.adminIdentity,
      ...(options.policies === undefined ? {} : { policies: options.policies }),
      ...(tls.proxyIdentities === undefined ? {} : { proxyIdentities: tls.proxyIdentities }),
    })
    const proxies = new TlsProxies({
      identities: tls.proxyIdentities ?? [],
      header: tls.proxyCertificateHeader ?? '',
      ca: tls.verifyClients === true ? ca : undefined,
      now,
    })
    const store = await GuardedKeyStore.open({
      open: options.openKeyStore,
      report: (isReachable, detail) => {
        const pairs = options.keyStoreLabel === undefined ? [] : ['keystore', options.keyStoreLabel]
        if (isReachable) errorLog.write('INFO', 'key store is reachable again', pairs)
        else errorLog.write('ERROR', `key store is not reachable: ${detail}`, pairs)
      },
      opened: (opened) => createKeys(opened, options, dependencies),
      ...(options.keyStorePingMs === undefined ? {} : { pingMs: options.keyStorePingMs }),
    })
    const keys = new KeyService(store, {
      ...(options.cache === undefined ? {} : { expiry: options.cache }),
      maxPlaintextBytes,
      now,
      ...(random === undefined ? {} : { random }),
    })
    return new Generation({ options, policies, routes: new RouteTable(options.api), proxies, store, keys })
  }

  /** Whether somebody would be let in now, by a connection on which an earlier generation let him in. */
  admits({ name }: Route, identity: string, path: string): boolean {
    const isOpen = this.routes.all.some((route) => route.name === name && route.auth !== 'policy')
    return isOpen || this.policies.isAllowed(identity, path)
  }

  enter(): void {
    this.#inFlight++
  }

  leave(): void {
    this.#inFlight--
    if (this.#isRetired && this.#inFlight === 0) this.#whenIdle?.()
  }

  /** Closes keys and store once no request needs them any more, or after `graceMs`. */
  async retire(graceMs: number): Promise<void> {
    this.#isRetired = true
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        this.#whenIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await this.keys.close()
  }
}

/** Makes the keys of the configuration that are not there, the admin being their owner (kes-protocol 10). */
async function createKeys(
  store: KeyStore,
  { keys = [], adminIdentity }: KesServerOptions,
  { now, random, errorLog }: GenerationDependencies,
): Promise<void> {
  if (keys.length === 0) return
  // One of its own, so that nothing stays loaded; its store is not its to close.
  const service = new KeyService(withoutClose(store), { now, ...(random === undefined ? {} : { random }) })
  try {
    for (const name of keys) {
      try {
        await service.createKey(name, { createdBy: adminIdentity })
      } catch (error) {
        if (!(error instanceof KmsError)) throw error
        // Deleted and recoverable: whoever deleted it decides, and the other keys are served meanwhile.
        if (error.code === 'key-pending-deletion')
          errorLog.write('ERROR', `failed to create key '${name}': ${error.message}`)
        else if (error.code !== 'key-exists' && !(error.code === 'invalid-name' && (await isThere(service, name))))
          throw error
      }
    }
  } finally {
    await service.close()
  }
}

/** A key that moved in from KES may have a name that no new key can have. */
async function isThere(service: KeyService, name: string): Promise<boolean> {
  try {
    await service.describeStored(name)
    return true
  } catch (error) {
    if (error instanceof KmsError && (error.code === 'key-not-found' || error.code === 'invalid-name')) return false
    throw error
  }
}

function withoutClose(store: KeyStore): KeyStore {
  return {
    create: (name, value) => store.create(name, value),
    get: (name) => store.get(name),
    delete: (name) => store.delete(name),
    list: (prefix) => store.list(prefix),
    status: () => store.status(),
    close: async () => undefined,
  }
}
