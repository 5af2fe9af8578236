/**
 * The answer to a request that was read directly: a short one as one write, a long one piece by piece. The part of
 * `ServerResponse` that handlers need, with the same head.
 *
 * @module
 */

import { STATUS_CODES } from 'node:http'
import { HttpError } from './http-error.ts'

/** What an answer is handed to. */
export interface DirectSink {
  readonly isGone: boolean
  /** Whether what was written waits for the client to take it. */
  readonly isFull: boolean
  /** What was written and is still in the memory it was written from. */
  readonly unsentBytes: number
  /** Whether the connection ends with this answer, whatever the handler wants. */
  readonly isLastAnswer: boolean
  /** @returns `false` if nothing more should be written until `drain` */
  write(message: string | Buffer, encoding: BufferEncoding): boolean
  /** The answer was written whole, and the last `write` returned `isTaken`. Called once. */
  finish(isTaken: boolean, isLast: boolean): void
  destroy(): void
  on(event: 'drain' | 'close', listener: () => void): void
  off(event: 'drain' | 'close', listener: () => void): void
}

export type DirectHeaders = Readonly<Record<string, string | number>>

/** What may be sent as a line of a head; `node:http` has the same classes (RFC 9110 5.5, 5.6.2). */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** A piece of up to this many bytes is copied behind the head; longer ones follow it. */
const longestWithHead = 65_536

/** See the module. */
export class DirectResponse {
  statusCode = 200
  /** `false`: the connection ends with this answer. */
  shouldKeepAlive = true
  headersSent = false
  readonly #sink: DirectSink
  readonly #isHead: boolean
  #set: Map<string, string> | undefined
  /** Until it has been written. */
  #head = ''
  #hasBody = true
  #isChunked = false
  #isLast = false
  #isEnded = false

  /** @param method of the request */
  constructor(sink: DirectSink, method: string) {
    this.#sink = sink
    this.#isHead = method === 'HEAD'
  }

  /** Whether nobody is there any more to get it. */
  get destroyed(): boolean {
    return this.#sink.isGone
  }

  get closed(): boolean {
    return this.#sink.isGone
  }

  get writableNeedDrain(): boolean {
    return this.#sink.isFull
  }

  get unsentBytes(): number {
    return this.#sink.unsentBytes
  }

  getHeader(name: string): string | undefined {
    return this.#set?.get(name)
  }

