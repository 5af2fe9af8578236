/**
 * A key store as a server that must not depend on it sees it: every call ends within a bounded time, a store that cannot be
 * opened is tried again and again, and what goes wrong is reported once per change (kes-protocol 10, issue: degraded start).
 *
 * @module
 */
import { type KeyStore, KmsError, replaceEntry } from '@strongroom/kms'

export interface GuardedKeyStoreOptions {
  readonly open: () => Promise<KeyStore>
  /** Longest time of one call, in milliseconds. Default 10,000: an answer still comes within the routes' 15 s. */
  readonly timeoutMs?: number
  /** First time after which opening is tried again, doubled up to 30 s. Default 1,000. */
  readonly retryMs?: number
  /** How often the store is asked how it is, in milliseconds. Default 0: only when somebody else asks. */
  readonly pingMs?: number
  /** Told when the store goes and when it comes back. */
  readonly report: (isReachable: boolean, detail: string) => void
  /** Called whenever the store has been opened. What it throws is reported and has it called again after a while. */
  readonly opened: (store: KeyStore) => Promise<void>
}

/** What a probe found. */
export interface StoreHealth {
  readonly reachable: boolean
  readonly detail?: string
  /** Milliseconds, 1 at least. */
  readonly latencyMs: number
}

const longestRetryMs = 30_000
const longestTimerMs = 2_147_483_647
/** A probe is shared by all who ask within this time: a flood of status requests is no flood of calls. */
const probeValidMs = 100

type Status = { readonly reachable: boolean; readonly detail?: string }

/** See the module. */
export class GuardedKeyStore implements KeyStore {
  calls = 0
  failures = 0
  isReachable = true
  readonly #options: Required<GuardedKeyStoreOptions>
  #store: KeyStore | undefined
  #cause = 'the key store is not open yet'
  #timer: NodeJS.Timeout | undefined
  #pings: NodeJS.Timeout | undefined
  #probe: { readonly health: Promise<StoreHealth>; endedAt: number } | undefined
  #isClosed = false

  private constructor(options: GuardedKeyStoreOptions) {
    this.#options = { timeoutMs: 10_000, retryMs: 1_000, pingMs: 0, ...options }
  }

  /**
   * Opens a store. One that cannot be reached is opened later.
   *
   * @throws what `open` and `opened` throw, other than KmsError `unreachable` and `busy`
   */
  static async open(options: GuardedKeyStoreOptions): Promise<GuardedKeyStore> {
    const guarded = new GuardedKeyStore(options)
    try {
      await guarded.#open()
    } catch (error) {
      if (!isTransient(error)) {
        await guarded.close()
        throw error
      }
      guarded.#lost(error)
      guarded.#retry(guarded.#options.retryMs)
    }
    guarded.#ping()
    return guarded
  }

  create(name: string, value: Uint8Array): Promise<void> {
    return this.#call((store) => store.create(name, value))
  }

  get(name: string): Promise<Uint8Array> {
    return this.#call((store) => store.get(name))
  }

  delete(name: string): Promise<void> {
    return this.#finish((store) => store.delete(name))
  }

