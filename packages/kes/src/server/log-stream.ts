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

/** The readers of one log. */
export class LogStream {
  readonly #readers = new Map<Call, ServerResponse>()
  readonly #counted: () => void

  /** `counted` is called for every line that somebody is sent. */
  constructor(counted: () => void) {
    this.#counted = counted
  }

  /** Sends a line to every reader; `undefined` while there is none. */
  get write(): ((line: string) => void) | undefined {
    return this.#readers.size === 0 ? undefined : this.#write
  }

  /** Takes a reader, whose headers are sent at once. `false` when there are too many, or the answer cannot be streamed. */
  add(call: Call): boolean {
    const { response } = call
    if (this.#readers.size >= maxReaders || !(response instanceof ServerResponse)) return false
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    response.flushHeaders()
    this.#readers.set(call, response)
    response.on('close', () => this.#readers.delete(call))
    return true
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
    this.#counted()
    for (const response of this.#readers.values()) {
      if (response.writableLength > maxBehind) response.destroy()
      else response.write(line)
    }
  }
}
