/**
 * Figures of a timed phase.
 *
 * @module
 */

/** Latencies of a phase, in milliseconds. */
export class Latencies {
  readonly #values: number[] = []

  add(milliseconds: number): void {
    this.#values.push(milliseconds)
  }

  get count(): number {
    return this.#values.length
  }

  /** The latency that `fraction` (0 to 1) of the requests did not exceed; 0 without requests. */
  percentile(fraction: number): number {
    if (this.#values.length === 0) return 0
    const sorted = Float64Array.from(this.#values).sort()
    const index = Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)
    return sorted[Math.max(0, index)] ?? 0
  }
}
