/**
 * Bodies: reading a bounded one whole, reading a long one piece by piece, and sending one, all with back-pressure and all
 * ending when the peer goes away. Nothing here buffers more than a few pieces of a stream.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { hasBody } from './exchange.ts'
import { HttpError } from './http-error.ts'

/**
 * Reads a whole body. The buffer is the caller's.
 *
 * @throws HttpError `body-too-large` once it is clear that the body exceeds the limit, with the rest unread: answer, and
 * the listener deals with it. `aborted` when the client went away first.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (!hasBody(request)) return Promise.resolve(Buffer.alloc(0))
  const announced = request.headers['content-length']
  if (announced !== undefined && Number(announced) > limitBytes) return Promise.reject(tooLarge(limitBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (): void => {
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onClose)
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > limitBytes) {
        settle()
        request.pause()
        reject(tooLarge(limitBytes))
      } else {
        chunks.push(chunk)
      }
    }
    const onEnd = (): void => {
      settle()
      const [only] = chunks
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes))
    }
    const onClose = (): void => {
      settle()
      reject(aborted())
    }
    if (request.destroyed) {
      onClose()
      return
    }
    swallowErrors(request)
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('close', onClose)
  })
}

/** Pieces that may wait for the consumer before the client is told to stop. */
const HIGH_WATER_BYTES = 262_144

/**
 * A body as an async iterable of pieces, to be iterated once. Reading begins with the first `next()`, which is when a
 * waiting client gets `100 Continue`. Unlike the stream's own iterator, leaving the loop early keeps the connection, so
 * that an answer can be sent.
 *
 * @throws HttpError `aborted` from `next()` when the client went away before the end.
 */
export function bodyChunks(request: IncomingMessage): AsyncIterableIterator<Uint8Array> {
  return new BodyChunks(request)
}

