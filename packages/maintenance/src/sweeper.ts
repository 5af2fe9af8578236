/**
 * Runs the engine's sweep now and then (DESIGN 4): at the start, and every few minutes; never two at once.
 *
 * @module
 */

import type { SweepReport } from '@strongroom/engine'
import type { BlobStore } from '@strongroom/storage'

/** What the sweeper does its work with. */
export interface SweepTarget {
  /** `EngineMaintenance.sweep`. */
  sweep(): Promise<SweepReport>
  /** `BlobStore.capacity`. Without it nothing is said of the space that is left. */
  capacity?(): ReturnType<BlobStore['capacity']>
}

export interface SweeperOptions {
  /** Default five minutes. */
  readonly intervalMs?: number
  /** Each wait is longer or shorter by up to this part of it, at random. Default 0.1. */
  readonly jitter?: number
  /** Told of every sweep that came to its end. */
  readonly onSweep?: (report: SweepReport, durationMs: number) => void
  /** Told of a sweep that failed. The next one comes all the same. */
  readonly onError?: (error: unknown) => void
  /** Free space, in bytes, below which `onLowSpace` is told after each sweep. */
  readonly lowSpaceBytes?: number
  readonly onLowSpace?: (freeBytes: number) => void
  /** Milliseconds. Default `Date.now`. */
  readonly now?: () => number
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number
  /** Calls back after a while; the returned function calls it off. Default: a timer that keeps no process alive. */
  readonly schedule?: (callback: () => void, delayMs: number) => () => void
}

const defaultIntervalMs = 300_000
const defaultJitter = 0.1

function scheduleTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs)
  timer.unref()
  return () => clearTimeout(timer)
}

export interface SweeperFigures {
  readonly sweeps: number
  readonly failures: number
  readonly sessionsEnded: number
  readonly blobsRemoved: number
  readonly garbageRemoved: number
}

/** See the module's comment. */
export class Sweeper {
  readonly #target: SweepTarget
  readonly #options: SweeperOptions
  readonly #figures = { sweeps: 0, failures: 0, sessionsEnded: 0, blobsRemoved: 0, garbageRemoved: 0 }
  #running: Promise<void> | undefined
  #callOff: (() => void) | undefined
  #isStopped = true

  constructor(target: SweepTarget, options: SweeperOptions = {}) {
    this.#target = target
    this.#options = options
  }

  /** Totals since the start, for metrics. */
  get figures(): SweeperFigures {
    return { ...this.#figures }
  }

  /** Sweeps now, and from then on now and then. */
  start(): void {
    if (!this.#isStopped) return
    this.#isStopped = false
    this.#begin()
  }

  /** Sweeps now; if a sweep is under way, that one counts. Never rejects. */
  sweepNow(): Promise<void> {
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** No sweep begins any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#callOff?.()
    this.#callOff = undefined
    await this.#running
  }

  #begin(): void {
    // `sweepNow` never rejects.
    void this.sweepNow().then(() => this.#plan())
  }

  #plan(): void {
    if (this.#isStopped) return
    const { intervalMs = defaultIntervalMs, jitter = defaultJitter, random = Math.random } = this.#options
    const delayMs = intervalMs * (1 + jitter * (2 * random() - 1))
    this.#callOff?.()
    this.#callOff = (this.#options.schedule ?? scheduleTimer)(() => this.#begin(), delayMs)
  }

  async #sweep(): Promise<void> {
    const { now = Date.now, onSweep, onError } = this.#options
    const startedAt = now()
    try {
      const report = await this.#target.sweep()
      this.#figures.sweeps += 1
      this.#figures.sessionsEnded += report.sessionsEnded
      this.#figures.blobsRemoved += report.blobsRemoved
      this.#figures.garbageRemoved += report.garbageRemoved
      onSweep?.(report, now() - startedAt)
      await this.#watchSpace()
    } catch (error) {
      this.#figures.failures += 1
      onError?.(error)
    }
  }

  async #watchSpace(): Promise<void> {
    const { lowSpaceBytes = 0, onLowSpace } = this.#options
    const capacity = await this.#target.capacity?.()
    if (capacity && capacity.freeBytes < lowSpaceBytes) onLowSpace?.(capacity.freeBytes)
  }
}
