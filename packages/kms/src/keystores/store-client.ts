/**
 * The HTTP client of the networked key stores: retries with jitter where a call is safe to repeat, back-off on throttling,
 * bounded time, and errors that name the store, the path and the missing right, never a secret. Issue 5 section 2,
 * kes-protocol 8.1.
 *
 * @module
 */
import type { KmsErrorCode } from '../kms-error.ts'
import { type StoreDependencies, storeDependencies } from './store-dependencies.ts'
import { StoreError } from './store-error.ts'
import type { ProxySettings } from './store-proxy.ts'
import type { StoreTls } from './store-tls.ts'
import { StoreTransport, TransportFailure, type TransportFailureKind, type WireAnswer } from './store-transport.ts'

/** How a client reaches its store. */
export interface StoreClientOptions {
  /** Name for messages, as in `Vault`. */
  readonly store: string
  /** Base address, with or without a path. */
  readonly endpoint: string
  /** Default: no client certificate, the runtime's CAs. */
  readonly tls?: StoreTls
  readonly proxy?: ProxySettings | undefined
  /** Longest time of one attempt, in milliseconds. Default 5,000. */
  readonly callTimeoutMs?: number | undefined
  /** Longest time of a call with its retries and pauses, in milliseconds. Default 15,000. */
  readonly totalTimeoutMs?: number | undefined
  /** Attempts beyond the first at most. Default 3. */
  readonly maxRetries?: number
  /** Default 16. */
  readonly maxSockets?: number
  /** Statuses that pass by themselves, beside 429 and 5xx: the call was not carried out. Default none. */
  readonly passingStatuses?: readonly number[]
  /** Whether an answer stays what it is, however often one asks. Default: none beside those that are never asked again. */
  readonly isFinal?: (answer: StoreAnswer) => boolean
  /** Redirects followed at most, with everything in them: to the endpoint's own host and port, never from `https:` to `http:`. Default 0. */
  readonly maxRedirects?: number
  /** Where else redirects may lead: `host:port`, or `host` for the endpoint's port. Default nowhere. */
  readonly redirectHosts?: readonly string[] | undefined
  /** Texts that never appear in a message, whatever the store answers. */
  readonly secrets?: () => Iterable<string>
}

/** A call. */
export interface StoreRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'
  /** Percent-encoded, from `/` on, with query; put behind the endpoint's own path. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Stays the caller's. */
  readonly body?: Uint8Array | string
  /** Name of the entry that it is about, for messages, where the path does not say it. */
  readonly about?: string
  /** Whether carrying it out twice is the same as once. Default: `GET` only. */
  readonly isRepeatable?: boolean
  /** The body holds a secret: what the store says of it is not quoted. Default false. */
  readonly isSecret?: boolean
  /** Longest answer in bytes. Default 1 MiB. */
  readonly maxAnswerBytes?: number
  /** No retries at all, whatever happens: for probes. Default false. */
  readonly isSingleAttempt?: boolean
}

/** An answer of whatever status. */
export type StoreAnswer = WireAnswer

/** What a message may say beside status and path. */
export interface RefusalFacts {
  /** The right that a 401 or 403 points to, as in `"read" on kv/data/my-key`. */
  readonly needs?: string
  /** What the store itself said, if it was read out of its answer. */
  readonly said?: string | undefined
}

const defaultMaxAnswerBytes = 1 << 20
const firstPauseMs = 200
const longestPauseMs = 5_000
/** Failures before anything was sent. */
const unsentKinds: ReadonlySet<TransportFailureKind> = new Set(['refused', 'certificate', 'unsendable'])
const redirectStatuses = new Set([301, 302, 307, 308])

/** See the module. */
export class StoreClient {
  readonly #options: StoreClientOptions
  readonly #base: URL
  readonly #dependencies: StoreDependencies
  readonly #transport: StoreTransport
  /** As `host` of addresses. */
  readonly #redirectHosts: ReadonlySet<string>
  readonly #callTimeoutMs: number
  readonly #totalTimeoutMs: number

