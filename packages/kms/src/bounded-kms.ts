/**
 * A `Kms` whose every call ends within a bounded time, with a bounded number of calls under way and waiting, and which
 * fails at once while a key's calls have gone unanswered. DESIGN 1 promise 6.
 *
 * A KMS that is down costs the first callers the time-out; after `failureThreshold` unanswered calls in a row for a key,
 * every further one for that key answers `unreachable` at once, but for one per `retryAfterMs` that tries. Counted per key,
 * because the built-in service goes on with loaded keys when its store is gone.
 *
 * @module
 */
import { CircuitBreaker } from './circuit-breaker.ts'
import type { KeyName, Kms, KmsCallOptions } from './contract.ts'
import { DelegatingKms, type KmsOperation } from './delegating-kms.ts'
import { DescribedKeyStates } from './described-key-states.ts'
import type { KeyStateSource, KeyStateView } from './key-state.ts'
import { KmsError, type KmsErrorCode } from './kms-error.ts'

/** How a call ended: `ok`, the code of its `KmsError`, or `error` for anything else. */
export type KmsResult = 'ok' | 'error' | KmsErrorCode

/** Told of every call once, when it ends. `milliseconds` include the waiting. */
export type KmsObserver = (operation: KmsOperation, result: KmsResult, milliseconds: number) => void

/** Settings of a `BoundedKms`. */
export interface BoundedKmsOptions {
  /** Longest time of a call, waiting included, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** Calls under way at most. Default 64. */
  readonly maxInFlight?: number
  /** Calls waiting for their turn at most; further ones are `busy`. Default 1,024. */
  readonly maxQueued?: number
  /** See the module. Default 5. */
  readonly failureThreshold?: number
  /** See the module. Default 1,000. */
  readonly retryAfterMs?: number
  /** For metrics and exact counts. */
  readonly observe?: KmsObserver
  /** Clock in milliseconds that never goes back. Default `performance.now`. */
  readonly now?: () => number
}

/**
 * A signal that is made only when somebody looks at it: the built-in service never does for a key that is loaded, and an
 * `AbortController` costs as much as the encryption of a data key.
 */
class LazySignal {
  #controller: AbortController | undefined
  #reason: KmsError | undefined

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: KmsError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/** A call on its way. */
interface Call {
  /** Begins it, or does nothing if it has ended while it waited. */
  readonly start: () => void
}

/** See the module. Owns and closes `inner`, which must end its calls when their signal says so. */
export class BoundedKms extends DelegatingKms implements KeyStateSource {
  readonly #states: KeyStateSource
  readonly #described: DescribedKeyStates | undefined
  readonly #timeoutMs: number
  readonly #maxInFlight: number
  readonly #maxQueued: number
  readonly #observe: KmsObserver
  readonly #now: () => number
  readonly #breaker: CircuitBreaker
  readonly #queue = new Set<Call>()
  #inFlight = 0