class BodyChunks implements AsyncIterableIterator<Uint8Array> {
  readonly #request: IncomingMessage
  readonly #ready: Buffer[] = []
  #readyBytes = 0
  #state: 'unread' | 'open' | 'ended' | 'aborted' | 'left' = 'unread'
  #wake: (() => void) | undefined

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#state === 'unread') this.#begin()
    for (;;) {
      const chunk = this.#ready.shift()
      if (chunk !== undefined) {
        this.#readyBytes -= chunk.length
        if (this.#readyBytes === 0 && this.#state === 'open' && this.#request.isPaused()) this.#request.resume()
        return { done: false, value: chunk }
      }
      if (this.#state === 'aborted') throw aborted()
      if (this.#state !== 'open') return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#state === 'open') this.#request.pause()
    this.#end('left')
    this.#ready.length = 0
    return Promise.resolve({ done: true, value: undefined })
  }

  #begin(): void {
    const request = this.#request
    if (!hasBody(request)) {
      this.#state = 'ended'
      return
    }
    if (request.destroyed) {
      this.#state = request.readableEnded ? 'ended' : 'aborted'
      return
    }
    this.#state = 'open'
    swallowErrors(request)
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('close', this.#onClose)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#ready.push(chunk)
    this.#readyBytes += chunk.length
    if (this.#readyBytes >= HIGH_WATER_BYTES) this.#request.pause()
    this.#wake?.()
  }

  readonly #onEnd = (): void => this.#end('ended')
  readonly #onClose = (): void => this.#end('aborted')

  #end(state: 'ended' | 'aborted' | 'left'): void {
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.off('close', this.#onClose)
    this.#state = state
    this.#wake?.()
  }
}

/** What a body is sent to: a `ServerResponse`, or a `DirectResponse`. */
export interface BodyResponse {
  readonly destroyed: boolean
  readonly closed: boolean
  readonly headersSent: boolean
  readonly writableNeedDrain: boolean
  /** What was written and is still in the writer's memory; absent where nobody can tell. */
  readonly unsentBytes?: number
  getHeader(name: string): unknown
  write(piece: Uint8Array): boolean
  end(piece?: Uint8Array): unknown
  destroy(): unknown
  on(event: 'drain' | 'close', listener: () => void): unknown
  off(event: 'drain' | 'close', listener: () => void): unknown
}

export interface SendBodyOptions {
  /** Stops sending and cuts the connection. */
  readonly signal?: AbortSignal
  /** Counts the bytes that the connection took, also of a body that fails. */
  readonly sent?: { bytes: number }
  /** Given pieces that were sent and are in nobody's memory but their own: whoever made them may use it again. */
  readonly letGo?: (piece: Uint8Array) => void
}

/**
 * Sends a body and ends the response. Set status and headers before; with a Content-Length header its value is enforced.
 * The last piece is held back until the source has ended well, so that a source which fails at its end (a bad digest)
 * never lets the client see a complete response; and the first until there is a second. Of a body whose length was not announced
 * every piece is held back until the next.
 *
 * Resolves with the number of body bytes when the response was handed to the connection whole. When the source fails
 * before the first byte was sent, the response is untouched and the caller may answer with an error; later, the
 * connection is cut. The source's iterator is always ended.
 *
 * @throws HttpError `aborted` when the client went away or the signal fired, `length-mismatch` for a source that is longer
 * or shorter than its Content-Length; whatever the source throws.
 */
export async function sendBody(
  response: BodyResponse,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  options: SendBodyOptions = {},
): Promise<number> {
  if (source instanceof Uint8Array) return sendWhole(response, source)
  const announced = response.getHeader('content-length')
  const expected = announced === undefined ? undefined : Number(announced)
  const valve = new Valve(response, options)
  let bytes = 0
  try {
    let held: Uint8Array | undefined
    for await (const chunk of source) {
      valve.check()
      if (chunk.length === 0) continue
      const isFirst = bytes === 0
      bytes += chunk.length
      if (expected !== undefined && bytes > expected) throw mismatch(expected)
      if (held !== undefined && !valve.pass(held)) await valve.drained(held)
      held = isFirst || expected === undefined || bytes === expected ? chunk : undefined
      if (held === undefined && !valve.pass(chunk)) await valve.drained(chunk)
    }
    valve.check()
    if (expected !== undefined && bytes !== expected) throw mismatch(expected)
    response.end(held)
    valve.sent.bytes = bytes
    return bytes
  } catch (error) {
    if (response.headersSent || valve.isShut) response.destroy()
    throw error
  } finally {
    valve.close()
  }
}

function sendWhole(response: BodyResponse, body: Uint8Array): Promise<number> {
  if (response.destroyed) return Promise.reject(aborted())
  response.end(body)
  return Promise.resolve(body.length)
}

/** Writes pieces, waits for the response to drain, and knows whether anyone still listens. One set of listeners per body. */
class Valve {
  readonly sent: { bytes: number }
  readonly #response: BodyResponse
  readonly #signal: AbortSignal | undefined
  readonly #letGo: ((piece: Uint8Array) => void) | undefined
  #wake: (() => void) | undefined

  constructor(response: BodyResponse, { signal, sent = { bytes: 0 }, letGo }: SendBodyOptions) {
    this.#response = response
    this.#signal = signal
    this.sent = sent
    this.#letGo = letGo
    response.on('drain', this.#onChange)
    response.on('close', this.#onChange)
    signal?.addEventListener('abort', this.#onChange)
  }

  get isShut(): boolean {
    const response = this.#response
    return response.destroyed || response.closed || this.#signal?.aborted === true
  }

  check(): void {
    if (this.isShut) throw aborted()
  }

  /** @returns `false` if `drained` has to be waited for */
  pass(piece: Uint8Array): boolean {
    const isTaken = this.#response.write(piece)
    if (isTaken) this.#passed(piece)
    return isTaken
  }

  async drained(piece: Uint8Array): Promise<void> {
    if (!this.isShut && this.#response.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.check()
    this.#passed(piece)
  }

  #passed(piece: Uint8Array): void {
    this.sent.bytes += piece.length
    if (this.#response.unsentBytes === 0) this.#letGo?.(piece)
  }

  close(): void {
    this.#response.off('drain', this.#onChange)
    this.#response.off('close', this.#onChange)
    this.#signal?.removeEventListener('abort', this.#onChange)
  }

  readonly #onChange = (): void => this.#wake?.()
}

/** A request that is cut off emits `error` beside `close`; without a listener that would end the process. */
function swallowErrors(request: IncomingMessage): void {
  if (request.listenerCount('error') === 0) request.on('error', ignore)
}

function ignore(): void {
  // `close` follows and says the same.
}

function aborted(): HttpError {
  return new HttpError('aborted', 'the client closed the connection before the message was complete')
}

function tooLarge(limitBytes: number): HttpError {
  return new HttpError('body-too-large', `the body is longer than ${limitBytes} bytes`)
}

function mismatch(expected: number): HttpError {
  return new HttpError('length-mismatch', `the body does not have the ${expected} bytes that were announced`)
}
