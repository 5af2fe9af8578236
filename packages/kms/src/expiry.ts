/**
 * When loaded keys leave the memory: kes-protocol 9. Interval ticks, not ages of entries.
 *
 * @module
 */

/** The expiry settings of KES, in milliseconds. */
export interface KeyExpiry {
  /** Every so often all keys are dropped. Default 300,000. */
  readonly anyMs?: number
  /** Keys that nobody used between two ticks of half this time are dropped. Default 30,000. */
  readonly unusedMs?: number
  /**
   * While the key store is unreachable the two above do not count, and every so often all keys are dropped.
   * Default 0: an unreachable store changes nothing.
   */
  readonly offlineMs?: number
}

/** What is due now. */
export interface DueExpiry {
  readonly all: boolean
  readonly unused: boolean
}

/** Counts the ticks of `KeyExpiry` on a given clock. */
export class ExpiryClock {
  readonly #periods: { readonly any: number; readonly unused: number; readonly offline: number }
  readonly #startMs: number
  #lastMs: number

  /** @throws RangeError for a negative time, or an `anyMs` or `unusedMs` of 0 */
  constructor({ anyMs = 300_000, unusedMs = 30_000, offlineMs = 0 }: KeyExpiry, nowMs: number) {
    if (!(anyMs > 0) || !(unusedMs > 0) || !(offlineMs >= 0)) {
      throw new RangeError('expiry times are positive; only offlineMs may be 0')
    }
    this.#periods = { any: anyMs, unused: unusedMs / 2, offline: offlineMs }
    this.#startMs = nowMs
    this.#lastMs = nowMs
  }

  /** Longest time between two calls of `due` at which no tick comes late. */
  get shortestPeriodMs(): number {
    const { any, unused, offline } = this.#periods
    return Math.min(any, unused, offline > 0 ? offline : any)
  }

  /** What has come due since the last call. */
  due(nowMs: number, isOffline: boolean): DueExpiry {
    const { any, unused, offline } = this.#periods
    const keepOffline = isOffline && offline > 0
    const due = keepOffline
      ? { all: this.#ticked(offline, nowMs), unused: false }
      : { all: this.#ticked(any, nowMs), unused: this.#ticked(unused, nowMs) }
    this.#lastMs = nowMs
    return due
  }

  #ticked(period: number, nowMs: number): boolean {
    const ticks = (at: number): number => Math.floor((at - this.#startMs) / period)
    return ticks(nowMs) > ticks(this.#lastMs)
  }
}
