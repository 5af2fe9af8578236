/**
 * The answer to a request that was read directly: head and body as one write. The part of `ServerResponse` that a short answer
 * needs, with the same head.
 *
 * @module
 */

import { STATUS_CODES } from 'node:http'

/** What an answer is handed to. */
export interface DirectSink {
  readonly isGone: boolean
  /** Whether the connection ends with this answer, whatever the handler wants. */
  readonly isLastAnswer: boolean
  /** Takes the whole answer, once. */
  send(message: string | Buffer, encoding: BufferEncoding, isLast: boolean): void
  destroy(): void
}

/** Values of headers are the handler's own words: they are sent as they are. */
export type DirectHeaders = Readonly<Record<string, string | number>>

/** See the module. */
export class DirectResponse {
  /** `false`: the connection ends with this answer. */
  shouldKeepAlive = true
  headersSent = false
  readonly #sink: DirectSink
  #set = ''
  #head = ''
  #isChunked = false
  #isEnded = false

  constructor(sink: DirectSink) {
    this.#sink = sink
  }

  /** Whether nobody is there any more to get it. */
  get destroyed(): boolean {
    return this.#sink.isGone
  }

  setHeader(name: string, value: string): void {
    this.#set += `${name}: ${value}\r\n`
  }

  /** Headers that describe the body are the caller's to give: Content-Length, or Transfer-Encoding of chunks. */
  writeHead(status: number, headers: DirectHeaders): void {
    let lines = this.#set
    for (const name in headers) {
      lines += `${name}: ${headers[name]}\r\n`
      if (name === 'Transfer-Encoding') this.#isChunked = true
    }
    this.headersSent = true
    this.#head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n${lines}`
  }

  end(body: string | Uint8Array = '', encoding: BufferEncoding = 'utf8'): void {
    if (this.#isEnded || this.#sink.isGone) return
    this.#isEnded = true
    const isLast = !this.shouldKeepAlive || this.#sink.isLastAnswer
    const head = `${this.#head}Date: ${dateNow()}\r\nConnection: ${isLast ? 'close' : 'keep-alive'}\r\n\r\n`
    const [before, after] = this.#isChunked
      ? [`${byteLength(body, encoding).toString(16)}\r\n`, '\r\n0\r\n\r\n']
      : ['', '']
    const message =
      typeof body === 'string'
        ? `${head}${before}${body}${after}`
        : Buffer.concat([Buffer.from(`${head}${before}`, 'latin1'), body, Buffer.from(after, 'latin1')])
    this.#sink.send(message, encoding, isLast)
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#sink.destroy()
  }
}

const byteLength = (body: string | Uint8Array, encoding: BufferEncoding): number =>
  typeof body === 'string' ? Buffer.byteLength(body, encoding) : body.length

let second = 0
let date = ''

/** The Date header, made once a second. */
function dateNow(): string {
  const now = Math.floor(Date.now() / 1_000)
  if (now !== second) {
    second = now
    date = new Date(now * 1_000).toUTCString()
  }
  return date
}
