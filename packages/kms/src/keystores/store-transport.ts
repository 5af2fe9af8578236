/**
 * One HTTP request to a key store and its answer: one connection pool, bounded time, bounded size, through a proxy where
 * the settings say so. Retries and meaning are `./store-client.ts`'s.
 *
 * @module
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from 'node:https'
import { isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { KmsError } from '../kms-error.ts'
import { bareHost, type ProxySettings, portOf, proxyFor, proxyHeaders } from './store-proxy.ts'
import type { StoreTls } from './store-tls.ts'

/** What goes out. */
export interface WireRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  /** From asking for a connection to the last byte of the answer, in milliseconds. */
  readonly timeoutMs: number
  readonly maxAnswerBytes: number
}

/** What comes back. The body is the receiver's to zero. */
export interface WireAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Why there was no answer. */
export type TransportFailureKind = 'refused' | 'certificate' | 'unsendable' | 'timeout' | 'cut' | 'too-long'

/** No answer, or none that counts. */
export class TransportFailure extends Error {
  readonly kind: TransportFailureKind
  /** Short, for people: never anything from the request or the answer. */
  readonly detail: string

  constructor(kind: TransportFailureKind, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.kind = kind
    this.detail = detail
  }
}

/** How to reach a store. */
export interface TransportOptions {
  readonly tls: StoreTls
  readonly proxy?: ProxySettings | undefined
  /** Connections at most per host; further requests wait. */
  readonly maxSockets: number
  /** Longest wait for a proxy's tunnel, in milliseconds. */
  readonly tunnelTimeoutMs: number
}

/** Nothing had been sent when these happened, so the request was not carried out. */
const refusedCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'STRONGROOM_PROXY',
])

/** As `node:tls` names what is wrong with a peer's certificate (X509_V_ERR_… and its own). */
const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|ISSUER|CRL_|SIGNATURE|HOSTNAME_MISMATCH|EE_KEY_TOO_SMALL/

/** A pool of connections. */
export class StoreTransport {
  readonly #options: TransportOptions
  readonly #agents = new Map<string, HttpAgent>()

  constructor(options: TransportOptions) {
    this.#options = options
  }

  /**
   * Sends a request once and reads the whole answer, whatever its status.
   *
   * @throws TransportFailure
   */
  send(wire: WireRequest): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      let isOver = false
      const outgoing = this.#tryToOpen(wire)
      const finish = (settle: () => void): void => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        settle()
      }
      const fail = (failure: TransportFailure): void =>
        finish(() => {
          reject(failure)
          outgoing.destroy()
        })
      const timer = setTimeout(
        () => fail(new TransportFailure('timeout', `no answer within ${wire.timeoutMs} ms`)),
        wire.timeoutMs,
      )
      outgoing.on('error', (error) => fail(failureOf(error)))
      outgoing.on('response', (incoming) => {
        readAnswer(incoming, wire.maxAnswerBytes).then((answer) => finish(() => resolve(answer)), fail)
      })
      outgoing.end(wire.body)
    })
  }

  /** Ends idle connections; those in use end with their requests. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  /** What the settings gave may be no header (a line end in a secret), or no certificate. */
  #tryToOpen(wire: WireRequest) {
    try {
      return this.#open(wire)
    } catch (error) {
      if (error instanceof KmsError) throw error
      const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
      throw new TransportFailure('unsendable', `the credentials or TLS settings cannot be used${code}`, {
        cause: error,
      })
    }
  }

  #open({ method, url, headers, body }: WireRequest) {
    const isTls = url.protocol === 'https:'
    const proxy = proxyFor(url, this.#options.proxy)
    const target = `${url.pathname}${url.search}`
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const common = { method, headers: { ...headers, ...length }, agent: this.#agent(isTls, proxy) }
    if (!isTls && proxy !== undefined) {
      // Plaintext goes through a proxy in absolute form (RFC 9112 3.2.2); many proxies tunnel to TLS ports only.
      const through = { host: bareHost(proxy.hostname), port: portOf(proxy), path: url.href }
      const headersThrough = { host: url.host, ...common.headers, ...proxyHeaders(proxy) }
      const send = proxy.protocol === 'https:' ? requestHttps : requestHttp
      return send({ ...common, ...through, headers: headersThrough })
    }
    const options = { ...common, host: bareHost(url.hostname), port: portOf(url), path: target }
    return isTls ? requestHttps(options) : requestHttp(options)
  }

  #agent(isTls: boolean, proxy: URL | undefined): HttpAgent {
    const kind = `${isTls} ${proxy?.href ?? ''}`
    const known = this.#agents.get(kind)
    if (known !== undefined) return known
    const { tls, maxSockets, tunnelTimeoutMs } = this.#options
    const pool = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets }
    const { ca, ...identity } = tls
    const secure = {
      ...pool,
      ...identity,
      ...(ca === undefined ? {} : { ca: [...ca] }),
      minVersion: 'TLSv1.2',
    } as const
    const agent = !isTls
      ? proxy?.protocol === 'https:'
        ? new HttpsAgent(pool)
        : new HttpAgent(pool)
      : proxy === undefined
        ? new HttpsAgent(secure)
        : new TunnelAgent(secure, proxy, tunnelTimeoutMs)
    this.#agents.set(kind, agent)
    return agent
  }
}

