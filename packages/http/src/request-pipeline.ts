/**
 * HTTP on accepted sockets: one `node:http` server that never listens, and what happens to a request before and after its
 * handler: refusals, one request of a connection at a time, the end of a response.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection, Exchange, TrackedConnection } from './connection.ts'
import { CorkedResponse } from './corked-response.ts'
import { DirectExchange, type DirectExchangeOptions, type DirectHandler } from './direct-exchange.ts'
import { hasBody, holdBack, lingerAtEnd, prepareBody } from './exchange.ts'
import type { ListenerLimits } from './limits.ts'
import { type FormatRejection, type RejectionCode, rejectionAnswer, rejectionBytes } from './rejections.ts'
import { checkRequest } from './request-guard.ts'

/** Serves one request. One request of a connection at a time. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
) => Promise<void> | void

export interface RequestPipelineOptions {
  readonly handler: Handler
  /** Serves small requests that came whole, as far as it wants to. */
  readonly direct: DirectHandler | undefined
  readonly directBodies: 'small' | 'any'
  readonly limits: ListenerLimits
  readonly formatRejection: FormatRejection | undefined
  readonly onHandlerError: ((error: unknown, request: IncomingMessage | undefined) => void) | undefined
  /** Counts refusals by code; ours to write. */
  readonly rejected: Record<string, number>
  readonly now: () => number
}

const CODE_OF_PARSER_ERROR: Readonly<Record<string, RejectionCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
}

type HttpServer = Server<typeof IncomingMessage, typeof CorkedResponse>

/** Speaks HTTP on sockets that the listener has accepted. */
export class RequestPipeline {
  readonly #options: RequestPipelineOptions
  readonly #http: HttpServer
  readonly #direct: DirectExchangeOptions | undefined
  readonly #bySocket = new WeakMap<Socket, TrackedConnection>()
  #isDraining = false

  constructor(options: RequestPipelineOptions) {
    this.#options = options
    this.#http = this.#createHttpServer()
    this.#direct = this.#directOptions()
  }

  /** Takes a connection whose `socket` carries HTTP. */
  serve(connection: TrackedConnection, socket: Socket): void {
    this.#bySocket.set(socket, connection)
    if (this.#direct === undefined) this.#handOver(socket)
    else new DirectExchange(connection, socket, this.#direct)
  }

  /** Answers a request whose headers did not come in time, and ends the connection. */
  refuseLate(connection: TrackedConnection, socket: Socket): void {
    this.#broken(connection, socket, 'header-timeout')
  }

  /** From now on every connection ends with the response that is under way on it. */
  drain(connection: TrackedConnection): void {
    this.#isDraining = true
    const response = connection.current?.response
    if (connection.direct?.isBusy === true) return
    if (response === undefined) connection.destroy()
    else if (!response.headersSent) response.shouldKeepAlive = false
  }

  /** From here on the only text that is written is that of heads, which is Latin-1. */
  #handOver(socket: Socket): void {
    socket.setDefaultEncoding('latin1')
    this.#http.emit('connection', socket)
  }

  #directOptions(): DirectExchangeOptions | undefined {
    const { direct: handler, directBodies, limits, now } = this.#options
    if (handler === undefined) return undefined
    return {
      handler,
      headerBytes: limits.headerBytes,
      takesLargeBodies: directBodies === 'any',
      drainBytes: limits.drainBytes,
      now,
      isDraining: () => this.#isDraining,
      handOver: (_connection, socket) => this.#handOver(socket),
      failed: (connection, socket, error, isBegun) => {
        this.#options.onHandlerError?.(error, undefined)
        if (isBegun || connection.isEnding) connection.destroy()
        else this.#refuse(connection, socket, 'handler-failed')
      },
    }
  }

  #createHttpServer(): HttpServer {
    const server = createServer({
      maxHeaderSize: this.#options.limits.headerBytes,
      requireHostHeader: false,
      ServerResponse: CorkedResponse,
    })
    server.timeout = 0
    server.requestTimeout = 0
    server.headersTimeout = 0
    server.keepAliveTimeout = 0
    // The parser would drop what is over the count in silence; checkRequest refuses it instead.
    server.maxHeadersCount = 0
    server.on('request', (request, response) => this.#request(request, response, false))
    server.on('checkContinue', (request, response) => this.#request(request, response, true))
    server.on('checkExpectation', (request, response) => this.#request(request, response, false, 'expectation-failed'))
    server.on('connect', (request, socket) =>
      this.#broken(this.#bySocket.get(request.socket), socket, 'unsupported-method'),
    )
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const code = CODE_OF_PARSER_ERROR[error.code ?? ''] ?? 'malformed-request'
      this.#broken(this.#bySocket.get(socket as Socket), socket, code)
    })
    return server
  }

