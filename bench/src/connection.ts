/**
 * One kept-alive HTTP/1.1 connection of the load generator. It is written for little work per request, so that on a
 * machine shared with the server most of the processor is the server's: it sends one request at a time and counts the
 * body's bytes without keeping them.
 *
 * @module
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ChunkedBody } from './chunked-body.ts'

const headEnd = Buffer.from('\r\n\r\n')
const emptyBuffer = Buffer.alloc(0)

/** The server to be measured. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  /** PEM bundle that the server's certificate is checked against; absent: the system's. */
  readonly ca?: string
}

export interface Answer {
  readonly status: number
  readonly bodyBytes: number
  /** The first bytes of the body: of an answer of 300 and above, for the message, and where the request asked for them. */
  readonly bodyStart: string
  /** The head as sent. */
  readonly head: string
}

interface Pending {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
  readonly withoutBody: boolean
  readonly wantsStart: boolean
}

/** Of a body's first bytes so many are kept: the head of a listing has room in it. */
const startBytes = 1000

/** Opens a connection; resolves once it is ready for requests. */
export async function openConnection(target: Target): Promise<Connection> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const options = { host: target.host, port: target.port, ...(target.ca === undefined ? {} : { ca: target.ca }) }
    const opened: Socket = target.secure
      ? connectTls({ ...options, ALPNProtocols: ['http/1.1'] }, () => resolve(opened))
      : connectTcp(options, () => resolve(opened))
    opened.once('error', reject)
  })
  socket.setNoDelay(true)
  return new Connection(socket)
}

/** See the module. Not to be used for a second request before the first was answered. */
export class Connection {
  readonly #socket: Socket
  #pending: Pending | undefined
  #head: Buffer = emptyBuffer
  #inBody = false
  #status = 0
  #headText = ''
  #remaining = 0
  #bodyBytes = 0
  #bodyStart = ''
  #keepsStart = false
  #chunked: ChunkedBody | undefined
  #lost: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#lose(error))
    socket.on('close', () => this.#lose(new Error('the server closed the connection')))
  }

  /** Sends a head (with its final blank line) and a body, in pieces as the socket takes them. */
  async request(
    head: string,
    body: readonly Uint8Array[],
    options: { readonly withoutBody: boolean; readonly wantsStart: boolean },
  ): Promise<Answer> {
    // A server may close a connection that rests: without this the answer would be waited for for ever.
    if (this.#lost !== undefined) throw this.#lost
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#pending = { resolve, reject, ...options }
    })
    this.#socket.cork()
    let ready = this.#socket.write(head, 'latin1')
    const first = body[0]
    if (first !== undefined) ready = this.#socket.write(first)
    this.#socket.uncork()
    for (let index = 1; index < body.length; index++) {
      if (!ready) await this.#drained()
      const piece = body[index]
      if (piece !== undefined) ready = this.#socket.write(piece)
    }
    return answer
  }

  close(): void {
    this.#pending = undefined
    this.#socket.destroy()
  }

  async #drained(): Promise<void> {
    if (this.#socket.destroyed) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done)
        this.#socket.off('close', done)
        resolve()
      }
      this.#socket.on('drain', done)
      this.#socket.on('close', done)
    })
  }

  #receive(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0 || (this.#inBody && this.#chunked === undefined && this.#remaining === 0)) {
      if (!this.#inBody) {
        const joined = this.#head.length === 0 ? rest : Buffer.concat([this.#head, rest])
        const end = joined.indexOf(headEnd)
        if (end === -1) {
          this.#head = joined
          return
        }
        this.#head = emptyBuffer
        this.#startBody(joined.toString('latin1', 0, end))
        rest = joined.subarray(end + headEnd.length)
        continue
      }
      if (this.#keepsStart && this.#bodyStart.length < startBytes) this.#keepStart(rest)
      rest = rest.subarray(this.#takeBody(rest))
    }
  }

  /** Of a chunked body with the lines between the chunks. */
  #keepStart(rest: Buffer): void {
    const length = this.#chunked === undefined ? Math.min(rest.length, this.#remaining) : rest.length
    this.#bodyStart += rest.toString('latin1', 0, Math.min(length, startBytes))
  }

  #takeBody(rest: Buffer): number {
    if (this.#chunked !== undefined) {
      const taken = this.#chunked.take(rest)
      this.#bodyBytes = this.#chunked.bytes
      if (this.#chunked.isDone) this.#finish()
      return taken
    }
    const taken = Math.min(rest.length, this.#remaining)
    this.#remaining -= taken
    this.#bodyBytes += taken
    if (this.#remaining === 0) this.#finish()
    return taken
  }

  #startBody(head: string): void {
    this.#headText = head
    this.#status = Number(head.slice(9, 12))
    this.#bodyBytes = 0
    this.#bodyStart = ''
    this.#keepsStart = this.#status >= 300 || this.#pending?.wantsStart === true
    const withoutBody = this.#pending?.withoutBody === true || this.#status === 204 || this.#status === 304
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    const isChunked = !withoutBody && length === null && /\r\ntransfer-encoding: *chunked/i.test(head)
    this.#chunked = isChunked ? new ChunkedBody() : undefined
    this.#remaining = withoutBody ? 0 : Number(length?.[1] ?? 0)
    this.#inBody = this.#status !== 100
  }

  #finish(): void {
    this.#inBody = false
    const pending = this.#pending
    this.#pending = undefined
    pending?.resolve({
      status: this.#status,
      bodyBytes: this.#bodyBytes,
      bodyStart: this.#bodyStart,
      head: this.#headText,
    })
  }

  #lose(error: Error): void {
    this.#lost ??= error
    const pending = this.#pending
    this.#pending = undefined
    pending?.reject(error)
  }
}