/** TLS inside a tunnel that a proxy makes (RFC 9110 9.3.6). */
class TunnelAgent extends HttpsAgent {
  readonly #proxy: URL
  readonly #timeoutMs: number

  constructor(options: ConstructorParameters<typeof HttpsAgent>[0], proxy: URL, timeoutMs: number) {
    super(options)
    this.#proxy = proxy
    this.#timeoutMs = timeoutMs
  }

  override createConnection(
    { host, port }: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const name = String(host)
    const authority = `${isIP(name) === 6 ? `[${name}]` : name}:${port}`
    const ask = this.#proxy.protocol === 'https:' ? requestHttps : requestHttp
    const asking = ask({
      host: bareHost(this.#proxy.hostname),
      port: portOf(this.#proxy),
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...proxyHeaders(this.#proxy) },
      agent: false,
      timeout: this.#timeoutMs,
    })
    const refuse = (reason: string, cause?: unknown): void => {
      const error = new Error(`the proxy ${this.#proxy.host} ${reason}`, { cause })
      callback?.(Object.assign(error, { code: 'STRONGROOM_PROXY' }), new Socket())
    }
    asking.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) {
        const servername = isIP(name) === 0 ? { servername: name } : {}
        callback?.(null, connectTls({ ...this.options, socket, host: name, ...servername }))
      } else {
        socket.destroy()
        refuse(`answered ${statusCode} to CONNECT`)
      }
    })
    asking.on('response', ({ statusCode }) => {
      asking.destroy()
      refuse(`answered ${statusCode} to CONNECT`)
    })
    asking.on('timeout', () => asking.destroy(new Error('time-out')))
    asking.on('error', (error) => refuse('cannot be reached', error))
    asking.end()
  }
}

function readAnswer(incoming: IncomingMessage, maxAnswerBytes: number): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const cut = (error?: unknown): void =>
      reject(new TransportFailure('cut', 'the answer was cut off', { cause: error }))
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxAnswerBytes)
        reject(new TransportFailure('too-long', `the answer is over ${maxAnswerBytes} bytes`))
      else chunks.push(chunk)
    })
    incoming.on('end', () => {
      if (!incoming.complete) return cut()
      const body = Buffer.concat(chunks)
      // What a store answers may be key material.
      for (const chunk of chunks) chunk.fill(0)
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body })
    })
    incoming.on('error', cut)
    incoming.on('aborted', cut)
    incoming.on('close', cut)
  })
}

function failureOf(error: Error & { code?: unknown }): TransportFailure {
  const code = typeof error.code === 'string' ? error.code : ''
  if (code === 'STRONGROOM_PROXY') return new TransportFailure('refused', error.message, { cause: error })
  if (refusedCodes.has(code)) return new TransportFailure('refused', `no connection (${code})`, { cause: error })
  if (certificateCodes.test(code)) {
    return new TransportFailure('certificate', `its certificate is not trusted (${code})`, { cause: error })
  }
  return new TransportFailure('cut', `the connection was cut off${code === '' ? '' : ` (${code})`}`, { cause: error })
}
