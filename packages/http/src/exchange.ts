/**
 * What surrounds a handler: back-pressure on the body, `100 Continue` when the body is first read, what becomes of a body that the handler did not
 * read, and lingering close.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Exchange, TrackedConnection } from './connection.ts'
import { CorkedResponse } from './corked-response.ts'

/** Whether the request announces a body (RFC 9112 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return length === undefined ? request.headers['transfer-encoding'] !== undefined : length !== '0'
}

/**
 * Prepares a request with a body. A small body that the handler leaves unread is thrown away by the HTTP server and the
 * connection lives on; with a larger one, one of unknown length, or one that the client holds back until
 * `100 Continue`, the response says `Connection: close`.
 */
export function prepareBody(
  connection: TrackedConnection,
  exchange: Exchange,
  drainBytes: number,
  now: () => number,
): void {
  const { request, response } = exchange
  if (exchange.awaitsContinue) continueOnRead(exchange)
  const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  if (length <= drainBytes && !exchange.awaitsContinue) return
  beforeHead(response, () => {
    if (request.complete || (length <= drainBytes && !exchange.awaitsContinue)) return
    response.shouldKeepAlive = false
    lingerAtEnd(connection, now)
  })
}

/**
 * Stops reading from the connection while a body waits for its consumer. Node does that by itself through the socket's
 * handle; where the handle has no `readStop` (Bun) a body would be read into memory as fast as it comes.
 */
export function holdBack(request: IncomingMessage): void {
  const { socket, push, _read: read } = request
  if (canStopReading(socket)) return
  let isPaused = false
  const resume = (): void => {
    if (!isPaused) return
    isPaused = false
    socket.resume()
  }
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    const wantsMore = push.call(request, chunk, encoding)
    // The end is here: nobody will call `_read` again, but the next request is due.
    if (chunk === null) resume()
    else if (!wantsMore && !isPaused) {
      isPaused = true
      socket.pause()
    }
    return wantsMore
  }
  request._read = (size) => {
    resume()
    read.call(request, size)
  }
}

function canStopReading(socket: Socket & { readonly _handle?: { readonly readStop?: unknown } | null }): boolean {
  return typeof socket._handle?.readStop === 'function'
}

/** Makes the end of the response a lingering close instead of an abrupt one. */
export function lingerAtEnd(connection: TrackedConnection, now: () => number): void {
  const socket = connection.socket
  if (socket === undefined) return
  // Node and Bun end a connection after its last response by `destroySoon`, whatever input is still under way.
  socket.destroySoon = () => connection.linger(now())
}

/** Sends `100 Continue` at the first read of the body, unless the answer is out already. */
function continueOnRead(exchange: Exchange): void {
  const { request, response } = exchange
  const read = request._read
  request._read = (size) => {
    request._read = read
    if (!response.headersSent && !response.destroyed) {
      exchange.awaitsContinue = false
      response.writeContinue()
    }
    read.call(request, size)
  }
}

/** Runs an action before the response head is made. */
function beforeHead(response: ServerResponse, action: () => void): void {
  if (response instanceof CorkedResponse) response.beforeHead = action
}