  /** @throws StoreError `unreachable` when the endpoint is no http or https address */
  constructor(options: StoreClientOptions, dependencies: Partial<StoreDependencies> = {}) {
    this.#options = options
    this.#base = parseEndpoint(options)
    this.#redirectHosts = new Set([this.#base, ...redirectOrigins(options, this.#base)].map(hostAndPort))
    this.#dependencies = storeDependencies(dependencies)
    this.#callTimeoutMs = options.callTimeoutMs ?? 5_000
    this.#totalTimeoutMs = options.totalTimeoutMs ?? 15_000
    this.#transport = new StoreTransport({
      tls: options.tls ?? {},
      proxy: options.proxy,
      maxSockets: options.maxSockets ?? 16,
      tunnelTimeoutMs: this.#callTimeoutMs,
    })
  }

  /** Clock, chance and waiting, for the store's own code. */
  get dependencies(): StoreDependencies {
    return this.#dependencies
  }

  /**
   * Sends a request, again where that is safe, and gives the last answer, whatever its status.
   *
   * @throws StoreError `unreachable` when there was no answer, with `isOutcomeUnknown` when the store may have carried it
   * out; also when it points to a host that it may not send to
   */
  async send(request: StoreRequest): Promise<StoreAnswer> {
    const deadline = this.#dependencies.now() + this.#totalTimeoutMs
    const maxRetries = request.isSingleAttempt === true ? 0 : (this.#options.maxRetries ?? 3)
    let wasLost = false
    for (let attempt = 0; ; attempt++) {
      const result = await this.#attempt(request, deadline)
      if (result instanceof TransportFailure) wasLost ||= !unsentKinds.has(result.kind)
      const pauseMs = attempt < maxRetries ? this.#pause(request, result, attempt) : undefined
      if (pauseMs === undefined || this.#dependencies.now() + pauseMs >= deadline) {
        if (result instanceof TransportFailure) throw this.#noAnswer(request, result, wasLost)
        return result
      }
      await this.#dependencies.sleep(pauseMs)
    }
  }

  /** The error for an answer that was not hoped for. */
  refusal(request: StoreRequest, answer: StoreAnswer, { needs, said }: RefusalFacts = {}): StoreError {
    const { status } = answer
    const isDenied = status === 401 || status === 403
    const quoted = said === undefined || request.isSecret === true ? '' : `: ${this.#clean(said)}`
    const right = isDenied && needs !== undefined ? `; it needs ${needs}` : ''
    const message = `${this.#what(request)} answered ${status}${quoted}${right}`
    const isOutcomeUnknown = status >= 500 && !isRepeatable(request)
    return new StoreError(isDenied ? 'permission-denied' : (refusalCodes.get(status) ?? 'unreachable'), message, {
      status,
      isOutcomeUnknown,
    })
  }

  /** The error for an answer that cannot be understood. */
  nonsense(request: StoreRequest, what: string): StoreError {
    return new StoreError('unreachable', `${this.#what(request)} answered ${what}`, {})
  }

  /** The answer's JSON object. Zeroes the body. @throws StoreError `unreachable` when it is none */
  json(request: StoreRequest, answer: StoreAnswer): Readonly<Record<string, unknown>> {
    const parsed = readJsonObject(answer)
    if (parsed === undefined) throw this.nonsense(request, 'something that is not a JSON object')
    return parsed
  }

  /** Text from outside, fit for one line of a message, without secrets. */
  clean(text: string): string {
    return this.#clean(text)
  }

  close(): void {
    this.#transport.close()
  }

  async #attempt(request: StoreRequest, deadline: number): Promise<StoreAnswer | TransportFailure> {
    let url = new URL(`${this.#base.href}${request.path.slice(1)}`)
    const body = typeof request.body === 'string' ? Buffer.from(request.body, 'utf8') : request.body
    try {
      for (let redirects = 0; ; redirects++) {
        const answer = await this.#transport.send({
          method: request.method,
          url,
          headers: request.headers ?? {},
          body,
          timeoutMs: Math.max(1, Math.min(this.#callTimeoutMs, deadline - this.#dependencies.now())),
          maxAnswerBytes: request.maxAnswerBytes ?? defaultMaxAnswerBytes,
        })
        const next = redirects < (this.#options.maxRedirects ?? 0) ? redirectTarget(answer, url) : undefined
        if (next === undefined) return answer
        // Whoever is sent to gets the secrets of the request, and is believed.
        if (!this.#redirectHosts.has(hostAndPort(next))) throw this.#strayRedirect(request, answer, next)
        url = next
      }
    } catch (error) {
      if (error instanceof TransportFailure) return error
      throw error
    } finally {
      if (typeof request.body === 'string') body?.fill(0)
    }
  }

  /** How long to wait before the next attempt; `undefined` when there is none. */
  #pause(request: StoreRequest, result: StoreAnswer | TransportFailure, attempt: number): number | undefined {
    const backOff = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs) * (0.5 + this.#dependencies.random() / 2)
    if (result instanceof TransportFailure) {
      if (result.kind === 'refused') return backOff
      return isRepeatable(request) && (result.kind === 'cut' || result.kind === 'timeout') ? backOff : undefined
    }
    if (this.#options.isFinal?.(result) === true) return undefined
    const { status } = result
    const asked = retryAfterMs(result, this.#dependencies.now())
    const wasNotCarriedOut =
      status === 429 || (status === 503 && asked !== undefined) || this.#options.passingStatuses?.includes(status)
    if (!wasNotCarriedOut && !(status >= 500 && status !== 501 && isRepeatable(request))) return undefined
    return asked === undefined ? backOff : asked + backOff / 2
  }

  #noAnswer(request: StoreRequest, failure: TransportFailure, wasLost: boolean): StoreError {
    return new StoreError('unreachable', `${this.#what(request)}: ${this.#clean(failure.detail)}`, {
      cause: failure,
      isOutcomeUnknown: wasLost && !isRepeatable(request),
    })
  }

  #strayRedirect(request: StoreRequest, { status }: StoreAnswer, { host }: URL): StoreError {
    const message = `${this.#what(request)} answered ${status}, to ${this.#clean(host)}, which is not among its redirect hosts: nothing was sent there`
    return new StoreError('unreachable', message, { status })
  }

  #what({ method, path, about }: StoreRequest): string {
    const query = path.indexOf('?')
    const shown = query < 0 ? path : path.slice(0, query)
    const entry = about === undefined ? '' : ` for '${about}'`
    return `${this.#options.store} at ${this.#base.host}: ${method} ${this.#base.pathname.slice(0, -1)}${shown}${entry}`
  }

  /** Text from outside, fit for one line of a message. */
  #clean(text: string): string {
    let shown = text.slice(0, 4_096)
    for (const secret of this.#options.secrets?.() ?? []) {
      if (secret.length >= 4) shown = shown.replaceAll(secret, '***')
    }
    return shown
      .slice(0, 200)
      .replace(/[^\x20-\x7e]+/g, ' ')
      .trim()
  }
}

