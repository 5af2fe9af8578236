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
  /** In no order; each knows its place. A set would be made anew again and again, with every few requests. */
  readonly #calls: Call[] = []
  readonly #expired: (call: Call) => void
  readonly #timer: NodeJS.Timeout

  /** `expired` is told once of every call that is late. */
  constructor(expired: (call: Call) => void) {
    this.#expired = expired
    this.#timer = setInterval(() => this.#sweep(performance.now()), sweepMs).unref()
  }

  add(call: Call): void {
    if (call.route.timeoutMs > 0) call.place = this.#calls.push(call) - 1
  }

  delete(call: Call): void {
    const { place } = call
    const last = this.#calls.at(-1)
    if (place < 0 || last === undefined) return
    this.#calls[place] = last
    last.place = place
    this.#calls.pop()
    call.place = -1
  }

  close(): void {
    clearInterval(this.#timer)
    for (const call of this.#calls) call.place = -1
    this.#calls.length = 0
  }

  #sweep(now: number): void {
    for (const call of this.#calls.filter(({ route, startedAt }) => now - startedAt >= route.timeoutMs)) {
      this.delete(call)
      this.#expired(call)
    }
  }
}
