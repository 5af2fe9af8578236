/**
 * Clock, chance and waiting of the key stores that are reached over the network, so that tests are exact.
 *
 * @module
 */

/** What a networked key store takes from its surroundings. */
export interface StoreDependencies {
  /** Wall clock in milliseconds. */
  readonly now: () => number
  /** A number from 0 up to but not including 1, for jitter only. */
  readonly random: () => number
  /** Resolves after so many milliseconds. */
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Calls back once after so many milliseconds, without keeping the process alive; the result calls it off. */
  readonly setTimer: (milliseconds: number, callback: () => void) => () => void
}

/** Longest delay that a timer takes, in milliseconds. */
const maxTimerMs = 2_147_483_647

/** The real ones, with what `given` replaces. */
export function storeDependencies(given: Partial<StoreDependencies> = {}): StoreDependencies {
  return {
    now: Date.now,
    random: Math.random,
    sleep: (milliseconds) => new Promise((resolve) => void setTimeout(resolve, milliseconds)),
    setTimer: (milliseconds, callback) => {
      const timer = setTimeout(callback, Math.min(milliseconds, maxTimerMs))
      timer.unref()
      return () => clearTimeout(timer)
    },
    ...given,
  }
}