  getHeaderNames(): string[] {
    return [...(this.#set?.keys() ?? [])]
  }

  /** @throws HttpError `invalid-header` */
  setHeader(name: string, value: string): void {
    checkLine(name, value)
    this.#set ??= new Map()
    this.#set.set(name, value)
  }

  removeHeader(name: string): void {
    this.#set?.delete(name)
  }

  /**
   * Adds to what was set. A body without Content-Length or Transfer-Encoding is sent in chunks.
   *
   * @throws HttpError `invalid-header`; then nothing was done
   */
  writeHead(status: number, headers: DirectHeaders = {}): this {
    let lines = ''
    let framing = 0
    if (this.#set !== undefined) {
      for (const [name, value] of this.#set) {
        lines += headerLine(name, value)
        framing |= framingOf(name)
      }
    }
    for (const name in headers) {
      lines += headerLine(name, headers[name] ?? '')
      framing |= framingOf(name)
    }
    this.#hasBody = !this.#isHead && status !== 204 && status !== 304
    this.#isChunked = this.#hasBody && (framing & hasLength) === 0
    this.#isLast = !this.shouldKeepAlive || this.#sink.isLastAnswer
    const end = endOfHead(this.#isLast, this.#isChunked && (framing & hasCoding) === 0)
    this.#head = statusLine(status) + lines + end
    this.headersSent = true
    return this
  }

  /** One more piece of the body, the head before the first. @returns `false` if nothing more should be written until `drain` */
  write(piece: Uint8Array): boolean {
    if (this.#isEnded || this.#sink.isGone) return false
    if (!this.headersSent) this.writeHead(this.statusCode)
    if (!this.#hasBody || piece.length === 0) return true
    return this.#send(piece, 'utf8', this.#isChunked ? '\r\n' : '')
  }

  /** The last piece, and the end. */
  end(body: string | Uint8Array = '', encoding: BufferEncoding = 'utf8'): void {
    if (this.#isEnded || this.#sink.isGone) return
    if (!this.headersSent) this.writeHead(this.statusCode)
    this.#isEnded = true
    const content = this.#hasBody ? body : ''
    const end = this.#isChunked ? (content.length > 0 ? '\r\n0\r\n\r\n' : '0\r\n\r\n') : ''
    this.#sink.finish(this.#send(content, encoding, end), this.#isLast)
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#sink.destroy()
  }

  on(event: 'drain' | 'close', listener: () => void): void {
    this.#sink.on(event, listener)
  }

  off(event: 'drain' | 'close', listener: () => void): void {
    this.#sink.off(event, listener)
  }

  /** The head if it is due, the size of a chunk, content, and what is behind it: in as few writes as are worth it. */
  #send(content: string | Uint8Array, encoding: BufferEncoding, after: string): boolean {
    let before = this.#head
    this.#head = ''
    if (this.#isChunked && content.length > 0) before += `${byteLength(content, encoding).toString(16)}\r\n`
    if (typeof content !== 'string') return this.#sendBytes(before, content, after)
    return this.#sink.write(textBytes(before, content, encoding, after), 'latin1')
  }

  #sendBytes(before: string, content: Uint8Array, after: string): boolean {
    const sink = this.#sink
    if (before === '' && after === '') return sink.write(asBuffer(content), 'latin1')
    if (content.length <= longestWithHead) return sink.write(joined(before, content, after), 'latin1')
    if (before !== '') sink.write(before, 'latin1')
    const isTaken = sink.write(asBuffer(content), 'latin1')
    return after === '' ? isTaken : sink.write(after, 'latin1')
  }
}

/** A name and a value by themselves: as a line they would be text that is made for nothing else. */
function checkLine(name: string, value: string | number): void {
  if (!fieldName.test(name) || (typeof value === 'string' && !fieldValue.test(value))) {
    throw new HttpError('invalid-header', 'a header of an answer cannot be sent')
  }
}

/** @throws HttpError `invalid-header` */
function headerLine(name: string, value: string | number): string {
  checkLine(name, value)
  return `${name}: ${value}\r\n`
}

/** What a head says of the body, as bits. */
const [hasLength, hasCoding] = [1, 2]

function framingOf(name: string): number {
  if (name.length === 14) return name.toLowerCase() === 'content-length' ? hasLength : 0
  if (name.length === 17) return name.toLowerCase() === 'transfer-encoding' ? hasCoding : 0
  return 0
}

const statusLines: (string | undefined)[] = []

function statusLine(status: number): string {
  statusLines[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
  return statusLines[status]
}

/** Bytes, since the socket of Bun would make them of a text, and of more than one text after the other. */
function textBytes(before: string, content: string, encoding: BufferEncoding, after: string): Buffer {
  const end = before.length + Buffer.byteLength(content, encoding)
  const bytes = Buffer.allocUnsafe(end + after.length)
  bytes.write(before, 0, 'latin1')
  bytes.write(content, before.length, encoding)
  if (after !== '') bytes.write(after, end, 'latin1')
  return bytes
}

function joined(before: string, content: Uint8Array, after: string): Buffer {
  const bytes = Buffer.allocUnsafe(before.length + content.length + after.length)
  bytes.write(before, 0, 'latin1')
  bytes.set(content, before.length)
  if (after !== '') bytes.write(after, before.length + content.length, 'latin1')
  return bytes
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const byteLength = (body: string | Uint8Array, encoding: BufferEncoding): number =>
  typeof body === 'string' ? Buffer.byteLength(body, encoding) : body.length

let second = 0
/** By whether the connection ends, and whether the body comes in chunks that nobody has announced yet. */
let ends: readonly string[] = []

/** The last lines of a head and the empty one, made once a second. */
function endOfHead(isLast: boolean, isChunked: boolean): string {
  const now = Math.floor(Date.now() / 1_000)
  if (now !== second) {
    second = now
    const date = `Date: ${new Date(now * 1_000).toUTCString()}\r\n`
    ends = ['keep-alive', 'close'].flatMap((connection) =>
      ['', 'Transfer-Encoding: chunked\r\n'].map((implied) => `${date}Connection: ${connection}\r\n${implied}\r\n`),
    )
  }
  return ends[(isLast ? 2 : 0) + (isChunked ? 1 : 0)] ?? ''
}
