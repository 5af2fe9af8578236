/**
 * Between HTTP and the S3 operations, whether a request comes by `node:http` or was read directly: turns it into an `S3Request`, sends the `S3Response`, and tells the
 * access log and the metrics. Knows nothing of S3 itself.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { letGoOfCiphered } from '@strongroom/engine'
import {
  type BodyResponse,
  bodyChunks,
  type Connection,
  type DirectRequest,
  HttpError,
  type RequestIds,
  readBody,
  sendBody,
  type TrustedProxies,
} from '@strongroom/http'
import {
  headerRecord,
  type RequestBody,
  type RequestHeaders,
  type RequestLog,
  type S3Handler,
  type S3Response,
} from '@strongroom/operations'
import { ServerError } from '../server-error.ts'

/** What is known of a request when its answer has been sent. */
export interface FinishedRequest {
  readonly requestId: string
  readonly method: string
  readonly target: string
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  readonly ttfbMs: number
  readonly remoteAddress: string
  readonly log: Readonly<RequestLog>
}

export interface S3BridgeOptions {
  readonly handler: S3Handler
  readonly proxies: TrustedProxies
  readonly requestIds: RequestIds
  /** A request has come; its headers are there. */
  onBegin(): void
  onEnd(request: FinishedRequest): void
  /** A body could not be sent to its end: a fault of ours, unless the client went away. */
  onBodyError(error: unknown, requestId: string): void
  /** The answer to a request whose body failed before its first byte was sent. */
  failedResponse(error: unknown, requestId: string): S3Response
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** What `ServerResponse` and `DirectResponse` both are. */
export interface BridgeResponse extends BodyResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  getHeaderNames(): string[]
  removeHeader(name: string): void
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown
  end(body?: string | Uint8Array): unknown
}

export type Bridge = (
  request: IncomingMessage | DirectRequest,
  response: BridgeResponse,
  connection: Connection,
) => Promise<void>

export function s3Bridge(options: S3BridgeOptions): Bridge {
  const { handler, proxies, requestIds, now } = options
  return async (request, response, connection) => {
    const startedAt = now()
    options.onBegin()
    const headers = headerRecord(request.rawHeaders)
    const client = proxies.resolve(connection, headers)
    const requestId = requestIds.next()
    const method = request.method ?? 'GET'
    const target = ('target' in request ? request.target : request.url) ?? '/'
    const question = target.indexOf('?')
    const body = 'target' in request ? new DirectBody(request, headers) : new IncomingBody(request, headers)
    const answer = await handler({
      method,
      rawPath: pathOf(question < 0 ? target : target.slice(0, question)),
      rawQuery: question < 0 ? '' : target.slice(question + 1),
      headers,
      body,
      secure: client.secure,
      remoteAddress: client.remoteAddress,
      requestId,
      hostId: requestIds.hostId,
    })
    const ttfbMs = now() - startedAt
    const sent = await send(response, answer, requestId, options)
    options.onEnd({
      requestId,
      method,
      target,
      status: sent.status,
      bytesIn: body.bytesRead,
      bytesOut: sent.bytes,
      durationMs: now() - startedAt,
      ttfbMs,
      remoteAddress: client.remoteAddress,
      log: sent.errorCode === undefined ? answer.log : { ...answer.log, errorCode: sent.errorCode },
    })
  }
}

/** The request line may name the whole URL (RFC 9112 3.2.2): the host is taken from `Host` all the same. */
const pathOf = (path: string): string => {
  if (path.startsWith('/')) return path
  const authority = path.indexOf('://')
  const slash = authority < 0 ? -1 : path.indexOf('/', authority + 3)
  return slash < 0 ? '/' : path.slice(slash)
}

interface Sent {
  readonly status: number
  readonly bytes: number
  /** Why the body was not sent as it was meant to be. */
  readonly errorCode?: string | undefined
}

/** What the access log says of an answer that its client did not wait for. */
const clientGone = 'ClientDisconnected'

