/**
 * An S3 client of nothing but signed requests, for tests that must control every byte: headers, query, signature, body.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { encodeUriComponent, encodeUriPath, presign, type SignedRequest, signRequest } from '@strongroom/sigv4'

export interface RawCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** PEM of what the server's certificate is signed with. Absent: plain HTTP. */
  readonly ca?: string
}

export interface RawRequest {
  readonly method: string
  readonly bucket?: string
  readonly name?: string
  /** In place of bucket and name: sent as it is. */
  readonly rawPath?: string
  /** Names and values, encoded here; a value of `undefined` is a bare name. Or the raw query. */
  readonly query?: Readonly<Record<string, string | undefined>> | string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent but not signed. */
  readonly unsignedHeaders?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Default `header`. */
  readonly auth?: 'header' | 'query' | 'none'
  readonly credentials?: RawCredentials
  readonly region?: string
  /** `x-amz-content-sha256`. Default: the hash of the body. */
  readonly payloadHash?: string
  /** Clock of the signature. */
  readonly now?: () => number
  readonly expiresSeconds?: number
  /** Turns the signed request into the bytes to send (chunk signatures). */
  readonly encode?: (signed: SignedRequest) => Uint8Array
  /** `Host`, where it is not the endpoint. */
  readonly host?: string
}

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** `<Code>` and `<Message>` of an error document. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** Text of the first element of this name. */
  element(name: string): string | undefined
  /** Texts of all elements of this name. */
  elements(name: string): string[]
}

export class RawClient {
  readonly endpoint: Endpoint
  readonly #credentials: RawCredentials
  readonly #region: string
  readonly #agent: HttpAgent | HttpsAgent
  readonly #onAnswer: ((answer: RawResponse) => void) | undefined

  constructor(
    endpoint: Endpoint,
    credentials: RawCredentials,
    region: string,
    onAnswer?: (answer: RawResponse) => void,
  ) {
    this.#onAnswer = onAnswer
    this.endpoint = endpoint
    this.#credentials = credentials
    this.#region = region
    const { ca } = endpoint
    this.#agent = ca === undefined ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true, ca })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** The same server, asked by another account. */
  as(credentials: RawCredentials): RawClient {
    return new RawClient(this.endpoint, credentials, this.#region, this.#onAnswer)
  }

  /** Signs, sends, and reads the whole answer. */
  async send(input: RawRequest): Promise<RawResponse> {
    const { path, headers, body } = this.#sign(input)
    return await this.#exchange(input.method, path, { ...headers, ...input.unsignedHeaders }, body)
  }

  /** Path and query of a presigned URL; the headers given must be sent with it. */
  presign(input: RawRequest): string {
    const rawPath = pathOf(input)
    return `${rawPath}?${presign(this.#signable(input, rawPath), this.#signOptions(input, { expiresSeconds: 300 }))}`
  }

  /** Sends a request as it is, without a signature. */
  async sendAsIs(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body: Uint8Array | string = '',
  ): Promise<RawResponse> {
    return await this.#exchange(method, path, { host: this.#host(), ...headers }, Buffer.from(body))
  }

  #host(): string {
    return `${this.endpoint.host}:${this.endpoint.port}`
  }

  #signable(input: RawRequest, rawPath: string) {
    const headers: Record<string, string> = { host: input.host ?? this.#host() }
    for (const [name, value] of Object.entries(input.headers ?? {})) headers[name.toLowerCase()] = value
    return { method: input.method, rawPath, rawQuery: queryOf(input), headers }
  }

  #signOptions<T extends object>(input: RawRequest, defaults: T) {
    const { accessKeyId, secretAccessKey } = input.credentials ?? this.#credentials
    return {
      credentials: { accessKeyId, secret: Buffer.from(secretAccessKey) },
      region: input.region ?? this.#region,
      ...(input.payloadHash === undefined ? {} : { payloadHash: input.payloadHash }),
      ...(input.now === undefined ? {} : { now: input.now }),
      ...defaults,
      ...(input.expiresSeconds === undefined ? {} : { expiresSeconds: input.expiresSeconds }),
    }
  }

  #sign(input: RawRequest): { path: string; headers: Record<string, string>; body: Buffer } {
    const rawPath = pathOf(input)
    const signable = this.#signable(input, rawPath)
    const plain = Buffer.from(input.body ?? '')
    const query = signable.rawQuery === '' ? '' : `?${signable.rawQuery}`
    if (input.auth === 'none') return { path: rawPath + query, headers: signable.headers, body: plain }
    if (input.auth === 'query') return { path: this.presign(input), headers: signable.headers, body: plain }
    const payloadHash = input.payloadHash ?? createHash('sha256').update(plain).digest('hex')
    const signed = signRequest(signable, this.#signOptions(input, { payloadHash }))
    const body = input.encode === undefined ? plain : Buffer.from(input.encode(signed))
    return { path: rawPath + query, headers: signed.headers, body }
  }

  async #exchange(method: string, path: string, headers: Record<string, string>, body: Buffer): Promise<RawResponse> {
    const { host, port, ca } = this.endpoint
    const hasBody = body.length > 0 || method === 'PUT' || method === 'POST'
    const length = hasBody && headers['content-length'] === undefined ? { 'content-length': String(body.length) } : {}
    const options = { host, port, method, path, headers: { ...headers, ...length }, agent: this.#agent }
    return await new Promise((resolve, reject) => {
      const request = (ca === undefined ? httpRequest : httpsRequest)(options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const answer = new ReadResponse(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))
          this.#onAnswer?.(answer)
          resolve(answer)
        })
        response.on('close', () => {
          if (!response.complete) reject(new Error('the connection was cut in the middle of the answer'))
        })
      })
      request.on('error', reject)
      request.end(body)
    })
  }
}

function pathOf(input: RawRequest): string {
  if (input.rawPath !== undefined) return input.rawPath
  const bucket = input.bucket === undefined ? '' : encodeUriComponent(input.bucket)
  return input.name === undefined ? `/${bucket}` : `/${bucket}/${encodeUriPath(input.name)}`
}

function queryOf(input: RawRequest): string {
  if (input.query === undefined || typeof input.query === 'string') return input.query ?? ''
  return Object.entries(input.query)
    .map(([name, value]) => encodeUriComponent(name) + (value === undefined ? '' : `=${encodeUriComponent(value)}`))
    .join('&')
}

/** Text only when it is asked for: most bodies are large contents. */
class ReadResponse implements RawResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  #text: string | undefined

  constructor(status: number, headers: IncomingHttpHeaders, body: Buffer) {
    this.status = status
    this.headers = headers
    this.body = body
  }

  get text(): string {
    this.#text ??= this.body.toString()
    return this.#text
  }

  get code(): string | undefined {
    return this.#isError ? this.element('Code') : undefined
  }

  get message(): string | undefined {
    return this.#isError ? this.element('Message') : undefined
  }

  get #isError(): boolean {
    return this.status >= 300 && this.text.includes('<Error>')
  }

  element(name: string): string | undefined {
    return this.elements(name)[0]
  }

  elements(name: string): string[] {
    const matches = this.text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))
    return [...matches].map((match) => unescapeXml(match[1] ?? ''))
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/gi, (whole, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16))
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)))
    return entities[name] ?? whole
  })
}
