/**
 * The KES server: options in, a running server out. Everything that can change at a reload is in a `Generation`; what lives as
 * long as the process (listener, metrics, logs) is here. kes-protocol 10.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { type Listener, listen } from '@strongroom/http'
import type {
  KesLogReaders,
  KesMetricFamilies,
  KesServer,
  KesServerDependencies,
  KesServerOptions,
} from '../contract.ts'
import { goTimeUtc } from '../protocol/go-text.ts'
import { Audit } from './audit.ts'
import { Dispatcher } from './dispatcher.ts'
import { ErrorLog } from './error-log.ts'
import { Generation } from './generation.ts'
import { KesMetrics } from './kes-metrics.ts'
import { LogStream } from './log-stream.ts'
import { LargeBodies } from './request-body.ts'
import type { ServerContext } from './server-context.ts'
import { ownFamilies } from './server-handlers.ts'
import { admits, CurrentCertificate, type LoadedTls, loadTls } from './tls-material.ts'

/** How often certificate, key and CAs are read again. */
const tlsReloadMs = 15 * 60_000
/** Longest that a replaced configuration's key store waits for its last request. */
const retireMs = 20_000
/** KES's, and a bound for headers, in which a TLS proxy sends a whole certificate. */
const limits = {
  handshakeTimeoutMs: 5_000,
  headerTimeoutMs: 5_000,
  idleTimeoutMs: 90_000,
  headerBytes: 32_768,
  connections: 10_000,
} as const
/** Divided among processes, as connections are: bodies of a megabyte at a time, and readers of a log. */
const [largeBodies, logReaders] = [64, 64]

/**
 * Starts a server. A key store that cannot be reached does not stop it (see `KesServerOptions.openKeyStore`).
 *
 * @throws KesError `invalid-config`; HttpError `certificate-invalid`, `listen-failed`; what `openKeyStore` and `tls.load` throw
 * @example
 * const server = await startKesServer({ endpoints: [{ host: '127.0.0.1', port: 7373 }], tls, adminIdentity, openKeyStore })
 * process.on('SIGTERM', () => server.close())
 */
export async function startKesServer(
  options: KesServerOptions,
  dependencies: KesServerDependencies = {},
): Promise<KesServer> {
  const server = new RunningKesServer(options, dependencies)
  await server.start()
  return server
}

class RunningKesServer implements KesServer {
  readonly #now: () => number
  readonly #dependencies: KesServerDependencies
  readonly #context: ServerContext
  readonly #startedAtMs: number
  readonly #startedAt: number
  #options: KesServerOptions
  #listener: Listener | undefined
  #dispatcher: Dispatcher | undefined
  #certificate: CurrentCertificate | undefined
  #tlsTimer: NodeJS.Timeout | undefined
  /** Reloads come one after the other. */
  #work: Promise<void> = Promise.resolve()
  readonly #retiring = new Set<Promise<void>>()

  constructor(options: KesServerOptions, dependencies: KesServerDependencies) {
    this.#options = options
    this.#dependencies = dependencies
    this.#now = dependencies.now ?? Date.now
    this.#startedAtMs = dependencies.startedAtMs ?? this.#now()
    this.#startedAt = performance.now() - (this.#now() - this.#startedAtMs)
    this.#context = this.#makeContext()
  }

