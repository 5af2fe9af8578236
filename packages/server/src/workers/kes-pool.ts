/**
 * A key service of several processes, as main sees it (ADR 20): it accepts, its workers serve, and it tells each what the others
 * have changed.
 *
 * @module
 */
import { Acceptor, type Endpoint } from '@strongroom/http'
import { type KesLogReaders, type KesMetricFamilies, mergeKesMetrics } from '@strongroom/kes'
import { kesLogLine } from '../kes-output.ts'
import { eventFrames, type KesMainCalls, type KesWorkerCalls, type KesWorkerStart } from './kes-worker-start.ts'
import type { DataFrame, Methods } from './link.ts'
import { WorkerChild } from './worker-child.ts'
import { WorkerTeam } from './worker-team.ts'

export interface KesPoolOptions {
  readonly endpoints: readonly Endpoint[]
  /** How many. */
  readonly workers: number
  readonly told: KesWorkerStart
  /** How lines of main's own are written. */
  readonly isJson: boolean
  /** Take whole lines. */
  readonly writeOut: (text: string) => void
  readonly writeError: (text: string) => void
}

/** When what another process knows of a key is too old to be used, in milliseconds: nobody is waited for any longer. */
const forgetMs = 4_000
/** Longest wait for a worker's answer that a request or a scrape waits for, in milliseconds. */
const answerMs = 2_000
/** Longest time to start, or to read the configuration again, in milliseconds. */
const startMs = 60_000
/** How long a worker may take to end the requests under way and to close, in milliseconds. */
const closeMs = 10_000

const nobody: KesLogReaders = { audit: false, error: false }

/** See the module. */
export class KesPool {
  readonly #options: KesPoolOptions
  readonly #team: WorkerTeam<KesWorker>

  private constructor(options: KesPoolOptions) {
    this.#options = options
    this.#team = new WorkerTeam({
      make: (_number, onExit) => this.#make(onExit),
      ended: (worker, reason) =>
        this.#log('ERROR', 'a worker ended; another takes its place', { worker, reason: reason.replaceAll(' ', '-') }),
      failed: (worker, error) => {
        const cause = JSON.stringify(error instanceof Error ? error.message : String(error))
        this.#log('ERROR', 'a worker could not start; it is tried again', { worker, cause })
      },
      servesAgain: (worker) => this.#log('INFO', 'a worker serves again', { worker }),
    })
  }

  /** Resolves when all workers serve. @throws HttpError `listen-failed`, Error of the worker that could not start */
  static async open(options: KesPoolOptions): Promise<KesPool> {
    const pool = new KesPool(options)
    try {
      const { endpoints, workers } = options
      await pool.#team.start(workers, (take) =>
        Acceptor.open({ endpoints, onConnection: (socket) => take(socket, false) }),
      )
      return pool
    } catch (error) {
      await pool.close()
      throw error
    }
  }

  get addresses(): Acceptor['addresses'] {
    return this.#team.addresses
  }

  /** Ids of the processes that serve. */
  get pids(): readonly number[] {
    return this.#team.serving.flatMap(({ pid }) => pid ?? [])
  }

  /**
   * Has all workers read the configuration again. One that cannot where another could is replaced, so that all serve the same.
   *
   * @throws Error where none could: all serve what they served before
   */
  async reload(): Promise<void> {
    const workers = this.#team.all
    const results = await Promise.allSettled(
      workers.map(({ link }) => link.call('reload', null, { timeoutMs: startMs })),
    )
    const failed = results.flatMap((result, at) => (result.status === 'rejected' ? [{ at, cause: result.reason }] : []))
    if (failed.length > 0 && failed.length === workers.length) throw failed[0]?.cause
    await Promise.all(failed.map(({ at }) => workers[at]?.kill()))
  }

  close(): Promise<void> {
    return this.#team.stop(closeMs)
  }

  #make(onExit: (reason: string) => void): KesWorker {
    const worker: KesWorker = new KesWorker({
      told: this.#options.told,
      forward: () => this.#readersBeside(worker),
      methods: {
        keyChanged: async (name) => {
          await this.#askOthers(worker, ({ link }) => link.call('forgetKey', name, { timeoutMs: forgetMs }))
          return null
        },
        metrics: () => this.#metrics(),
        readers: async (readers) => {
          worker.readers = readers
          await this.#tellReaders()
          return null
        },
      },
      onData: (frame, payload) => this.#take(worker, frame, payload),
      onLost: (count) => this.#log('WARN', 'a worker stalled: lines for readers of a log were lost', { count }),
      onExit: (reason) => {
        onExit(reason)
        if (worker.readers.audit || worker.readers.error) void this.#tellReaders()
      },
    })
    return worker
  }

  /** Never rejects: who does not answer is gone, or too slow to matter. */
  async #askOthers(self: KesWorker, ask: (worker: KesWorker) => Promise<unknown>): Promise<void> {
    await Promise.allSettled(this.#team.all.filter((worker) => worker !== self).map(ask))
  }

  async #metrics(): Promise<KesMetricFamilies> {
    const asked = this.#team.serving.map(({ link }) => link.call('metrics', null, { timeoutMs: answerMs }))
    const answers = await Promise.allSettled(asked)
    return mergeKesMetrics(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])))
  }

  /** Which logs somebody reads at others than this. */
  #readersBeside(self: KesWorker): KesLogReaders {
    const others = this.#team.all.filter((worker) => worker !== self)
    const isRead = (log: keyof KesLogReaders): boolean => others.some(({ readers }) => readers[log])
    return { audit: isRead('audit'), error: isRead('error') }
  }

  async #tellReaders(): Promise<void> {
    const told = this.#team.serving.map((worker) =>
      worker.link.call('forward', this.#readersBeside(worker), { timeoutMs: answerMs }),
    )
    await Promise.allSettled(told)
  }

  #take(from: KesWorker, frame: DataFrame, payload: Buffer): void {
    if (frame === 'access') this.#options.writeOut(payload.toString())
    else if (frame === 'log') this.#options.writeError(payload.toString())
    for (const log of ['audit', 'error'] as const) {
      if (frame !== eventFrames[log]) continue
      for (const worker of this.#team.serving) {
        if (worker !== from && worker.readers[log]) worker.link.offer(frame, payload)
      }
    }
  }

  #log(level: 'INFO' | 'WARN' | 'ERROR', message: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.writeError(kesLogLine(level, message, fields, this.#options.isJson, new Date()))
  }
}

interface KesWorkerOptions {
  readonly told: KesWorkerStart
  /** Which logs others want the lines of. */
  readonly forward: () => KesLogReaders
  readonly methods: Methods<KesMainCalls>
  readonly onData: (frame: DataFrame, payload: Buffer) => void
  readonly onLost: (lines: number) => void
  readonly onExit: (reason: string) => void
}

/** One worker. */
class KesWorker extends WorkerChild<KesWorkerCalls, KesMainCalls> {
  /** Which logs are read there. */
  readers = nobody
  readonly #options: KesWorkerOptions

  constructor(options: KesWorkerOptions) {
    const { methods, onExit, onLost } = options
    super({ program: 'kes-worker-process.js', methods, onExit, onLost: (_frame, lines) => onLost(lines) })
    this.#options = options
  }

  protected async begin(): Promise<void> {
    const { told, forward } = this.#options
    await this.link.call('serve', told, { timeoutMs: startMs })
    await this.link.call('forward', forward(), { timeoutMs: startMs })
  }

  protected askToStop(): Promise<null> {
    return this.link.call('stop', null)
  }

  protected take(frame: DataFrame, payload: Buffer): void {
    this.#options.onData(frame, payload)
  }
}
