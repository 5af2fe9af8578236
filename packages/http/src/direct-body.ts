/**
 * The body of a request that was read directly while it is on its way: of a known length, given piece by piece in the turn in which
 * a piece came, and the connection stopped while nobody wants the next (docs/adr/0022-large-blobs-past-the-page-cache.md).
 *
 * @module
 */

import { HttpError } from './http-error.ts'

/** What a body does to its connection. */
export interface BodyFlow {
  pause(): void
  resume(): void
  /** Tells a client that waits for it to send the body. */
  sendContinue(): void
}

/** The connection is stopped when this much waits for the consumer; bytes. */
const stopBytes = 65_536

/** A piece of up to this many bytes is copied when it is read as a whole body: it would keep all that came with it. */
const copiedBytes = 16_384

/** A body on its way; to be iterated, or read, once or not at all. Leaving the loop early keeps the connection. */
export class DirectBody implements AsyncIterableIterator<Uint8Array> {
  /** Bytes that are still to come. */
  missing: number
  /** The client sends nothing before it was told to. */
  awaitsContinue: boolean
  readonly #flow: BodyFlow
  readonly #ready: Buffer[] = []
  #readyBytes = 0
  #state: 'open' | 'aborted' | 'left' = 'open'
  #isPaused = false
  #wake: (() => void) | undefined

  constructor(begun: Buffer, bodyBytes: number, awaitsContinue: boolean, flow: BodyFlow) {
    this.missing = bodyBytes
    // Who has begun to send does not wait.
    this.awaitsContinue = awaitsContinue && begun.length === 0
    this.#flow = flow
    if (begun.length > 0) this.push(begun)
  }

  /** Whether it is for the client to go on. */
  get isWanted(): boolean {
    return this.missing > 0 && (this.#wake !== undefined || this.#state === 'left')
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this
  }

  /** @throws HttpError `aborted` when the client went away before the end */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      const piece = this.#ready.shift()
      if (piece !== undefined) {
        this.#readyBytes -= piece.length
        return { done: false, value: piece }
      }
      if (this.missing === 0 || this.#state === 'left') return { done: true, value: undefined }
      if (this.#state === 'aborted') throw aborted()
      const come = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#goOn()
      await come
    }
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.missing > 0 && this.#state === 'open') this.#pause()
    this.#ready.length = 0
    this.#readyBytes = 0
    return Promise.resolve({ done: true, value: undefined })
  }

  /** All of it. @throws HttpError `aborted` */
  readonly read = async (): Promise<Buffer> => {
    const pieces: Uint8Array[] = []
    for await (const piece of this) pieces.push(piece)
    const [only] = pieces
    const isOnly = pieces.length === 1 && only instanceof Buffer && only.length > copiedBytes
    return isOnly ? only : Buffer.concat(pieces)
  }

  /** Takes what belongs to it. @returns what is left of the bytes */
  push(bytes: Buffer): Buffer {
    const piece = bytes.length <= this.missing ? bytes : bytes.subarray(0, this.missing)
    if (piece.length === 0) return bytes
    this.missing -= piece.length
    if (this.#state === 'open') {
      this.#ready.push(piece)
      this.#readyBytes += piece.length
      if (this.missing > 0 && this.#readyBytes >= stopBytes) this.#pause()
      this.#woken()
    }
    return bytes.subarray(piece.length)
  }

  /** Nobody is going to read it: what comes is thrown away. */
  discard(): void {
    this.#ready.length = 0
    this.#readyBytes = 0
    if (this.#state !== 'open') return
    this.#state = 'left'
    this.#woken()
    this.#resume()
  }

  /** No more will come. */
  abort(): void {
    if (this.#state === 'open') this.#state = 'aborted'
    this.#woken()
  }

  #woken(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #goOn(): void {
    if (this.awaitsContinue) {
      this.awaitsContinue = false
      this.#flow.sendContinue()
    }
    this.#resume()
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#flow.pause()
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#flow.resume()
  }
}

const aborted = (): HttpError =>
  new HttpError('aborted', 'the client closed the connection before the message was complete')