async function send(
  response: BridgeResponse,
  answer: S3Response,
  requestId: string,
  options: Pick<S3BridgeOptions, 'onBodyError' | 'failedResponse'>,
): Promise<Sent> {
  const { status, headers, body } = answer
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.writeHead(status, headers)
    response.end(body)
    return { status, bytes: body === undefined ? 0 : Buffer.byteLength(body) }
  }
  const sent = { bytes: 0 }
  try {
    response.statusCode = status
    for (const name in headers) response.setHeader(name, headers[name] ?? '')
    await sendBody(response, body, { sent, letGo: letGoOfCiphered })
    return { status, bytes: sent.bytes }
  } catch (error) {
    // A header that cannot be sent leaves the data open; ending it twice is harmless.
    await body[Symbol.asyncIterator]().return?.()
    const isClientGone = error instanceof HttpError && error.code === 'aborted'
    if (isClientGone) return { status, bytes: sent.bytes, errorCode: clientGone }
    options.onBodyError(error, requestId)
    const failed = options.failedResponse(error, requestId)
    const { errorCode } = failed.log
    if (response.headersSent || response.destroyed) return { status, bytes: sent.bytes, errorCode }
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    return { ...(await send(response, failed, requestId, options)), errorCode }
  }
}

/** See `RequestBody.declaredLength`. */
function declaredLength(headers: RequestHeaders): number | undefined {
  const length = headers['content-length']
  if (length !== undefined) return Number(length)
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

/** The body of a request that was read directly: it came whole, or is on its way. */
class DirectBody implements RequestBody {
  readonly declaredLength: number | undefined
  readonly #request: DirectRequest
  #taken = 0

  constructor(request: DirectRequest, headers: RequestHeaders) {
    this.#request = request
    this.declaredLength = declaredLength(headers)
  }

  /** As of `IncomingBody`: what nobody took does not count. */
  get bytesRead(): number {
    return this.#taken
  }

  async read(limitBytes: number): Promise<Uint8Array> {
    const request = this.#request
    const length = request.isWhole ? request.body.length : request.bodyBytes
    if (length > limitBytes) throw new ServerError('too-large', `the body is longer than ${limitBytes} bytes`)
    try {
      const bytes = request.isWhole ? request.body : await request.readBody()
      this.#taken = length
      return bytes
    } catch (error) {
      throw transportError(error)
    }
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    const request = this.#request
    if (request.isWhole) {
      const bytes = await this.read(Number.POSITIVE_INFINITY)
      if (bytes.length > 0) yield bytes
      return
    }
    try {
      for await (const piece of request.bodyChunks()) {
        this.#taken += piece.length
        yield piece
      }
    } catch (error) {
      throw transportError(error)
    }
  }
}

/** The body of a request, with the transport's errors in the words of `RequestBody`. */
class IncomingBody implements RequestBody {
  readonly declaredLength: number | undefined
  readonly #request: IncomingMessage
  #streamed = 0

  constructor(request: IncomingMessage, headers: RequestHeaders) {
    this.#request = request
    this.declaredLength = declaredLength(headers)
  }

  /** Bytes that came and were taken; what is only announced anybody can make as large as they like. */
  get bytesRead(): number {
    return this.#streamed
  }

  async read(limitBytes: number): Promise<Uint8Array> {
    try {
      const bytes = await readBody(this.#request, limitBytes)
      this.#streamed = bytes.length
      return bytes
    } catch (error) {
      throw transportError(error)
    }
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of bodyChunks(this.#request)) {
        this.#streamed += piece.length
        yield piece
      }
    } catch (error) {
      throw transportError(error)
    }
  }
}

function transportError(error: unknown): unknown {
  if (!(error instanceof HttpError)) return error
  if (error.code === 'aborted') return new ServerError('aborted', error.message, { cause: error })
  if (error.code === 'body-too-large') return new ServerError('too-large', error.message, { cause: error })
  return error
}
