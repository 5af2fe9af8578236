/**
 * Signed S3 requests over one connection of the load generator.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { type Credentials, encodeUriPath, signRequest } from '@strongroom/sigv4'
import { type Answer, type Connection, openConnection, type Target } from './connection.ts'

/** How the objects of a cell are encrypted. */
export type EncryptionMode = 'none' | 'sse-s3' | 'sse-kms' | 'sse-c'

const customerKey = createHash('sha256').update('the customer key of the bench').digest()

const customerHeaders: Readonly<Record<string, string>> = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': customerKey.toString('base64'),
  'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(customerKey).digest('base64'),
}

/** Headers that ask for a mode when an object is written. `none` relies on the bucket's default. */
export const writeHeaders: Readonly<Record<EncryptionMode, Readonly<Record<string, string>>>> = {
  none: {},
  'sse-s3': { 'x-amz-server-side-encryption': 'AES256' },
  'sse-kms': { 'x-amz-server-side-encryption': 'aws:kms' },
  'sse-c': customerHeaders,
}

/** Headers that a read of such an object needs. */
export const readHeaders: Readonly<Record<EncryptionMode, Readonly<Record<string, string>>>> = {
  none: {},
  'sse-s3': {},
  'sse-kms': {},
  'sse-c': customerHeaders,
}

export interface ClientOptions {
  readonly target: Target
  readonly region: string
  readonly credentials: Credentials
}

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'HEAD' | 'DELETE' | 'POST'
  /** Absent: all buckets. */
  readonly bucket?: string
  /** Absent: the bucket itself. */
  readonly name?: string
  /** Percent-encoded, without `?`. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  /** Keep the first bytes of the answer's body. Default false. */
  readonly wantsStart?: boolean
}

/** One connection that signs what it sends. */
export class Client {
  readonly #options: ClientOptions
  readonly #connection: Connection
  readonly #host: string

  private constructor(options: ClientOptions, connection: Connection) {
    this.#options = options
    this.#connection = connection
    this.#host = `${options.target.host}:${options.target.port}`
  }

  static async open(options: ClientOptions): Promise<Client> {
    return new Client(options, await openConnection(options.target))
  }

  /** @throws Error if the answer is not of the 200s */
  async send(request: S3Request): Promise<Answer> {
    const answer = await this.sendUnchecked(request)
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(
        `${request.method} ${request.bucket ?? ''}/${request.name ?? ''}: ${answer.status} ${answer.bodyStart}`,
      )
    }
    return answer
  }

  /** Sends as `UNSIGNED-PAYLOAD`, as clients do over TLS; resolves whatever the answer is. */
  async sendUnchecked(request: S3Request): Promise<Answer> {
    const rawPath = `/${request.bucket ?? ''}${request.name === undefined ? '' : `/${encodeUriPath(request.name)}`}`
    const rawQuery = request.query ?? ''
    const body = request.body ?? []
    const signed = signRequest(
      { method: request.method, rawPath, rawQuery, headers: { host: this.#host, ...request.headers } },
      {
        credentials: this.#options.credentials,
        region: this.#options.region,
        payloadHash: 'UNSIGNED-PAYLOAD',
      },
    )
    let head = `${request.method} ${rawPath}${rawQuery === '' ? '' : `?${rawQuery}`} HTTP/1.1\r\n`
    for (const name in signed.headers) head += `${name}: ${signed.headers[name]}\r\n`
    if (request.method === 'PUT' || request.method === 'POST') {
      head += `content-length: ${body.reduce((sum, piece) => sum + piece.length, 0)}\r\n`
    }
    const { wantsStart = false } = request
    return this.#connection.request(`${head}\r\n`, body, { withoutBody: request.method === 'HEAD', wantsStart })
  }

  close(): void {
    this.#connection.close()
  }
}
