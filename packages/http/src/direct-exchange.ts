/**
 * Serves the usual requests of a connection straight from its socket: read, and answered. The first bytes that are
 * anything else go to `node:http`, and the connection with them for good.
 *
 * @module
 */

import type { Socket } from 'node:net'
import type { Connection, TrackedConnection } from './connection.ts'
import { type BodyFlow, DirectBody } from './direct-body.ts'
import { DirectReader, type DirectReading, type DirectRequest } from './direct-request.ts'
import { DirectResponse, type DirectSink } from './direct-response.ts'

/**
 * Serves a request whose head came whole; one of a connection at a time. Must call `end` of the response, at once or later.
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
  /** Bodies of any known length are read here; otherwise only those of small requests. */
  readonly takesLargeBodies: boolean
  /** A body up to this many bytes that nobody read is thrown away after the answer; a longer one ends the connection. */
  readonly drainBytes: number
  /** No connection is to live on after its answer. */
  readonly isDraining: () => boolean
  readonly now: () => number
  /** Serves the socket by `node:http`, beginning with what was unshifted. */
  readonly handOver: (connection: TrackedConnection, socket: Socket) => void
  /** The handler threw; `isBegun` says whether some of its answer is out. */
  readonly failed: (connection: TrackedConnection, socket: Socket, error: unknown, isBegun: boolean) => void
}

/** A longer beginning of a body is copied, so that its consumer can free it; bytes. */
const copiedBytes = 16_384

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
  /** And it has left as far as that is known here. */
  #isTaken = false
  /** The connection ends with it. */
  #isLast = false
  #hasPeerEnded = false
  /** Of the request under way, if it had not come whole. */
  #body: DirectBody | undefined
  #bodyBytes = 0
  /** What came while a request was under way. */
  #waiting: Buffer | undefined

  readonly #flow: BodyFlow = {
    pause: () => void this.#socket.pause(),
    resume: () => void this.#socket.resume(),
    sendContinue: () => {
      if (!this.#isBegun && !this.isGone) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
    },
  }

  constructor(connection: TrackedConnection, socket: Socket, options: DirectExchangeOptions) {
    this.#connection = connection
    this.#socket = socket
    this.#options = options
    this.#reader = new DirectReader(options.headerBytes, options.takesLargeBodies)
    connection.direct = this
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** The client is to send more of a body, and nothing else keeps it from doing so. */
  get owesBody(): boolean {
    return this.#body?.isWanted === true
  }

  get #isBodyMissing(): boolean {
    return this.#body !== undefined && this.#body.missing > 0
  }

  get isGone(): boolean {
    return this.#socket.destroyed || this.#connection.isEnding
  }

  get isLastAnswer(): boolean {
    return this.#hasPeerEnded || this.#options.isDraining() || this.#leavesTooMuch
  }

  /** Of a body that nobody has read there is more to come than is worth reading, or none before it is asked for. */
  get #leavesTooMuch(): boolean {
    if (!this.#isBodyMissing) return false
    return this.#body?.awaitsContinue === true || this.#bodyBytes > this.#options.drainBytes
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  write(message: string | Buffer, encoding: BufferEncoding): boolean {
    this.#isBegun = true
    return typeof message === 'string' ? this.#socket.write(message, encoding) : this.#socket.write(message)
  }

  finish(isTaken: boolean, isLast: boolean): void {
    this.#isAnswered = true
    this.#isTaken = isTaken
    this.#isLast = isLast
    if (!isLast) this.#body?.discard()
    this.#doneIfAll()
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

  readonly #onClose = (): void => {
    this.#body?.abort()
    this.#waiting?.fill(0)
  }

  /** Who does not take an answer gets no further one. */
  readonly #onDrain = (): void => {
    if (!this.isBusy || !this.#isAnswered) return
    this.#isTaken = true
    this.#doneIfAll()
  }

  readonly #onEnd = (): void => {
    this.#hasPeerEnded = true
    if (!this.isBusy) this.#socket.end()
    else if (this.#isBodyMissing && this.#isAnswered) this.#connection.linger(this.#options.now())
    else if (this.#isBodyMissing) this.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#connection.isEnding) return
    if (!this.isBusy) {
      this.#take(chunk)
      return
    }
    const left = this.#body?.push(chunk) ?? chunk
    if (left.length > 0) {
      this.#waiting = this.#waiting === undefined ? left : joined(this.#waiting, left)
      this.#socket.pause()
    }
    if (this.#isAnswered) this.#doneIfAll()
  }

  #take(chunk: Buffer): void {
    const reading = this.#reader.read(chunk)
    if (reading === undefined) {
      this.#handOver(chunk)
      return
    }
    const { handler, now } = this.#options
    this.isBusy = true
    this.#isBegun = false
    this.#isAnswered = false
    this.#isTaken = false
    this.#connection.began(undefined, now())
    try {
      const running = handler(this.#request(reading), new DirectResponse(this, reading.method), this.#connection)
      if (running === false) this.#handOver(chunk)
      else if (running !== undefined) running.catch(this.#onFailure)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  #request(reading: DirectReading): DirectRequest {
    this.#body = undefined
    if (reading.isWhole) return reading
    const { begun, ...head } = reading
    // A part would keep all that came with it for as long as somebody looks at the head.
    const own = begun.length > copiedBytes ? Buffer.from(begun) : begun
    const body = new DirectBody(own, head.bodyBytes, head.awaitsContinue, this.#flow)
    this.#body = body
    this.#bodyBytes = head.bodyBytes
    return { ...head, readBody: body.read, bodyChunks: () => body }
  }

  readonly #onFailure = (error: unknown): void => {
    this.#options.failed(this.#connection, this.#socket, error, this.#isBegun)
  }

  /** The next request begins when the answer has been taken, and what nobody read of the body is here; the end needs no body. */
  #doneIfAll(): void {
    if (this.isBusy && this.#isTaken && (this.#isLast || !this.#isBodyMissing)) this.#done()
  }

  #done(): void {
    this.isBusy = false
    this.#body = undefined
    const { isDraining, now } = this.#options
    // Draining may have begun after the answer had been written, while its client had not taken it.
    if (this.#isLast || isDraining()) {
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
    socket.off('close', this.#onClose)
    socket.pause()
    socket.unshift(chunk)
    this.#options.handOver(this.#connection, socket)
    socket.resume()
  }
}

/** Leaves nothing behind of bodies, which may be keys. */
function joined(first: Buffer, second: Buffer): Buffer {
  const whole = Buffer.concat([first, second])
  first.fill(0)
  second.fill(0)
  return whole
}
