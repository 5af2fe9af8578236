/**
 * Those who read a log over the wire: kes-protocol 3.4. KES's own streams have been silent since 2024-02-29; ours speak.
 *
 * @module
 */
import { ServerResponse } from 'node:http'
import type { Call } from './call.ts'

/** Who does not read may fall so far behind before the connection is cut; in bytes. */
const maxBehind = 1_048_576
/** At a time. */
const maxReaders = 64

const contentType = { 'Content-Type': 'application/x-ndjson' }

export interface LogStreamOptions {
  /** Called for every line that somebody here is sent. */
  readonly counted: () => void
  /** At a time. Default 64. */
  readonly maxReaders?: number | undefined
  /** Told of the first reader that comes, who waits for the end of it, and of the last that has gone. Must not reject. */
  readonly changed?: (() => Promise<void>) | undefined
}

/** The readers of one log. */
export class LogStream {
  /** Takes the lines for the readers of neighbours, while they have any. */
  forward: ((line: string) => void) | undefined
  readonly #readers = new Map<Call, ServerResponse>()
  readonly #options: LogStreamOptions

  constructor(options: LogStreamOptions) {
    this.#options = options
  }

  get hasReaders(): boolean {
    return this.#readers.size > 0
  }

  /** Sends a line to every reader, here and at neighbours; `undefined` while there is none. */
  get write(): ((line: string) => void) | undefined {
    return this.#readers.size === 0 && this.forward === undefined ? undefined : this.#write
  }

  /** Takes a reader, whose headers are sent at once. `false` when there are too many, or the answer cannot be streamed. */
  async add(call: Call): Promise<boolean> {
    const { response } = call
    if (this.#readers.size >= (this.#options.maxReaders ?? maxReaders)) return false
    if (!(response instanceof ServerResponse)) return false
    this.#readers.set(call, response)
    response.on('close', () => {
      this.#readers.delete(call)
      if (!this.hasReaders) void this.#options.changed?.()
    })
    // Whoever has the headers gets every line from then on, those of neighbours, too.
    if (this.#readers.size === 1) await this.#options.changed?.()
    if (response.destroyed || response.writableEnded) return true
    if (!response.headersSent) response.writeHead(200, contentType)
    response.flushHeaders()
    return true
  }

  /** Sends a line of a neighbour to the readers here. */
  deliver(line: string): void {
    if (this.hasReaders) this.#send(line)
  }

  /** Ends the streams of those who may not read any more. */
  recheck(mayRead: (call: Call) => boolean): void {
    for (const [call, response] of this.#readers) {
      if (mayRead(call)) continue
      this.#readers.delete(call)
      response.end()
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const response of this.#readers.values()) response.end()
    this.#readers.clear()
  }

  readonly #write = (line: string): void => {
    this.forward?.(line)
    this.deliver(line)
  }

  #send(line: string): void {
    this.#options.counted()
    for (const response of this.#readers.values()) {
      if (response.writableLength > maxBehind) response.destroy()
      else {
        if (!response.headersSent) response.writeHead(200, contentType)
        response.write(line)
      }
    }
  }
}