  #request(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    rejection?: RejectionCode,
  ): void {
    const connection = this.#bySocket.get(request.socket)
    if (connection === undefined || connection.isEnding) return
    const exchange = { request, response, awaitsContinue, rejection }
    if (hasBody(request)) holdBack(request)
    if (connection.current === undefined) this.#begin(connection, exchange)
    else if (connection.waiting.length >= this.#options.limits.pipelined) connection.destroy()
    else connection.waiting.push(exchange)
  }

  #begin(connection: TrackedConnection, exchange: Exchange): void {
    const { request, response } = exchange
    connection.began(exchange, this.#options.now())
    response.on('close', () => this.#ended(connection, exchange))
    // With a request for an upgrade the parser loses what came in the same packet behind it: nothing after it can be read.
    if (this.#isDraining || request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    const rejection = exchange.rejection ?? checkRequest(request)
    if (rejection !== undefined) {
      this.#reject(connection, exchange, rejection)
      return
    }
    if (hasBody(request)) prepareBody(connection, exchange, this.#options.limits.drainBytes, this.#options.now)
    try {
      const running = this.#options.handler(request, response, connection)
      if (running !== undefined) running.catch((error: unknown) => this.#handlerFailed(connection, exchange, error))
    } catch (error) {
      this.#handlerFailed(connection, exchange, error)
    }
  }

  #ended(connection: TrackedConnection, { request, response }: Exchange): void {
    connection.ended(this.#options.now())
    if (!response.writableFinished) {
      connection.destroy()
      return
    }
    // A body read half-way would stop the connection for ever.
    if (!request.complete) request.resume()
    if (connection.isEnding) return
    const next = connection.waiting.shift()
    if (this.#isDraining) connection.linger(this.#options.now())
    else if (next !== undefined) this.#begin(connection, next)
  }

  #handlerFailed(connection: TrackedConnection, exchange: Exchange, error: unknown): void {
    this.#options.onHandlerError?.(error, exchange.request)
    if (exchange.response.headersSent || exchange.response.destroyed) connection.destroy()
    else this.#reject(connection, exchange, 'handler-failed')
  }

  #reject(connection: TrackedConnection, { request, response }: Exchange, code: RejectionCode): void {
    this.#count(code)
    const { status, contentType, body, headers = {} } = rejectionAnswer(code, this.#options.formatRejection)
    connection.waiting.length = 0
    response.shouldKeepAlive = false
    if (!request.complete) lingerAtEnd(connection, this.#options.now)
    response.statusCode = status
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.setHeader('Content-Type', contentType)
    response.setHeader('Content-Length', Buffer.byteLength(body))
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  /** The bytes of a connection cannot be read as HTTP (or not as HTTP for us) any longer. */
  #broken(
    connection: TrackedConnection | undefined,
    socket: NodeJS.WritableStream & { destroy(): void },
    code: RejectionCode,
  ): void {
    if (connection === undefined) socket.destroy()
    else if (connection.isEnding) connection.linger(this.#options.now())
    else if (!socket.writable) connection.destroy()
    else if (connection.current !== undefined) {
      const last = lastWhole(connection, connection.current)
      if (last.response.writableEnded) {
        connection.linger(this.#options.now())
        return
      }
      this.#count(code)
      this.#endWith(connection, last)
    } else this.#refuse(connection, socket, code)
  }

  /** Answers where there is no response to answer with, and ends the connection. */
  #refuse(connection: TrackedConnection, socket: NodeJS.WritableStream, code: RejectionCode): void {
    this.#count(code)
    socket.write(rejectionBytes(code, this.#options.formatRejection))
    connection.linger(this.#options.now())
  }

  /** What follows this request cannot be read: it is answered still, if it came whole and its head is not out. */
  #endWith(connection: TrackedConnection, { request, response }: Exchange): void {
    if (!request.complete || response.headersSent) {
      connection.destroy()
      return
    }
    response.shouldKeepAlive = false
    lingerAtEnd(connection, this.#options.now)
  }

  #count(code: RejectionCode): void {
    const { rejected } = this.#options
    rejected[code] = (rejected[code] ?? 0) + 1
  }
}

/** The last request of a connection that came whole, or the one under way; forgets what waits behind it. */
function lastWhole({ waiting }: TrackedConnection, current: Exchange): Exchange {
  while (waiting.at(-1)?.request.complete === false) waiting.pop()
  return waiting.at(-1) ?? current
}
