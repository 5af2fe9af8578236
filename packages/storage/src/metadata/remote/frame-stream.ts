/**
 * Frames over a byte stream between two processes of one machine: a length, a type, a payload. What is sent in one turn of
 * the event loop goes out in one write.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'

/** Told of what comes. */
export interface FrameHandler {
  /** `payload` is the receiver's to keep. Must not throw. */
  onFrame(type: number, payload: Buffer): void
  /** The other side is gone, or sent what is no frame. Called once. */
  onEnd(error: Error | undefined): void
}

const headBytes = 5

/** Longest payload, in bytes. The other side is trusted; a length beyond this is one that was never sent as one. */
const maxPayloadBytes = 64 * 2 ** 20

/** See the module. Both streams stay the caller's to close; `end()` ends the writing side. */
export class FrameStream {
  readonly #output: Writable
  readonly #handler: FrameHandler
  readonly #soon: (flush: () => void) => void
  #incoming: Buffer[] = []
  #incomingBytes = 0
  /** Bytes that have to be there before there is anything to do. */
  #wantedBytes = headBytes
  #outgoing: Uint8Array[] = []
  #isFlushDue = false
  #hasEnded = false

  /** @param soon runs a function at the end of the turn */
  constructor(
    input: Readable,
    output: Writable,
    handler: FrameHandler,
    soon: (flush: () => void) => void = setImmediate,
  ) {
    this.#output = output
    this.#handler = handler
    this.#soon = soon
    input.on('data', (piece: Buffer) => this.#take(piece))
    input.once('end', () => this.#end(undefined))
    input.once('close', () => this.#end(undefined))
    input.once('error', (error) => this.#end(error))
    output.on('error', (error) => this.#end(error))
  }

  /** Bytes that the other side has not taken yet. */
  get backlogBytes(): number {
    return this.#output.writableLength
  }

  /** Sends one frame. The parts must not change before the end of the turn. After the end nothing is sent. */
  send(type: number, ...parts: readonly Uint8Array[]): void {
    if (this.#hasEnded) return
    const head = Buffer.allocUnsafe(headBytes)
    head.writeUInt32BE(
      parts.reduce((sum, part) => sum + part.length, 0),
      0,
    )
    head.writeUInt8(type, 4)
    this.#outgoing.push(head, ...parts)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#soon(() => this.flush())
  }

  /** Writes what was sent now. */
  flush(): void {
    this.#isFlushDue = false
    if (this.#outgoing.length === 0 || this.#hasEnded) return
    const bytes = Buffer.concat(this.#outgoing)
    this.#outgoing = []
    // Frames may carry keys.
    this.#output.write(bytes, () => bytes.fill(0))
  }

  /** Writes what was sent, and says that nothing more comes. */
  end(): void {
    this.flush()
    if (!this.#hasEnded) this.#output.end()
  }

  #take(piece: Buffer): void {
    if (this.#hasEnded) return
    this.#incoming.push(piece)
    this.#incomingBytes += piece.length
    if (this.#incomingBytes < this.#wantedBytes) return
    const bytes = this.#incoming.length === 1 ? piece : joined(this.#incoming, this.#incomingBytes)
    let at = 0
    for (;;) {
      const left = bytes.length - at
      if (left < headBytes) {
        this.#keep(bytes.subarray(at), headBytes)
        return
      }
      const length = bytes.readUInt32BE(at)
      if (length > maxPayloadBytes) {
        this.#end(new Error('the other process sent what is no frame'))
        return
      }
      if (left < headBytes + length) {
        this.#keep(bytes.subarray(at), headBytes + length)
        return
      }
      this.#handler.onFrame(bytes.readUInt8(at + 4), bytes.subarray(at + headBytes, at + headBytes + length))
      at += headBytes + length
    }
  }

  #keep(rest: Buffer, wantedBytes: number): void {
    this.#incoming = rest.length === 0 ? [] : [rest]
    this.#incomingBytes = rest.length
    this.#wantedBytes = wantedBytes
  }

  #end(error: Error | undefined): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#outgoing = []
    this.#incoming = []
    this.#handler.onEnd(error)
  }
}

/** Leaves nothing in the pieces: frames may carry keys. */
function joined(pieces: readonly Buffer[], length: number): Buffer {
  const bytes = Buffer.concat(pieces, length)
  for (const piece of pieces) piece.fill(0)
  return bytes
}