  get addresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#listener?.addresses ?? []
  }

  /** @internal */
  async start(): Promise<void> {
    const options = this.#options
    this.#setLogs(options)
    const tls = await loadTls(options.tls)
    const generation = await this.#makeGeneration(options, tls)
    const dispatcher = new Dispatcher(generation, this.#context)
    const certificate = new CurrentCertificate(tls.pair)
    try {
      this.#listener = await listen({
        endpoints: options.endpoints,
        certificates: certificate,
        clientCertificates: tls.clientCertificates,
        admit: (connection) => {
          const { routes, options: current } = dispatcher.generation
          return admits(connection, current.tls.verifyClients === true, routes.hasOpenRoute)
        },
        limits: { ...limits, connections: this.#share(limits.connections) },
        handler: dispatcher.handle,
        direct: dispatcher.handleDirect,
        onHandlerError: (error) => this.#report('request failed', error),
        formatRejection: (_code, status) => ({
          status,
          contentType: 'text/plain; charset=utf-8',
          body: status === 400 ? '400 Bad Request' : `${status}`,
        }),
      })
    } catch (error) {
      dispatcher.close()
      await generation.retire(0)
      throw error
    }
    this.#dispatcher = dispatcher
    this.#certificate = certificate
    this.#tlsTimer = setInterval(() => void this.#reloadTls(), tlsReloadMs).unref()
  }

  adopt(socket: Socket): void {
    if (this.#listener === undefined) socket.destroy()
    else this.#listener.adopt(socket)
  }

  forgetKey(name: string): void {
    this.#dispatcher?.generation.keys.forgetKey(name)
  }

  families(): KesMetricFamilies {
    return this.#dispatcher === undefined ? [] : ownFamilies(this.#dispatcher.generation, this.#context)
  }

  forward({ audit, error }: KesLogReaders): void {
    const { auditStream, errorStream, neighbours } = this.#context
    auditStream.forward = audit ? (line) => neighbours?.forward('audit', line) : undefined
    errorStream.forward = error ? (line) => neighbours?.forward('error', line) : undefined
  }

  deliver(log: keyof KesLogReaders, line: string): void {
    const { auditStream, errorStream } = this.#context
    const stream = log === 'audit' ? auditStream : errorStream
    stream.deliver(line)
  }

  reload(options: KesServerOptions): Promise<void> {
    const work = this.#work.then(() => this.#reload(options))
    this.#work = work.catch(() => undefined)
    return work
  }

  async close({ graceMs = 1_000 }: { readonly graceMs?: number } = {}): Promise<void> {
    clearInterval(this.#tlsTimer)
    await this.#work
    this.#context.auditStream.close()
    this.#context.errorStream.close()
    await this.#listener?.close({ graceMs })
    await this.#dispatcher?.generation.retire(0)
    await Promise.all(this.#retiring)
    this.#dispatcher?.close()
    this.#context.audit.flush()
  }

  async #reload(options: KesServerOptions): Promise<void> {
    const { metrics } = this.#context
    const dispatcher = this.#dispatcher
    if (dispatcher === undefined) return
    try {
      const tls = await loadTls(options.tls)
      const generation = await this.#makeGeneration(options, tls)
      const replaced = dispatcher.generation
      dispatcher.generation = generation
      this.#endRevokedStreams(generation)
      this.#options = options
      this.#setLogs(options)
      this.#useTls(tls)
      metrics.reloads++
      this.#retire(replaced)
    } catch (error) {
      metrics.failedReloads++
      throw error
    }
  }

  /** Whoever reads a log makes no next request that could meet the new policies. */
  #endRevokedStreams(generation: Generation): void {
    const { auditStream, errorStream } = this.#context
    for (const stream of [auditStream, errorStream])
      stream.recheck(({ route, caller, path }) => generation.admits(route, caller.identity, path))
  }

  async #reloadTls(): Promise<void> {
    try {
      this.#useTls(await loadTls(this.#options.tls))
    } catch (error) {
      this.#report('failed to reload TLS configuration', error)
    }
  }

  /** Handshakes from now on; connections that are open stay as they are. */
  #useTls(tls: LoadedTls): void {
    if (this.#certificate !== undefined) this.#certificate.pair = tls.pair
    this.#listener?.setClientCertificates(tls.clientCertificates)
  }

  #retire(generation: Generation): void {
    const retiring = generation
      .retire(retireMs)
      .catch((error: unknown) => this.#report('failed to close the key store', error))
      .then(() => {
        this.#retiring.delete(retiring)
      })
    this.#retiring.add(retiring)
  }

  #makeGeneration(options: KesServerOptions, tls: LoadedTls): Promise<Generation> {
    const { random } = this.#dependencies
    return Generation.create(options, { now: this.#now, random, errorLog: this.#context.errorLog, ca: tls.ca })
  }

  #share(whole: number): number {
    return Math.ceil(whole / (this.#dependencies.neighbours?.processes ?? 1))
  }

  #setLogs({ log = {} }: KesServerOptions): void {
    const { audit, errorLog } = this.#context
    audit.level = log.auditLevel ?? 0
    audit.format = log.auditFormat ?? 'text'
    errorLog.level = log.errorLevel ?? 0
  }

  #report(message: string, error: unknown): void {
    this.#context.errorLog.write('ERROR', `${message}: ${error instanceof Error ? error.message : 'unknown error'}`)
  }

  #makeContext(): ServerContext {
    const { auditSink, errorSink, version = '<unknown>', commit = '<unknown>', neighbours } = this.#dependencies
    const now = this.#now
    const metrics = new KesMetrics()
    const maxReaders = this.#share(logReaders)
    const changed = neighbours && (() => neighbours.readersChanged(readers()))
    const auditStream = new LogStream({ counted: () => metrics.auditEvents++, maxReaders, changed })
    const errorStream = new LogStream({ counted: () => metrics.errorEvents++, maxReaders, changed })
    const readers = (): KesLogReaders => ({ audit: auditStream.hasReaders, error: errorStream.hasReaders })
    return {
      neighbours,
      metrics,
      auditStream,
      errorStream,
      audit: new Audit({ now, sink: auditSink, stream: () => auditStream.write }),
      errorLog: new ErrorLog({ now, sink: errorSink, stream: () => errorStream.write }),
      largeBodies: new LargeBodies(this.#share(largeBodies)),
      version,
      commit,
      startedAt: goTimeUtc(this.#startedAtMs),
      uptimeMs: () => performance.now() - this.#startedAt,
      connections: () => this.#listener?.stats.connections ?? 0,
    }
  }
}
