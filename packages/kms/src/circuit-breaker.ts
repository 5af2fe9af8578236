/**
 * When to stop asking somebody who does not answer.
 *
 * @module
 */

/** Settings of a `CircuitBreaker`. */
export interface CircuitBreakerOptions {
  /** So many failures in a row open it. */
  readonly failureThreshold: number
  /** So long nobody is let through, then one at a time until one succeeds; in milliseconds. */
  readonly retryAfterMs: number
  /** Names remembered at most. */
  readonly maxNames: number
  /** Clock in milliseconds that never goes back. */
  readonly now: () => number
}

interface Trouble {
  failures: number
  openUntilMs: number
  isProbing: boolean
}

/** One circuit per name. A name that works is not remembered. */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #troubles = new Map<string, Trouble>()

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
  }

  /** Whether a call may go through. If so, `succeeded`, `failed` or `abandoned` must follow. */
  enter(name: string): boolean {
    const trouble = this.#troubles.get(name)
    if (trouble === undefined || trouble.failures < this.#options.failureThreshold) return true
    if (trouble.isProbing || this.#options.now() < trouble.openUntilMs) return false
    trouble.isProbing = true
    return true
  }

  /** It answered, be it with a refusal. */
  succeeded(name: string): void {
    this.#troubles.delete(name)
  }

  /** It did not answer. */
  failed(name: string): void {
    const { maxNames, now, retryAfterMs } = this.#options
    const trouble = this.#troubles.get(name) ?? { failures: 0, openUntilMs: 0, isProbing: false }
    trouble.failures++
    trouble.openUntilMs = now() + retryAfterMs
    trouble.isProbing = false
    this.#troubles.delete(name)
    for (const oldest of this.#troubles.keys()) {
      if (this.#troubles.size < maxNames) break
      this.#troubles.delete(oldest)
    }
    this.#troubles.set(name, trouble)
  }

  /** Nothing was learnt: the caller went away. */
  abandoned(name: string): void {
    const trouble = this.#troubles.get(name)
    if (trouble !== undefined) trouble.isProbing = false
  }
}
