/**
 * The listener: accepts on `node:net`, looks at the first byte, hands TLS to `node:tls` and the decrypted socket to
 * `node:http` by `emit('connection')`. The same path on Node and on Bun, whose own `node:https` knows no server names,
 * client certificates, certificate change or TLS errors. See README.md for the time-outs and limits.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { type AddressInfo, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { CertificateSource } from './certificates.ts'
import { LONGEST_CLIENT_HELLO, readClientHello } from './client-hello.ts'
import { type Connection, type TimeoutKind, TrackedConnection } from './connection.ts'
import type { DirectHandler } from './direct-exchange.ts'
import { HttpError } from './http-error.ts'
import { type ListenerLimits, resolveLimits, sweepIntervalMs } from './limits.ts'
import { type FormatRejection, PLAINTEXT_ON_TLS_PORT } from './rejections.ts'
import { type Handler, RequestPipeline } from './request-pipeline.ts'
import { type ClientCertificateOptions, TlsGateway } from './tls-gateway.ts'

/** Where to listen. */
export interface Endpoint {
  /** An IP address of either family, or a host name. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Speak plain HTTP. Only for those who ask: the default is TLS. */
  readonly plaintext?: boolean
}

export interface ListenerOptions {
  readonly endpoints: readonly Endpoint[]
  readonly handler: Handler
  /**
   * Asked first about small requests that came whole (docs/adr/0021-small-requests-past-node-http.md); what it does not want
   * goes to `handler`, and all that follows on that connection. Without it everything does.
   */
  readonly direct?: DirectHandler
  /** Whether `direct` is asked about bodies of any known length, and of clients that wait for `100 Continue`. Default `small`: 16 KiB with the head. */
  readonly directBodies?: 'small' | 'any'
  /** Needed unless every endpoint is plaintext. */
  readonly certificates?: CertificateSource
  readonly clientCertificates?: ClientCertificateOptions
  /**
   * Asked about every connection when its handshake is done, before it can send a request; `false` closes it without an
   * answer. Must not throw.
   */
  readonly admit?: (connection: Connection) => boolean
  readonly limits?: Partial<ListenerLimits>
  /** Dresses the answers to requests that no handler sees; plain text by default. */
  readonly formatRejection?: FormatRejection
  /** Told what a handler threw, without a request for a direct one; the client gets a 500 or, mid-response, a cut connection. */
  readonly onHandlerError?: (error: unknown, request: IncomingMessage | undefined) => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** What happened at the edge since the start. */
export interface ListenerStats {
  connections: number
  accepted: number
  refused: number
  tlsFailures: number
  /** Turned away by `admit`. */
  notAdmitted: number
  plaintextOnTls: number
  rejected: Record<string, number>
  timeouts: Record<TimeoutKind, number>
}

/**
 * Starts listening on all endpoints.
 *
 * @throws HttpError `listen-failed`, `invalid-option`
 * @example
 * const listener = await listen({ endpoints: [{ host: '127.0.0.1', port: 9000 }], certificates, handler })
 * await listener.close({ graceMs: 10_000 })
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const listener = new Listener(options)
  try {
    for (const endpoint of options.endpoints) await listener.open(endpoint)
  } catch (cause) {
    await listener.close({ graceMs: 0 })
    throw cause
  }
  return listener
}

/** A running listener. Made by `listen`. */
export class Listener {
  /** Counters since the start; live, not a copy. */
  readonly stats: ListenerStats = {
    connections: 0,
    accepted: 0,
    refused: 0,
    tlsFailures: 0,
    notAdmitted: 0,
    plaintextOnTls: 0,
    rejected: {},
    timeouts: { handshake: 0, header: 0, idle: 0, body: 0, response: 0, linger: 0 },
  }
  readonly #options: ListenerOptions
  readonly #limits: ListenerLimits
  readonly #now: () => number
  readonly #pipeline: RequestPipeline
  readonly #gateway: TlsGateway
  readonly #servers: NetServer[] = []
  readonly #all = new Set<TrackedConnection>()
  readonly #handshaking = new Map<string, TrackedConnection>()
  readonly #sweeper: NodeJS.Timeout
  #isClosing = false
  #whenEmpty: (() => void) | undefined

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#limits = resolveLimits(options.limits)
    this.#now = options.now ?? (() => performance.now())
    this.#pipeline = new RequestPipeline({
      handler: options.handler,
      direct: options.direct,
      directBodies: options.directBodies ?? 'small',
      limits: this.#limits,
      formatRejection: options.formatRejection,
      onHandlerError: options.onHandlerError,
      rejected: this.stats.rejected,
      now: this.#now,
    })
    this.#gateway = new TlsGateway(
      { onSecure: (socket) => this.#secured(socket), onFailure: () => this.#tlsFailed() },
      options.clientCertificates,
    )
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs(this.#limits))
  }

  /** The addresses that are listened on, in the order of the endpoints. */
  get addresses(): readonly AddressInfo[] {
    return this.#servers.map((server) => {
      const address = server.address()
      if (address === null || typeof address === 'string') throw new HttpError('listen-failed', 'not listening')
      return address
    })
  }

  /** Changes which client certificates are asked for, for connections that come from now on. */
  setClientCertificates(options: ClientCertificateOptions | undefined): void {
    this.#gateway.setClientCertificates(options)
  }

  /** Serves a connection that another process accepted, and has read nothing of. The socket is the listener's from now on. */
  adopt(raw: Socket, { plaintext = false }: Pick<Endpoint, 'plaintext'> = {}): void {
    raw.setNoDelay(true)
    raw.setKeepAlive(true)
    this.#accept(raw, plaintext ? undefined : this.#options.certificates)
  }

  /** Listens on one more endpoint. @internal */
  open(endpoint: Endpoint): Promise<void> {
    const { certificates } = this.#options
    if (endpoint.plaintext !== true && certificates === undefined) {
      throw new HttpError('invalid-option', 'a TLS endpoint needs certificates')
    }
    const server = createNetServer({ noDelay: true, keepAlive: true }, (raw) => {
      if (endpoint.plaintext === true || certificates === undefined) this.#accept(raw, undefined)
      else this.#accept(raw, certificates)
    })
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => {
        reject(
          new HttpError('listen-failed', `cannot listen on ${endpoint.host}:${endpoint.port}: ${cause.message}`, {
            cause,
          }),
        )
      })
      server.listen({ host: endpoint.host, port: endpoint.port, backlog: 1024 }, () => {
        server.on('error', () => {
          // Accepting can fail for want of file descriptors: the next connection may fare better.
          this.stats.refused += 1
        })
        this.#servers.push(server)
        resolve()
      })
    })
  }

  /**
   * Stops accepting, closes idle connections at once, lets requests in progress finish for up to `graceMs`, then cuts.
   * Resolves when the last connection is gone. A second call with a shorter grace cuts sooner.
   */
  async close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#isClosing = true
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const connection of this.#all) this.#pipeline.drain(connection)
    if (this.#all.size > 0 && graceMs > 0) await this.#emptied(graceMs)
    for (const connection of this.#all) connection.destroy()
    if (this.#all.size > 0) await this.#emptied(1_000)
    clearInterval(this.#sweeper)
    await Promise.all(closed)
  }

  #emptied(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const earlier = this.#whenEmpty
      const timer = setTimeout(() => resolve(), timeoutMs)
      this.#whenEmpty = () => {
        clearTimeout(timer)
        earlier?.()
        resolve()
      }
    })
  }

  #accept(raw: Socket, certificates: CertificateSource | undefined): void {
    if (this.#isClosing || this.#all.size >= this.#limits.connections) {
      this.stats.refused += 1
      raw.destroy()
      return
    }
    const connection = new TrackedConnection(raw, this.#now())
    this.#all.add(connection)
    this.stats.accepted += 1
    this.stats.connections = this.#all.size
    // Errors of a socket end it; what they meant shows in the phase it was in.
    raw.on('error', () => raw.destroy())
    raw.once('close', () => this.#closed(connection))
    if (certificates === undefined) this.#serve(connection, raw)
    else this.#awaitHello(connection, certificates)
  }

  #closed(connection: TrackedConnection): void {
    this.#all.delete(connection)
    const key = connection.handshakeKey
    if (key !== undefined && this.#handshaking.get(key) === connection) this.#handshaking.delete(key)
    connection.waiting.length = 0
    this.stats.connections = this.#all.size
    if (this.#all.size === 0) this.#whenEmpty?.()
  }

  #awaitHello(connection: TrackedConnection, certificates: CertificateSource): void {
    const { raw } = connection
    let seen: Buffer | undefined
    const onData = (chunk: Buffer): void => {
      seen = seen === undefined ? chunk : Buffer.concat([seen, chunk])
      const hello = readClientHello(seen)
      if (hello.kind === 'incomplete' && seen.length < LONGEST_CLIENT_HELLO) return
      raw.removeListener('data', onData)
      if (hello.kind === 'not-tls') {
        this.stats.plaintextOnTls += 1
        raw.write(PLAINTEXT_ON_TLS_PORT)
        connection.linger(this.#now())
        return
      }
      const servername = hello.kind === 'hello' ? hello.servername : undefined
      connection.servername = servername
      this.#handshake(connection, certificates, seen)
    }
    raw.on('data', onData)
  }

  #handshake(connection: TrackedConnection, certificates: CertificateSource, seen: Buffer): void {
    const key = endpointsOf(connection.raw)
    if (key === undefined) {
      connection.destroy()
      return
    }
    connection.handshakeKey = key
    this.#handshaking.set(key, connection)
    connection.raw.pause()
    connection.raw.unshift(seen)
    this.#gateway.accept(connection.raw, certificates.select(connection.servername))
  }

  #secured(socket: TLSSocket): void {
    const key = endpointsOf(socket)
    const connection = key === undefined ? undefined : this.#handshaking.get(key)
    if (key === undefined || connection === undefined) {
      // The peer is gone already: its addresses are, too.
      socket.destroy()
      return
    }
    this.#handshaking.delete(key)
    connection.handshakeKey = undefined
    this.#serve(connection, socket)
  }

  #tlsFailed(): void {
    this.stats.tlsFailures += 1
  }

  #serve(connection: TrackedConnection, socket: Socket): void {
    if (this.#isClosing) {
      connection.destroy()
      return
    }
    connection.opened(socket, this.#now())
    if (this.#options.admit?.(connection) === false) {
      this.stats.notAdmitted += 1
      connection.destroy()
      return
    }
    this.#pipeline.serve(connection, socket)
  }

  #sweep(): void {
    const now = this.#now()
    for (const connection of this.#all) {
      const kind = connection.expired(this.#limits, now)
      if (kind === undefined) continue
      this.stats.timeouts[kind] += 1
      if (kind === 'header' && connection.socket !== undefined && connection.hasSentBytes) {
        this.#pipeline.refuseLate(connection, connection.socket)
      } else {
        connection.destroy()
      }
    }
  }
}

/** Names a TCP connection by its two ends; `undefined` when the peer is gone. */
function endpointsOf(socket: Socket): string | undefined {
  if (socket.remoteAddress === undefined || socket.remotePort === undefined) return undefined
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}
