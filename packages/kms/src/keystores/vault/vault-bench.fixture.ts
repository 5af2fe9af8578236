/**
 * A Vault of its own for every test, and stores over it.
 *
 * @module
 */
import { VaultServer, type VaultServerOptions } from '../../../../../tests/support/vault-server.ts'
import { VendorServer } from '../../../../../tests/support/vendor-server.ts'
import type { KeyStore } from '../../contract.ts'
import type { KeyStoreHarness } from '../key-store.suite.ts'
import type { VaultKeyStoreSettings } from '../key-store-settings.ts'
import { openKeyStore } from '../open-key-store.ts'
import type { StoreDependencies } from '../store-dependencies.ts'

/** Long enough for the look after a write to version 1, short enough for tests. */
const shortSleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, Math.min(milliseconds, 100)))

/** One service. */
export class VaultBench {
  readonly vault: VaultServer
  readonly server: VendorServer
  readonly #others: VendorServer[] = []

  private constructor(vault: VaultServer, server: VendorServer) {
    this.vault = vault
    this.server = server
  }

  static async start(options: Omit<VaultServerOptions, 'now'> = {}): Promise<VaultBench> {
    let now = Date.now
    const vault = new VaultServer({ ...options, now: () => now() })
    const server = await VendorServer.start(vault.handler)
    now = () => server.now()
    return new VaultBench(vault, server)
  }

  open(
    settings: Partial<VaultKeyStoreSettings> = {},
    dependencies: Partial<StoreDependencies> = {},
  ): Promise<KeyStore> {
    const { role_id: id, secret_id: secret } = this.vault.approle
    return openKeyStore(
      {
        kind: 'vault',
        endpoint: this.server.endpoint,
        engine: settings.version === 'v2' ? 'kv2' : 'kv1',
        tls: { ca: this.server.caPem },
        callTimeoutMs: 20_000,
        totalTimeoutMs: 60_000,
        login: { method: 'approle', id, secret },
        ...settings,
      },
      { sleep: shortSleep, ...dependencies },
    )
  }

  /** The same service behind another certificate. */
  async openUntrusted(settings: Partial<VaultKeyStoreSettings>): Promise<KeyStore> {
    const other = await VendorServer.start(this.vault.handler)
    this.#others.push(other)
    return this.open({ ...settings, endpoint: other.endpoint })
  }

  async stop(): Promise<void> {
    await this.server.close()
    for (const other of this.#others) await other.close()
  }
}

/** How the contract suite works with such a service. */
export function vaultHarness(
  settings: Partial<VaultKeyStoreSettings>,
  options: Omit<VaultServerOptions, 'now'> = {},
): KeyStoreHarness {
  let bench: VaultBench | undefined
  const running = (): VaultBench => {
    if (bench === undefined) throw new Error('the service is not running')
    return bench
  }
  return {
    isTextOnly: true,
    // HashiCorp's Vault gives all names in one answer, and does not tell the deleted ones: a request for each.
    ...(settings.version === 'v2' && options.listsByPages !== true ? { manyNames: 1_200 } : {}),
    async open() {
      bench = await VaultBench.start(options)
      return bench.open(settings)
    },
    openAgain: () => running().open(settings),
    dispose: () => running().stop(),
    async fill(names) {
      const { vault } = running()
      const prefix = settings.prefix === undefined ? '' : `${settings.prefix}/`
      for (const name of names) {
        if (settings.version === 'v2') {
          vault.kv2.set(`${prefix}${name}`, [{ data: { [name]: 'value' }, deletionTime: '', isDestroyed: false }])
        } else vault.kv1.set(`${prefix}${name}`, { [name]: 'value' })
      }
    },
    faults: () => {
      const { server, vault } = running()
      return {
        next: (fault, times, skipped) => server.fail(fault, times, skipped, ({ path }) => !path.endsWith('/login')),
        nextNone: () => server.failNoMore(),
        requests: () => server.requests.length,
        expireTokens: () => vault.expireTokens(),
        skewClock: (milliseconds) => {
          server.clockSkewMs = milliseconds
        },
        openImpatient: () => running().open({ ...settings, callTimeoutMs: 250, totalTimeoutMs: 500 }),
        openUntrusted: () => running().openUntrusted(settings),
        secrets: [vault.approle.secret_id],
      }
    },
  }
}
