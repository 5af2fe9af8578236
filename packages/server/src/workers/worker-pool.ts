/**
 * Main's side of ADR 20: starts workers, hands connections over to them, commits for them, and starts others in the place
 * of those that end.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { Acceptor, type LogStream, type Metrics, mergeMetrics } from '@strongroom/http'
import type { Deployment, Neighbours } from '../deployment.ts'
import { DescribedFault, type Logger } from '../log.ts'
import { openEndpoints } from '../open-endpoints.ts'
import type { Environment } from '../settings/read-environment.ts'
import type { MainCalls, Methods } from './link.ts'
import { WorkerHandle } from './worker-handle.ts'
import { shareOf } from './worker-start.ts'
import { WorkerTeam } from './worker-team.ts'

export interface WorkerPoolOptions {
  readonly log: Logger
  readonly accessLog: LogStream | undefined
}

/** What workers serve, and with what. */
export interface WorkerPoolStart {
  readonly deployment: Deployment
  /** Main's own. */
  readonly metrics: Metrics
  readonly certsDirectory: string
  readonly environment: Environment
  readonly version: string
  /** Told of a worker that ended without being asked to. */
  readonly onWorkerEnd: () => void
}

/** When what another process knows of a key is too old to be used, in milliseconds: nobody is waited for any longer. */
const forgetMs = 4_000

/** Longest wait for a worker's answer that a request or a scrape waits for, in milliseconds. */
const answerMs = 2_000

/** Longest time to read certificates again, in milliseconds. */
const reloadMs = 30_000

/** How long after `drainTimeout` a worker may take to close its files, in milliseconds. */
const closeMs = 10_000

/** See the module. Made before the deployment, which is told of its neighbours; started after it. */
export class WorkerPool {
  /** Writer sessions of workers that are starting or running, in hex digits. */
  readonly liveSessions = new Set<string>()
  readonly #options: WorkerPoolOptions
  readonly #team: WorkerTeam<WorkerHandle>
  #start: WorkerPoolStart | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { log } = options
    this.#team = new WorkerTeam({
      make: (number, onExit) => this.#make(number, onExit),
      ended: (worker, reason) => {
        log.error({ worker, reason }, 'a worker ended; another takes its place')
        this.#start?.onWorkerEnd()
      },
      failed: (worker, error) => {
        log.error({ worker, error }, 'a worker could not start; it is tried again')
        this.#start?.onWorkerEnd()
      },
      servesAgain: (worker) => log.info({ worker }, 'a worker serves again'),
    })
  }

  /** What a deployment in this process has to ask and tell its workers. */
  readonly neighbours: Required<Neighbours> = {
    onKeyChange: (name) => this.#forgetKey(name, undefined),
    isReadElsewhere: (id) => this.#isRead(Buffer.from(id).toString('hex'), undefined),
  }

  /** Ids of the processes that serve. */
  get pids(): readonly number[] {
    return this.#team.serving.flatMap(({ pid }) => pid ?? [])
  }

  /** Those of the listening sockets. */
  get addresses(): readonly { readonly port: number }[] {
    return this.#team.addresses
  }

  /** Resolves when all workers serve. @throws ServerError */
  async start(start: WorkerPoolStart): Promise<void> {
    this.#start = start
    const { settings } = start.deployment
    await this.#team.start(settings.workers, (take) =>
      openEndpoints(settings, (endpoints) =>
        Acceptor.open({ endpoints, onConnection: (socket, { plaintext = false }) => take(socket, plaintext) }),
      ),
    )
    start.metrics.gauge('workers', 'Worker processes that serve.', () => this.#team.serving.length)
    const { metrics } = start
    metrics.gauge('connections_refused', 'Connections refused since the start.', () => this.#team.refused)
  }

  /** Has all workers read their certificates again. */
  async reload(): Promise<void> {
    await Promise.all(this.#team.serving.map(({ link }) => link.call('reload', null, { timeoutMs: reloadMs })))
  }

  /** Accepts nothing more, lets all workers finish, and waits for their end. */
  async stop(): Promise<void> {
    await this.#team.stop((this.#start?.deployment.settings.drainTimeout ?? 0) + closeMs)
  }

  /** @throws Error before the start */
  #make(number: number, onExit: (reason: string) => void): WorkerHandle {
    const start = this.#start
    if (start === undefined) throw new Error('the pool has not been started')
    const { deployment, certsDirectory, environment, version } = start
    const { metadata, keyring, settings, directory } = deployment
    const { accessLog } = this.#options
    const sessionId = randomBytes(8).toString('hex')
    const told = { settings: shareOf(settings), directory, certsDirectory, environment, version, sessionId }
    this.liveSessions.add(sessionId)
    const worker: WorkerHandle = new WorkerHandle({
      keyring,
      told: { ...told, writesAccessLog: accessLog !== undefined },
      methods: this.#methodsFor(() => worker),
      metadata,
      onLog: (line) => this.#log(number, line),
      onAccess: (line) => accessLog?.write(line),
      onExit: (reason) => {
        this.liveSessions.delete(sessionId)
        onExit(reason)
      },
    })
    return worker
  }

  #methodsFor(self: () => WorkerHandle): Methods<MainCalls> {
    return {
      keyChanged: async (name) => {
        this.#start?.deployment.kms.forgetKey?.(name)
        await this.#forgetKey(name, self())
        return null
      },
      isReadElsewhere: async (id) =>
        this.#start?.deployment.engine.isReading(Buffer.from(id, 'hex')) === true || (await this.#isRead(id, self())),
      metrics: () => this.#metricsText(),
    }
  }

  /** Never rejects: who does not answer is gone, or too slow to matter. */
  async #forgetKey(name: string, except: WorkerHandle | undefined): Promise<void> {
    const others = this.#team.all.filter((worker) => worker !== except)
    await Promise.allSettled(others.map(({ link }) => link.call('forgetKey', name, { timeoutMs: forgetMs })))
  }

  async #isRead(id: string, except: WorkerHandle | undefined): Promise<boolean> {
    const others = this.#team.all.filter((worker) => worker !== except)
    const asked = others.map(({ link }) => link.call('isReading', id, { timeoutMs: answerMs }))
    const answers = await Promise.allSettled(asked)
    // Who does not answer may be reading it.
    return answers.some((answer) => answer.status === 'rejected' || answer.value)
  }

  async #metricsText(): Promise<string> {
    const start = this.#start
    const asked = this.#team.serving.map(({ link }) => link.call('metrics', null, { timeoutMs: answerMs }))
    const answers = await Promise.allSettled(asked)
    const theirs = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    return await mergeMetrics(start === undefined ? theirs : [await start.metrics.snapshot(), ...theirs])
  }

  #log(worker: number, line: string): void {
    const { level, time, msg, error, ...fields }: Record<string, unknown> = JSON.parse(line)
    const fault = error === undefined ? {} : { error: new DescribedFault(error) }
    const { log } = this.#options
    const write = level === 'debug' ? log.debug : level === 'warn' ? log.warn : level === 'error' ? log.error : log.info
    write.call(log, { worker, ...fields, ...fault }, String(msg ?? ''))
  }
}
