/**
 * The body of a request that was read directly while it is on its way: of a known length, and small.
 *
 * @module
 */

import { HttpError } from './http-error.ts'

/** Gathers a body. */
export class DirectBody {
  /** Bytes that are still to come. */
  missing: number
  readonly #pieces: Buffer[]
  #resolve: ((body: Buffer) => void) | undefined
  #reject: ((error: HttpError) => void) | undefined
  #isAborted = false

  constructor(begun: Buffer, bodyBytes: number) {
    this.#pieces = [begun]
    this.missing = bodyBytes - begun.length
  }

  /** All of it. @throws HttpError `aborted` */
  readonly read = (): Promise<Buffer> => {
    if (this.#isAborted) return Promise.reject(aborted())
    if (this.missing === 0) return Promise.resolve(this.#joined())
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Takes what belongs to it. @returns what is left of the bytes */
  push(bytes: Buffer): Buffer {
    if (this.missing === 0) return bytes
    const piece = bytes.subarray(0, this.missing)
    this.#pieces.push(piece)
    this.missing -= piece.length
    if (this.missing === 0) this.#resolve?.(this.#joined())
    return bytes.subarray(piece.length)
  }

  /** No more will come. */
  abort(): void {
    if (this.missing === 0) return
    this.#isAborted = true
    this.#reject?.(aborted())
  }

  #joined(): Buffer {
    return Buffer.concat(this.#pieces.splice(0))
  }
}

const aborted = (): HttpError =>
  new HttpError('aborted', 'the client closed the connection before the message was complete')
