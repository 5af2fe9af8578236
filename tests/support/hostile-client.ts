/**
 * A client that sends what it likes: bytes on a TLS connection, whole, in part, slowly or not at all.
 *
 * @module
 */

import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type SignedRequest, type SignOptions, signRequest } from '@strongroom/sigv4'
import type { Endpoint } from './raw-client.ts'

/** What came back until the server ended the connection. */
export interface HostileAnswer {
  /** Of the first answer; 0 if none came. */
  readonly status: number
  /** `<Code>` of the first error document. */
  readonly code: string
  readonly text: string
  /** How many answers. */
  readonly count: number
}

export interface RequestParts {
  readonly method: string
  readonly path: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Default `UNSIGNED-PAYLOAD`. */
  readonly payloadHash?: string
}

export class HostileClient {
  readonly #endpoint: Endpoint
  readonly #options: SignOptions

  constructor(endpoint: Endpoint, options: SignOptions) {
    this.#endpoint = endpoint
    this.#options = options
  }

  /** A request's signature and its head, whose connection ends with its answer. */
  sign(parts: RequestParts): { readonly signed: SignedRequest; readonly head: string } {
    const { method, path, query = '', headers = {}, payloadHash = 'UNSIGNED-PAYLOAD' } = parts
    const host = `${this.#endpoint.host}:${this.#endpoint.port}`
    const request = { method, rawPath: path, rawQuery: query, headers: { host, ...headers } }
    const signed = signRequest(request, { ...this.#options, payloadHash })
    const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const target = query === '' ? path : `${path}?${query}`
    return { signed, head: `${method} ${target} HTTP/1.1\r\nConnection: close\r\n${lines.join('')}` }
  }

  /** After the handshake. */
  async connect(): Promise<Socket> {
    const { host, port, ca } = this.#endpoint
    const socket = connectTls({ host, port, ca })
    await once(socket, 'secureConnect')
    return watched(socket)
  }

  /** Before the handshake. */
  async connectBelow(): Promise<Socket> {
    const { host, port } = this.#endpoint
    const socket = connectPlain({ host, port })
    await once(socket, 'connect')
    return watched(socket)
  }

  /** Sends all of it and then nothing more; what comes back until the server has ended the connection. */
  async exchange(...pieces: readonly (string | Uint8Array)[]): Promise<HostileAnswer> {
    const socket = await this.connect()
    for (const piece of pieces) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    return await answerOf(socket)
  }
}

/** What comes back on a connection until the server has ended it. */
export async function answerOf(socket: Socket): Promise<HostileAnswer> {
  let text = ''
  socket.on('data', (piece: Buffer) => {
    text += piece.toString('latin1')
  })
  if (!socket.closed) await new Promise((closed) => socket.once('close', closed))
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0)
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? ''
  return { status, code, text, count: text.split('HTTP/1.1 ').length - 1 }
}

/** Servers cut such connections: that is no error here. */
function watched(socket: Socket): Socket {
  socket.on('error', () => {})
  return socket
}
