/**
 * What the key services of other vendors have in common when a test plays them: HTTPS on loopback with a certificate of its
 * own, a record of the requests, and faults on demand. What a vendor answers is a handler's.
 *
 * @module
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket, type Server as TlsServer } from 'node:tls'
import * as x509 from '@peculiar/x509'

/**
 * `delay`: no answer ever. `throttle`: 429 with `Retry-After`. `server-error`: 500. `cut`: the connection ends before the
 * request is looked at. `lost-answer`: it ends after the request was carried out. `truncated`: in the middle of the answer.
 * `garbage`: 200 with something that is not JSON. `refuse-403` and its like: that status, with words that repeat the request.
 */
export type Fault =
  | 'delay'
  | 'throttle'
  | 'server-error'
  | 'cut'
  | 'lost-answer'
  | 'truncated'
  | 'garbage'
  | `refuse-${number}`

export interface VendorRequest {
  readonly method: string
  /** Percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Common name of the client's certificate. */
  readonly clientName: string | undefined
}

export interface VendorAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
}

export type VendorHandler = (request: VendorRequest) => VendorAnswer

/** A certificate for loopback that signs itself, in PEM. */
export interface LoopbackCertificate {
  readonly cert: string
  readonly key: string
}

const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const day = 86_400_000

/** Makes a self-signed certificate for loopback and for `names`. */
export async function makeLoopbackCertificate(names: readonly string[] = []): Promise<LoopbackCertificate> {
  const keys = await webcrypto.subtle.generateKey(signing, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${names[0] ?? 'localhost'}`,
      keys,
      signingAlgorithm: signing,
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + day),
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'ip', value: '127.0.0.1' },
          ...['localhost', ...names].map((value) => ({ type: 'dns' as const, value })),
        ]),
      ],
    },
    webcrypto,
  )
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(der, 'PRIVATE KEY') }
}

interface PlannedFault {
  readonly fault: Fault
  readonly matches: (request: VendorRequest) => boolean
  times: number
  skipped: number
}

/** One service on a port of its own. */
export class VendorServer {
  /** Requests in the order of their arrival, those that met a fault included. */
  readonly requests: VendorRequest[] = []
  /** Connections that were made so far. */
  connections = 0
  /** How far this service's clock is ahead, in milliseconds. */
  clockSkewMs = 0
  readonly caPem: string
  #handler: VendorHandler
  readonly #http: Server
  readonly #tls: TlsServer
  readonly #sockets = new Set<Socket>()
  readonly #faults: PlannedFault[] = []

  private constructor(handler: VendorHandler, certificate: LoopbackCertificate) {
    this.#handler = handler
    this.caPem = certificate.cert
    this.#http = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch(() => incoming.socket.destroy())
    })
    this.#tls = createTlsServer({ ...certificate, requestCert: true, rejectUnauthorized: false }, (socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      this.#http.emit('connection', socket)
    })
    this.#tls.on('tlsClientError', () => {})
  }

  static async start(handler: VendorHandler, certificate?: LoopbackCertificate): Promise<VendorServer> {
    const server = new VendorServer(handler, certificate ?? (await makeLoopbackCertificate()))
    await new Promise<void>((resolve) => server.#tls.listen(0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    return (this.#tls.address() as AddressInfo).port
  }

  get endpoint(): string {
    return `https://127.0.0.1:${this.port}`
  }

  /** The time on this service's clock, in milliseconds. */
  now(): number {
    return Date.now() + this.clockSkewMs
  }

  /** Answers with another handler from now on. */
  answerWith(handler: VendorHandler): void {
    this.#handler = handler
  }

  /** Lets requests that match meet a fault, after `skipped` others that match. */
  fail(fault: Fault, times: number, skipped = 0, matches: (request: VendorRequest) => boolean = () => true): void {
    this.#faults.push({ fault, times, skipped, matches })
  }

  /** No request meets a fault any more. */
  failNoMore(): void {
    this.#faults.length = 0
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#tls.close(resolve))
  }

  #faultFor(request: VendorRequest): Fault | undefined {
    const planned = this.#faults.find(({ times, matches }) => times > 0 && matches(request))
    if (planned === undefined) return undefined
    if (planned.skipped > 0) {
      planned.skipped--
      return undefined
    }
    planned.times--
    return planned.fault
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = await readRequest(incoming)
    this.requests.push(request)
    const fault = this.#faultFor(request)
    if (fault === 'delay') return
    if (fault === 'cut') {
      incoming.socket.destroy()
      return
    }
    const answer = faultAnswers.get(fault) ?? refusalFor(fault, request) ?? this.#handler(request)
    if (fault === 'lost-answer') {
      incoming.socket.destroy()
      return
    }
    const text = answer.text ?? (answer.json === undefined ? '' : JSON.stringify(answer.json))
    const length = Buffer.byteLength(text)
    outgoing.writeHead(answer.status, {
      date: new Date(this.now()).toUTCString(),
      ...(answer.status === 204 ? {} : { 'content-length': String(length) }),
      ...(answer.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...answer.headers,
    })
    if (fault === 'truncated') {
      outgoing.write(text.slice(0, Math.floor(length / 2)), () => incoming.socket.destroy())
      return
    }
    outgoing.end(text)
  }
}

const faultAnswers: ReadonlyMap<Fault | undefined, VendorAnswer> = new Map<Fault, VendorAnswer>([
  ['throttle', { status: 429, headers: { 'retry-after': '1' }, json: { message: 'too many requests' } }],
  ['server-error', { status: 500, json: { message: 'internal error' } }],
  ['garbage', { status: 200, text: '<html>hello</html>' }],
])

/** An unkind service quotes what it was sent, its secrets included, in the form of every vendor. */
function refusalFor(fault: Fault | undefined, { headers, body }: VendorRequest): VendorAnswer | undefined {
  if (fault === undefined || !fault.startsWith('refuse-')) return undefined
  const said = `refused: ${headers.authorization ?? ''} ${headers['x-vault-token'] ?? ''} ${headers['x-vault-auth'] ?? ''} ${body}`
  const json = {
    message: said,
    Message: said,
    errors: [said],
    error: { code: 'Refused', message: said },
    codeDesc: said,
  }
  return { status: Number(fault.slice('refuse-'.length)), json: { ...json, __type: 'RefusedException' } }
}

async function readRequest(incoming: IncomingMessage): Promise<VendorRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const url = new URL(incoming.url ?? '/', 'https://service')
  const peer = incoming.socket instanceof TLSSocket ? incoming.socket.getPeerCertificate() : undefined
  const name = peer?.subject?.CN
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
    clientName: typeof name === 'string' ? name : undefined,
  }
}

/** The JSON object of a body; empty when it is none. */
export function bodyObject({ body }: VendorRequest): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}