  constructor(inner: Kms & Partial<KeyStateSource>, options: BoundedKmsOptions = {}) {
    super(inner)
    this.#timeoutMs = options.timeoutMs ?? 5_000
    this.#maxInFlight = options.maxInFlight ?? 64
    this.#maxQueued = options.maxQueued ?? 1_024
    this.#observe = options.observe ?? (() => {})
    this.#now = options.now ?? (() => performance.now())
    this.#breaker = new CircuitBreaker({
      failureThreshold: options.failureThreshold ?? 5,
      retryAfterMs: options.retryAfterMs ?? 1_000,
      maxNames: 10_000,
      now: this.#now,
    })
    if (isKeyStateSource(inner)) {
      this.#states = inner
    } else {
      this.#described = new DescribedKeyStates((name) => this.describeKey(name), { now: this.#now })
      this.#states = this.#described
    }
  }

  /** Calls under way and waiting now. */
  get load(): { readonly inFlight: number; readonly queued: number } {
    return { inFlight: this.#inFlight, queued: this.#queue.size }
  }

  peekState(name: KeyName): KeyStateView | undefined {
    return this.#states.peekState(name)
  }

  keyState(name: KeyName, options?: KmsCallOptions): Promise<KeyStateView> {
    // Descriptions are bounded already.
    if (this.#described !== undefined) return this.#described.keyState(name, options)
    return this.call('keyState', name, options, (own) => this.#states.keyState(name, own))
  }

  protected override changed(name: KeyName): void {
    this.#described?.drop(name)
  }

  protected override call<T, O extends KmsCallOptions>(
    operation: KmsOperation,
    name: KeyName,
    options: O | undefined,
    run: (options: O | undefined) => Promise<T>,
  ): Promise<T> {
    const startedMs = this.#now()
    const refusal = this.#refusal(name)
    if (refusal !== undefined) {
      this.#observe(operation, refusal.code, 0)
      return Promise.reject(refusal)
    }
    return new Promise<T>((resolve, reject) => {
      const ending = new LazySignal()
      let hasEnded = false
      const end = (result: KmsResult): boolean => {
        if (hasEnded) return false
        hasEnded = true
        clearTimeout(timer)
        options?.signal?.removeEventListener('abort', onAbort)
        this.#queue.delete(waiting)
        this.#learn(name, result, options?.signal)
        this.#observe(operation, result, this.#now() - startedMs)
        return true
      }
      const giveUp = (message: string): void => {
        if (!end('unreachable')) return
        const error = new KmsError('unreachable', message)
        ending.abort(error)
        reject(error)
      }
      const onAbort = (): void => giveUp('the wait for the key service was ended')
      const timer = setTimeout(
        () => giveUp(`the key service did not answer within ${this.#timeoutMs} ms`),
        this.#timeoutMs,
      )
      const succeed = (value: T): void => {
        this.#leave()
        if (end('ok')) resolve(value)
        else zeroSecrets(value)
      }
      const fail = (error: unknown): void => {
        this.#leave()
        if (end(resultOf(error))) reject(error)
      }
      const waiting: Call = {
        start: () => {
          this.#inFlight++
          const own = {
            ...options,
            get signal() {
              return ending.signal
            },
          }
          // All that `O` has, with another signal.
          run(own as unknown as O).then(succeed, fail)
        },
      }
      options?.signal?.addEventListener('abort', onAbort, { once: true })
      if (options?.signal?.aborted === true) onAbort()
      else if (this.#inFlight < this.#maxInFlight) waiting.start()
      else this.#queue.add(waiting)
    })
  }

  /** Why a call is not even begun. */
  #refusal(name: KeyName): KmsError | undefined {
    if (this.#inFlight >= this.#maxInFlight && this.#queue.size >= this.#maxQueued) {
      return new KmsError('busy', 'too many calls of the key service are waiting')
    }
    if (this.#breaker.enter(name)) return undefined
    return new KmsError('unreachable', 'the key service has not been answering')
  }

  #learn(name: KeyName, result: KmsResult, signal: AbortSignal | undefined): void {
    if (result !== 'unreachable') this.#breaker.succeeded(name)
    else if (signal?.aborted === true) this.#breaker.abandoned(name)
    else this.#breaker.failed(name)
  }

  #leave(): void {
    this.#inFlight--
    for (const next of this.#queue) {
      this.#queue.delete(next)
      next.start()
      return
    }
  }
}

function isKeyStateSource(kms: Kms & Partial<KeyStateSource>): kms is Kms & KeyStateSource {
  return kms.keyState !== undefined && kms.peekState !== undefined
}

function resultOf(error: unknown): KmsResult {
  return error instanceof KmsError ? error.code : 'error'
}

/** An answer that came too late belongs to nobody. */
function zeroSecrets(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0)
  else if (typeof value === 'object' && value !== null && 'plaintext' in value) zeroSecrets(value.plaintext)
}
