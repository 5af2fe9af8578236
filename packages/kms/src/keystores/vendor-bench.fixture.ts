/**
 * A vendor's service of its own for every test, and stores over it.
 *
 * @module
 */
import { type VendorHandler, type VendorRequest, VendorServer } from '../../../../tests/support/vendor-server.ts'
import type { KeyStore } from '../contract.ts'
import type { KeyStoreHarness } from './key-store.suite.ts'
import type { KeyStoreSettings, StoreConnectionSettings } from './key-store-settings.ts'
import { openKeyStore } from './open-key-store.ts'
import type { StoreDependencies } from './store-dependencies.ts'

/** A service that a test plays. */
export interface PlayedService {
  readonly handler: VendorHandler
  expireTokens?(): void
}

/** How one vendor's store is tested. */
export interface Vendor<S extends PlayedService, K extends KeyStoreSettings> {
  /** A new service on a given clock. */
  readonly service: (now: () => number) => S
  readonly settings: (service: S, endpoint: string) => K
  readonly isLogin: (request: VendorRequest) => boolean
  /** Puts an entry there. */
  readonly put: (service: S, name: string) => void
  /** Texts that must be in no message. */
  readonly secrets: (service: S) => readonly string[]
  readonly isTextOnly?: true
  readonly canName?: (name: string) => boolean
  /** The service's clock goes on when a store waits: for stores that wait for a moment of that clock. */
  readonly timePasses?: true
}

/** One running service. */
export class VendorBench<S extends PlayedService, K extends KeyStoreSettings & StoreConnectionSettings> {
  readonly service: S
  readonly server: VendorServer
  readonly #vendor: Vendor<S, K>
  readonly #others: VendorServer[] = []

  private constructor(vendor: Vendor<S, K>, service: S, server: VendorServer) {
    this.#vendor = vendor
    this.service = service
    this.server = server
  }

  static async start<S extends PlayedService, K extends KeyStoreSettings & StoreConnectionSettings>(
    vendor: Vendor<S, K>,
  ): Promise<VendorBench<S, K>> {
    let now = Date.now
    const service = vendor.service(() => now())
    const server = await VendorServer.start(service.handler)
    now = () => server.now()
    return new VendorBench(vendor, service, server)
  }

  /** A store that waits for nothing between attempts. */
  open(
    changes: Partial<K> | StoreConnectionSettings = {},
    dependencies: Partial<StoreDependencies> = {},
  ): Promise<KeyStore> {
    const settings: K = {
      ...this.#vendor.settings(this.service, this.server.endpoint),
      tls: { ca: this.server.caPem },
      callTimeoutMs: 20_000,
      totalTimeoutMs: 60_000,
      ...changes,
    }
    const sleep = async (milliseconds: number): Promise<void> => {
      if (this.#vendor.timePasses === true) this.server.clockSkewMs += milliseconds
    }
    return openKeyStore(settings, { sleep, ...dependencies })
  }

  /** Over the same service behind another certificate. */
  async openUntrusted(): Promise<KeyStore> {
    const other = await VendorServer.start(this.service.handler)
    this.#others.push(other)
    const settings: K = { ...this.#vendor.settings(this.service, other.endpoint), tls: { ca: this.server.caPem } }
    return openKeyStore(settings, { sleep: async () => {} })
  }

  async stop(): Promise<void> {
    await this.server.close()
    for (const other of this.#others) await other.close()
  }
}

/** How the contract suite works with such a service. */
export function vendorHarness<S extends PlayedService, K extends KeyStoreSettings & StoreConnectionSettings>(
  vendor: Vendor<S, K>,
): KeyStoreHarness {
  let bench: VendorBench<S, K> | undefined
  const running = (): VendorBench<S, K> => {
    if (bench === undefined) throw new Error('the service is not running')
    return bench
  }
  return {
    ...(vendor.isTextOnly === undefined ? {} : { isTextOnly: vendor.isTextOnly }),
    ...(vendor.canName === undefined ? {} : { canName: vendor.canName }),
    async open() {
      bench = await VendorBench.start(vendor)
      return bench.open()
    },
    openAgain: () => running().open(),
    dispose: () => running().stop(),
    async fill(names) {
      for (const name of names) vendor.put(running().service, name)
    },
    faults: () => {
      const { server, service } = running()
      const expireTokens = service.expireTokens?.bind(service)
      return {
        next: (fault, times, skipped) => server.fail(fault, times, skipped, (request) => !vendor.isLogin(request)),
        nextNone: () => server.failNoMore(),
        requests: () => server.requests.length,
        ...(expireTokens === undefined ? {} : { expireTokens }),
        skewClock: (milliseconds) => {
          server.clockSkewMs = milliseconds
        },
        openImpatient: () => running().open({ callTimeoutMs: 250, totalTimeoutMs: 500 }),
        openUntrusted: () => running().openUntrusted(),
        secrets: vendor.secrets(service),
      }
    },
  }
}
