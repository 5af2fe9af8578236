/**
 * One exchange with one KES server over `node:https`: bounded in time and in the size of the answer, with the client
 * certificate of the moment. HTTP/1.1 over kept connections.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { createSecureContext, rootCertificates } from 'node:tls'
import { KesError } from '../kes-error.ts'
import type { KesEndpoint } from './endpoints.ts'
import type { KeyPairPem } from './make-certificate.ts'

export interface TransportOptions {
  /** PEM certificates trusted beside the runtime's. */
  readonly ca?: readonly string[]
  /** Does not verify the server: for trying out. */
  readonly insecure?: boolean
  /** Connections per server at most. Default 64. */
  readonly maxSockets?: number
}

export interface KesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** JSON; stays the caller's. */
  readonly body?: Buffer
  /** The answer's; default 1 MiB. */
  readonly maxAnswerBytes?: number
}

export interface KesAnswer {
  readonly status: number
  readonly contentType: string
  /** The receiver's to zero. */
  readonly body: Buffer
}

/** Why there was no answer. */
export class ExchangeError extends KesError {
  /** The server may have carried out the request. */
  readonly mayBeDone: boolean
  /** Another attempt may succeed. */
  readonly isPassing: boolean

  constructor(
    message: string,
    facts: { readonly mayBeDone: boolean; readonly isPassing: boolean; readonly cause?: unknown },
  ) {
    super('unreachable', message, { cause: facts.cause })
    this.mayBeDone = facts.mayBeDone
    this.isPassing = facts.isPassing
  }
}

const defaultMaxAnswerBytes = 1_048_576

/** Connections to KES servers under one client certificate. A new certificate is a new transport. */
export class KesTransport {
  readonly #agent: Agent
  #inFlight = 0
  #isRetired = false

  constructor(pair: KeyPairPem, { ca = [], insecure = false, maxSockets = 64 }: TransportOptions) {
    const trust = {
      cert: pair.cert,
      key: pair.key,
      minVersion: 'TLSv1.2' as const,
      ...(ca.length === 0 ? {} : { ca: [...rootCertificates, ...ca] }),
    }
    this.#agent = new Agent({
      ...trust,
      // One for all connections: to parse the roots takes 35 ms of processor time each.
      secureContext: createSecureContext(trust),
      keepAlive: true,
      maxSockets,
      rejectUnauthorized: !insecure,
      // A resumed session shows the certificate of the session it comes from: always a handshake of our own.
      maxCachedSessions: 0,
    })
  }

  /**
   * Sends a request and reads its whole answer.
   *
   * @throws ExchangeError when there is none within `timeoutMs`, or `signal` ends the waiting
   */
  async exchange(
    endpoint: KesEndpoint,
    wanted: KesRequest,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<KesAnswer> {
    const limit = wanted.maxAnswerBytes ?? defaultMaxAnswerBytes
    this.#inFlight++
    try {
      return await this.#send(
        endpoint,
        wanted,
        { timeoutMs, ...(signal === undefined ? {} : { signal }) },
        (response) => readAnswer(response, limit),
      )
    } finally {
      this.#done()
    }
  }

  /** Opens a stream that goes on until `signal` ends it; `timeoutMs` bounds the wait for its head. */
  async open(
    endpoint: KesEndpoint,
    wanted: KesRequest,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    this.#inFlight++
    try {
      const response = await this.#send(endpoint, wanted, { timeoutMs, signal }, async (answer) => answer)
      this.#inFlight++
      response.once('close', () => this.#done())
      return response
    } finally {
      this.#done()
    }
  }

  /** Lets requests in flight end, then closes all connections. */
  retire(): void {
    this.#isRetired = true
    if (this.#inFlight === 0) this.#agent.destroy()
  }

  /** Closes all connections at once. */
  close(): void {
    this.#agent.destroy()
  }

  #done(): void {
    this.#inFlight--
    if (this.#isRetired && this.#inFlight === 0) this.#agent.destroy()
  }

  #send<T>(
    endpoint: KesEndpoint,
    { method, path, body }: KesRequest,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
    receive: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const options: RequestOptions = {
      agent: this.#agent,
      host: endpoint.host,
      port: endpoint.port,
      method,
      path,
      headers: headersFor(method, body),
      ...(/^[\d.]+$|:/.test(endpoint.host) ? {} : { servername: endpoint.host }),
    }
    return new Promise((resolve, reject) => {
      let isSecure = false
      const sent = request(options, (response) => {
        receive(response).then(settle(resolve), fail)
      })
      const settle =
        <V>(then: (value: V) => void) =>
        (value: V): void => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
          then(value)
        }
      const fail = (cause: unknown): void => {
        settle(reject)(failure(endpoint, cause, isSecure || sent.reusedSocket))
        sent.destroy()
      }
      const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      const onAbort = (): void => fail(new Error('the caller gave up'))
      sent.on('error', fail)
      sent.on('socket', (socket) => {
        // A kept connection has had its handshake: a listener on it would stay for ever.
        if (sent.reusedSocket) return
        socket.once('secureConnect', () => {
          isSecure = true
        })
      })
      if (signal?.aborted === true) onAbort()
      else {
        signal?.addEventListener('abort', onAbort)
        sent.end(body)
      }
    })
  }
}

/** No body and no chunked encoding where there is nothing to send: a KES cuts such connections (kes-protocol 2.3). */
function headersFor(method: KesRequest['method'], body: Buffer | undefined): Record<string, string | number> {
  if (body !== undefined) return { 'content-type': 'application/json', 'content-length': body.length }
  return method === 'POST' || method === 'PUT' ? { 'content-length': 0 } : {}
}

async function readAnswer(response: IncomingMessage, limit: number): Promise<KesAnswer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    length += chunk.length
    if (length > limit) throw new Error(`the answer is longer than ${limit} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the answer was cut off')
  const [first] = chunks
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? '',
    body: chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks),
  }
}

/** Words for what Node.js and Bun call it. */
const reasons: readonly (readonly [code: RegExp, words: string, isPassing: boolean])[] = [
  [/ECONNREFUSED|ConnectionRefused/, 'connection refused', true],
  [/ECONNRESET|EPIPE|ConnectionClosed/, 'the connection was cut', true],
  [/ENOTFOUND/, 'no such host', true],
  [/EAI_AGAIN/, 'the host name cannot be looked up now', true],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, 'the host cannot be reached', true],
  [/CERT_HAS_EXPIRED/, 'the certificate of the server has expired', false],
  [/ERR_TLS_CERT_ALTNAME_INVALID/, 'the certificate of the server is for another name', false],
  [/SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|CERT_|UNKNOWN_ISSUER/, 'the certificate of the server is not trusted', false],
  [/ALERT|SSLV3|TLSV1/, 'the server refused the client certificate', false],
]

function failure(endpoint: KesEndpoint, cause: unknown, wasSecure: boolean): ExchangeError {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  const code = 'code' in error ? String(error.code) : ''
  const [, words = error.message, isPassing = true] =
    reasons.find(([pattern]) => code !== '' && pattern.test(code)) ?? []
  return new ExchangeError(`${endpoint.url}: ${words}`, { mayBeDone: wasSecure, isPassing, cause })
}
