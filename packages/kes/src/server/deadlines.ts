/**
 * Time-outs of routes: a connection whose request is not answered in time is cut, as KES does it, without an answer
 * (kes-protocol 2.3). A sweep over the requests under way instead of a timer for each.
 *
 * @module
 */
import type { Call } from './call.ts'

const sweepMs = 200

/** Watches calls. */
export class Deadlines {
  readonly #calls = new Set<Call>()
  readonly #expired: (call: Call) => void
  readonly #timer: NodeJS.Timeout

  /** `expired` is told once of every call that is late. */
  constructor(expired: (call: Call) => void) {
    this.#expired = expired
    this.#timer = setInterval(() => this.#sweep(performance.now()), sweepMs).unref()
  }

  add(call: Call): void {
    if (call.route.timeoutMs > 0) this.#calls.add(call)
  }

  delete(call: Call): void {
    this.#calls.delete(call)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#calls.clear()
  }

  #sweep(now: number): void {
    for (const call of this.#calls) {
      if (now - call.startedAt < call.route.timeoutMs) continue
      this.#calls.delete(call)
      this.#expired(call)
    }
  }
}