  /** Each page has the whole time. */
  async *list(prefix: string): AsyncIterable<string> {
    const names = (await this.#call(async (store) => store.list(prefix)))[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#call(() => names.next())
        if (next.done === true) return
        yield next.value
      }
    } finally {
      // Not waited for: a page that never comes would hold up the end, too.
      names.return?.()?.catch(() => undefined)
    }
  }

  /** Whether the store keeps deleted entries for a while; `false` while it is not open. */
  get hasRecoveryWindow(): boolean {
    return this.#store?.purge !== undefined
  }

  /** Where the store keeps nothing of deleted entries, to delete one is to destroy it. */
  purge(name: string): Promise<void> {
    return this.#finish((store) => store.purge?.(name) ?? store.delete(name))
  }

  replace(name: string, value: Uint8Array): Promise<void> {
    return this.#call((store) => replaceEntry(store, name, value))
  }

  recover(name: string): Promise<void> {
    return this.#finish(async (store) => {
      if (store.recover === undefined) throw new KmsError('key-not-found', 'this key store keeps no deleted keys')
      await store.recover(name)
    })
  }

  async status(): Promise<Status> {
    const { reachable, detail } = await this.health()
    return { reachable, ...(detail === undefined ? {} : { detail }) }
  }

  /** Asks the store how it is; never throws. */
  health(): Promise<StoreHealth> {
    const known = this.#probe
    if (known !== undefined && performance.now() - known.endedAt < probeValidMs) return known.health
    const health = this.#ask()
    const probe = { health, endedAt: Number.POSITIVE_INFINITY }
    this.#probe = probe
    void health.then(() => {
      probe.endedAt = performance.now()
    })
    return health
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearInterval(this.#pings)
    const store = this.#store
    this.#store = undefined
    this.#cause = 'the key store is closed'
    await store?.close()
  }

  async #ask(): Promise<StoreHealth> {
    const startedAt = performance.now()
    try {
      const status = await this.#call(
        (store) => store.status(),
        ({ reachable }) => reachable,
      )
      const latencyMs = Math.max(1, Math.round(performance.now() - startedAt))
      if (status.reachable) return { reachable: true, latencyMs }
      const detail = status.detail ?? 'the key store does not answer'
      this.#lost(new KmsError('unreachable', detail))
      return { reachable: false, detail, latencyMs }
    } catch (error) {
      return { reachable: false, detail: messageOf(error), latencyMs: 1 }
    }
  }

  /** A change that a store may take minutes for, and goes on with when the answer has been given: the store is there all the while. */
  #finish(work: (store: KeyStore) => Promise<void>): Promise<void> {
    return this.#call(work, () => true, notFinished)
  }

  /** `shows`: whether the result means that the store is there. `late`: the error when the time is over. */
  async #call<T>(
    work: (store: KeyStore) => Promise<T>,
    shows: (result: T) => boolean = () => true,
    late = noAnswer,
  ): Promise<T> {
    const store = this.#store
    this.calls++
    try {
      if (store === undefined) throw new KmsError('unreachable', this.#cause)
      const result = await withinTime(work(store), this.#options.timeoutMs, late)
      if (shows(result)) this.#found()
      return result
    } catch (error) {
      if (isTransient(error)) {
        this.failures++
        // A store that is busy has said so itself.
        if (error.code !== 'busy') this.#lost(error)
      }
      throw error
    }
  }

  async #open(): Promise<void> {
    const opening = this.#options.open()
    let store: KeyStore
    try {
      store = await withinTime(opening, this.#options.timeoutMs)
    } catch (error) {
      // One that opens too late is not left open.
      opening.then((late) => late.close()).catch(() => undefined)
      throw error
    }
    if (this.#isClosed) return store.close()
    this.#store = store
    try {
      await this.#options.opened(this)
      this.#found()
    } catch (error) {
      if (!isTransient(error)) this.#store = undefined
      if (this.#store === undefined) await store.close()
      throw error
    }
  }

  #retry(afterMs: number): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      const again = this.#store === undefined ? this.#open() : this.#options.opened(this)
      again.catch((error: unknown) => {
        this.#lost(error)
        this.#retry(Math.min(afterMs * 2, longestRetryMs))
      })
    }, afterMs)
    this.#timer.unref()
  }

  /** One that is not open yet is being tried anyway. */
  #ping(): void {
    const { pingMs } = this.#options
    if (pingMs === 0) return
    this.#pings = setInterval(
      () => {
        if (this.#store !== undefined) void this.health()
      },
      Math.min(pingMs, longestTimerMs),
    )
    this.#pings.unref()
  }

  #lost(error: unknown): void {
    this.#cause = this.#store === undefined ? messageOf(error) : this.#cause
    if (!this.isReachable || this.#isClosed) return
    this.isReachable = false
    this.#options.report(false, messageOf(error))
  }

  #found(): void {
    if (this.isReachable) return
    this.isReachable = true
    this.#options.report(true, '')
  }
}

function isTransient(error: unknown): error is KmsError {
  return error instanceof KmsError && (error.code === 'unreachable' || error.code === 'busy')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error'
}

function noAnswer(timeoutMs: number): KmsError {
  return new KmsError('unreachable', `the key store did not answer within ${timeoutMs} ms`)
}

function notFinished(timeoutMs: number): KmsError {
  return new KmsError('busy', `the key store has not finished within ${timeoutMs} ms, and goes on: look again later`)
}

function withinTime<T>(work: Promise<T>, timeoutMs: number, late = noAnswer): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late(timeoutMs)), timeoutMs)
    work.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
