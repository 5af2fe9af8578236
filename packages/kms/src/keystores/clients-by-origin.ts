/**
 * The clients of the services around a key store: where its tokens come from.
 *
 * @module
 */
import type { StoreConnectionSettings } from './key-store-settings.ts'
import { type StoreAnswer, StoreClient } from './store-client.ts'
import type { StoreDependencies } from './store-dependencies.ts'
import type { StoreTls } from './store-tls.ts'

/** How these clients are made. */
export interface ClientsByOriginOptions {
  /** Name for messages, as in `Google`. */
  readonly store: string
  readonly settings: StoreConnectionSettings
  readonly tls: StoreTls
  readonly secrets: () => Iterable<string>
  /** Statuses that pass by themselves, beside 429 and 5xx. */
  readonly passingStatuses?: readonly number[]
  /** Answers that stay what they are. */
  readonly isFinal?: (answer: StoreAnswer) => boolean
}

/** One client per origin, with the store's own settings. */
export class ClientsByOrigin {
  readonly #options: ClientsByOriginOptions
  readonly #dependencies: StoreDependencies
  readonly #clients = new Map<string, StoreClient>()

  constructor(options: ClientsByOriginOptions, dependencies: StoreDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /** The client of an address's origin; paths are given to it whole. @throws StoreError when it is no http or https */
  for(url: URL): StoreClient {
    const known = this.#clients.get(url.origin)
    if (known !== undefined) return known
    const { store, settings, tls, secrets, passingStatuses = [], isFinal } = this.#options
    const client = new StoreClient(
      {
        store,
        endpoint: url.origin,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        passingStatuses,
        ...(isFinal === undefined ? {} : { isFinal }),
        secrets,
      },
      this.#dependencies,
    )
    this.#clients.set(url.origin, client)
    return client
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }
}
