/**
 * A client that sends exactly what it is told, over a TLS connection of its own, and shows what came back. HTTP/1.1 only.
 *
 * @module
 */
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import type { ClientCertificate } from './client-certificates.ts'

/** Where and as whom. */
export interface WirePeer {
  readonly host: string
  readonly port: number
  readonly certificate: ClientCertificate | undefined
  readonly tls?: '1.2' | '1.3' | undefined
  /** Milliseconds for everything. */
  readonly timeoutMs?: number
}

/** What is sent. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Sent in one chunk, without a length. */
  readonly isChunked: boolean
}

/** What came back: an answer, or how the connection ended without one. */
export type WireAnswer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  | { readonly status: null; readonly end: string }

/** Sends one request. */
export function exchange(peer: WirePeer, request: WireRequest): Promise<WireAnswer> {
  const { host, port, certificate, tls, timeoutMs = 20_000 } = peer
  const version: SecureVersion | undefined = tls === undefined ? undefined : `TLSv${tls}`
  return new Promise((resolve) => {
    let received = Buffer.alloc(0)
    let end = 'closed'
    const socket: TLSSocket = connect({
      host,
      port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
      ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    })
    const timer = setTimeout(() => {
      end = 'no answer in time'
      socket.destroy()
    }, timeoutMs)
    const finish = (answer: WireAnswer): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.on('secureConnect', () => socket.write(formatRequest(request)))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const answer = parseAnswer(received, request.method)
      if (answer !== undefined) finish(answer)
    })
    socket.on('error', (error) => {
      end = error.message
    })
    socket.on('close', () => finish({ status: null, end }))
  })
}

function formatRequest({ method, path, headers, body, isChunked }: WireRequest): string {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost']
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (isChunked) {
    const size = Buffer.byteLength(body ?? '')
    const chunk = size === 0 ? '' : `${size.toString(16)}\r\n${body}\r\n`
    const header = Object.keys(headers).some((name) => name.toLowerCase() === 'transfer-encoding')
    if (!header) lines.push('Transfer-Encoding: chunked')
    return `${lines.join('\r\n')}\r\n\r\n${chunk}0\r\n\r\n`
  }
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** The answer, once it is there as a whole. */
function parseAnswer(received: Buffer, method: string): WireAnswer | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = received.toString('latin1', 0, end).split('\r\n')
  const status = Number(first.split(' ')[1])
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const rest = received.subarray(end + 4)
  if (method === 'HEAD') return { status, headers, body: '' }
  if (headers['transfer-encoding'] === 'chunked') {
    const body = joinChunks(rest)
    return body === undefined ? undefined : { status, headers, body }
  }
  const length = Number(headers['content-length'] ?? 0)
  if (rest.length < length) return undefined
  return { status, headers, body: rest.toString('utf8', 0, length) }
}

function joinChunks(bytes: Buffer): string | undefined {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    const next = line + 2 + size + 2
    if (next > bytes.length) return undefined
    if (size === 0) return Buffer.concat(parts).toString('utf8')
    parts.push(bytes.subarray(line + 2, line + 2 + size))
    at = next
  }
}
