/**
 * The workers of one server: connections go to each in turn, and one that ends is replaced (ADR 20).
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { Acceptor } from '@strongroom/http'

/** What a team has to know of a worker. */
export interface TeamWorker {
  readonly isServing: boolean
  readonly hasServed: boolean
  readonly pid: number | undefined
  /** Resolves when it serves. @throws Error; then it has ended, or soon has */
  start(): Promise<void>
  handOver(socket: Socket, plaintext: boolean): void
  /** Lets it finish, for a while in milliseconds, and waits for its end. */
  stop(graceMs: number): Promise<void>
}

export interface TeamOptions<W> {
  /** A worker that is not started yet. `onExit` is to be told when its process has ended. */
  readonly make: (number: number, onExit: (reason: string) => void) => W
  /** One that served ended; another takes its place. */
  readonly ended: (number: number, reason: string) => void
  /** The one that was to take its place could not start; it is tried again. */
  readonly failed: (number: number, error: unknown) => void
  readonly servesAgain: (number: number) => void
}

/** A worker that ended sooner than this, in milliseconds, is not replaced at once. */
const soonMs = 5_000
const restartDelayMs = 1_000

/** See the module. Workers are numbered from 1. */
export class WorkerTeam<W extends TeamWorker> {
  /** Connections that nobody could take. */
  refused = 0
  readonly #options: TeamOptions<W>
  readonly #workers = new Map<number, W>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #acceptor: Acceptor | undefined
  #turn = 0
  #isStopping = false

  constructor(options: TeamOptions<W>) {
    this.#options = options
  }

  /** Those that are starting, too. */
  get all(): readonly W[] {
    return [...this.#workers.values()]
  }

  get serving(): readonly W[] {
    return this.all.filter(({ isServing }) => isServing)
  }

  /** Of the listening sockets. */
  get addresses(): Acceptor['addresses'] {
    return this.#acceptor?.addresses ?? []
  }

  /** Resolves when all of them serve, and the acceptor that `open` makes accepts for them. @throws Error */
  async start(count: number, open: (onConnection: (socket: Socket, isPlain: boolean) => void) => Promise<Acceptor>) {
    await Promise.all(Array.from({ length: count }, (_, index) => this.#begin(index + 1)))
    this.#acceptor = await open((socket, plaintext) => this.#handOver(socket, plaintext))
  }

  /** Accepts nothing more, lets all finish, and waits for their end. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#acceptor?.close()
    await Promise.all(this.all.map((worker) => worker.stop(graceMs)))
  }

  async #begin(number: number): Promise<void> {
    if (this.#isStopping) return
    const startedAtMs = performance.now()
    const worker: W = this.#options.make(number, (reason) => {
      // One that could not start may end after its successor has begun.
      if (this.#workers.get(number) === worker) this.#workers.delete(number)
      if (!worker.hasServed || this.#isStopping) return
      this.#options.ended(number, reason)
      this.#replace(number, performance.now() - startedAtMs < soonMs ? restartDelayMs : 0)
    })
    this.#workers.set(number, worker)
    await worker.start()
  }

  #replace(number: number, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#begin(number).then(
        () => this.#options.servesAgain(number),
        (error: unknown) => {
          if (this.#isStopping) return
          this.#options.failed(number, error)
          this.#replace(number, restartDelayMs)
        },
      )
    }, delayMs)
    this.#timers.add(timer)
  }

  /** To each in turn. */
  #handOver(socket: Socket, plaintext: boolean): void {
    const { serving } = this
    this.#turn += 1
    const worker = serving[this.#turn % serving.length]
    if (worker === undefined) {
      this.refused += 1
      socket.destroy()
    } else worker.handOver(socket, plaintext)
  }
}
