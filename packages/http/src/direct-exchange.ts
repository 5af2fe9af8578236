/**
 * Serves the usual small requests of a connection straight from its socket: read whole, and answered. The first bytes that are
 * anything else go to `node:http`, and the connection with them for good.
 *
 * @module
 */

import type { Socket } from 'node:net'
import type { Connection, TrackedConnection } from './connection.ts'
import { DirectReader, type DirectRequest } from './direct-request.ts'
import { DirectResponse, type DirectSink } from './direct-response.ts'

/**
 * Serves a request that came whole; one of a connection at a time. Must call `end` of the response, at once or later.
 *
 * @returns `false` for a request that is to be served by the other handler instead: then nothing was done
 */
export type DirectHandler = (
  request: DirectRequest,
  response: DirectResponse,
  connection: Connection,
) => Promise<void> | void | false

export interface DirectExchangeOptions {
  readonly handler: DirectHandler
  /** The longest head that `node:http` takes; bytes. */
  readonly headerBytes: number
  /** No connection is to live on after its answer. */
  readonly isDraining: () => boolean
  readonly now: () => number
  /** Serves the socket by `node:http`, beginning with what was unshifted. */
  readonly handOver: (connection: TrackedConnection, socket: Socket) => void
  /** The handler threw; `isBegun` says whether some of its answer is out. */
  readonly failed: (connection: TrackedConnection, socket: Socket, error: unknown, isBegun: boolean) => void
}

/** One connection while it is served directly. */
export class DirectExchange implements DirectSink {
  /** Whether a request has no answer yet, or an answer has not left yet. */
  isBusy = false
  readonly #connection: TrackedConnection
  readonly #socket: Socket
  readonly #options: DirectExchangeOptions
  readonly #reader: DirectReader
  /** Some of the answer was written. */
  #isBegun = false
  /** All of it. */
  #isAnswered = false
  #hasPeerEnded = false
  /** What came while a request was under way. */
  #waiting: Buffer | undefined

  constructor(connection: TrackedConnection, socket: Socket, options: DirectExchangeOptions) {
    this.#connection = connection
    this.#socket = socket
    this.#options = options
    this.#reader = new DirectReader(options.headerBytes)
    connection.direct = this
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
  }

  get isGone(): boolean {
    return this.#socket.destroyed || this.#connection.isEnding
  }

  get isLastAnswer(): boolean {
    return this.#hasPeerEnded || this.#options.isDraining()
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  write(message: string | Buffer, encoding: BufferEncoding): boolean {
    this.#isBegun = true
    return typeof message === 'string' ? this.#socket.write(message, encoding) : this.#socket.write(message)
  }

  finish(isTaken: boolean, isLast: boolean): void {
    this.#isAnswered = true
    if (isLast) this.#connection.linger(this.#options.now())
    else if (isTaken) this.#done()
  }

  on(event: 'drain' | 'close', listener: () => void): void {
    this.#socket.on(event, listener)
  }

  off(event: 'drain' | 'close', listener: () => void): void {
    this.#socket.off(event, listener)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  readonly #onError = (): void => this.destroy()

  /** Who does not take an answer gets no further one. */
  readonly #onDrain = (): void => {
    if (this.isBusy && this.#isAnswered) this.#done()
  }

  readonly #onEnd = (): void => {
    this.#hasPeerEnded = true
    if (!this.isBusy) this.#socket.end()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#connection.isEnding) return
    if (!this.isBusy) {
      this.#take(chunk)
      return
    }
    this.#waiting = this.#waiting === undefined ? chunk : Buffer.concat([this.#waiting, chunk])
    this.#socket.pause()
  }

  #take(chunk: Buffer): void {
    const request = this.#reader.read(chunk)
    if (request === undefined) {
      this.#handOver(chunk)
      return
    }
    const { handler, now } = this.#options
    this.isBusy = true
    this.#isBegun = false
    this.#isAnswered = false
    this.#connection.began(undefined, now())
    try {
      const running = handler(request, new DirectResponse(this, request.method), this.#connection)
      if (running === false) this.#handOver(chunk)
      else if (running !== undefined) running.catch(this.#onFailure)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  readonly #onFailure = (error: unknown): void => {
    this.#options.failed(this.#connection, this.#socket, error, this.#isBegun)
  }

  #done(): void {
    this.isBusy = false
    const { isDraining, now } = this.#options
    // Draining began after the answer had been written, while its client had not taken it.
    if (isDraining()) {
      this.#connection.linger(now())
      return
    }
    this.#connection.ended(now())
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    this.#socket.resume()
    this.#take(waiting)
  }

  #handOver(chunk: Buffer): void {
    const socket = this.#socket
    if (this.isBusy) this.#connection.ended(this.#options.now())
    this.#connection.direct = undefined
    socket.off('data', this.#onData)
    socket.off('drain', this.#onDrain)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    socket.pause()
    socket.unshift(chunk)
    this.#options.handOver(this.#connection, socket)
    socket.resume()
  }
}