/** Statuses that mean something beside "it did not work". */
const refusalCodes: ReadonlyMap<number, KmsErrorCode> = new Map([
  [409, 'busy'],
  [429, 'busy'],
])

/** The JSON object in an answer; `undefined` when there is none. Zeroes the body. */
export function readJsonObject({ body }: StoreAnswer): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return isObject(parsed) ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  } finally {
    body.fill(0)
  }
}

/** Whether a JSON value is an object, not an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isRepeatable({ method, isRepeatable = method === 'GET' }: StoreRequest): boolean {
  return isRepeatable
}

/** `Retry-After` in seconds or as a date; a date counts from the answer's own `Date`, so that a skewed clock does no harm. */
function retryAfterMs({ headers }: StoreAnswer, now: number): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const at = Date.parse(value)
  const from = Date.parse(headers.date ?? '')
  return Number.isNaN(at) ? undefined : Math.max(0, at - (Number.isNaN(from) ? now : from))
}

function redirectTarget({ status, headers }: StoreAnswer, from: URL): URL | undefined {
  const { location } = headers
  if (!redirectStatuses.has(status) || location === undefined || !URL.canParse(location, from.href)) return undefined
  const target = new URL(location, from.href)
  if (target.protocol !== 'https:' && !(target.protocol === 'http:' && from.protocol === 'http:')) return undefined
  return target
}

const hostAndPort = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port === '' ? defaultPorts.get(protocol) : port}`

const defaultPorts: ReadonlyMap<string, string> = new Map([
  ['https:', '443'],
  ['http:', '80'],
])

/** @throws StoreError `unreachable` for what is no host */
function redirectOrigins({ store, redirectHosts = [] }: StoreClientOptions, base: URL): readonly URL[] {
  return redirectHosts.map((text) => {
    const address = `${base.protocol}//${text}/`
    const url = URL.canParse(address) ? new URL(address) : undefined
    if (url === undefined || url.pathname !== '/' || url.username !== '' || /[?#@/]/.test(text)) {
      throw new StoreError(
        'unreachable',
        `${store}: a redirect host is a name, or a name and a port, not '${text}'`,
        {},
      )
    }
    if (!/:\d+$/.test(text)) url.port = base.port
    return url
  })
}

function parseEndpoint({ store, endpoint }: StoreClientOptions): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || !(url.protocol === 'https:' || url.protocol === 'http:')) {
    throw new StoreError('unreachable', `${store}: the endpoint is not an address that begins with https://`, {})
  }
  if (url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new StoreError('unreachable', `${store}: the endpoint has a user, a query or a fragment`, {})
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}
