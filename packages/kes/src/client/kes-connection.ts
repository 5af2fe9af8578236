/**
 * The way to several KES servers that are one service: which is asked, how often, with which certificate, and until when
 * (kes-protocol 14). Bodies are sent anew with each attempt.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { KesError } from '../kes-error.ts'
import { readRefusal } from './answers.ts'
import { type ClientIdentity, type CredentialsSource, credentialsSource, type KesCredentials } from './credentials.ts'
import { EndpointPool, type KesEndpoint, parseEndpoint } from './endpoints.ts'
import { ExchangeError, type KesAnswer, type KesRequest, KesTransport, type TransportOptions } from './transport.ts'

export interface KesClientOptions extends Omit<TransportOptions, 'ca'> {
  /** PEM certificates trusted beside the runtime's; a function is asked again at each reload. */
  readonly ca?: readonly string[] | (() => Promise<readonly string[]>)
  /** `https://host:7373`, `host:7373` or `host`. */
  readonly endpoints: readonly string[]
  readonly credentials: KesCredentials
  /** Longest time of one attempt, in milliseconds. Default 5,000. */
  readonly callTimeoutMs?: number
  /** Longest time of a call with all its attempts and pauses, in milliseconds. Default 15,000. */
  readonly totalTimeoutMs?: number
  /** How often the certificate is read again, in milliseconds. Default 15 minutes; 0 = never. */
  readonly refreshMs?: number
  /** How long a server that failed is left alone, in milliseconds. Default 30,000. */
  readonly restMs?: number
  /** Told when the certificate cannot be read again; the old one stays. */
  readonly onReloadError?: (error: unknown) => void
}

export interface KesClientDependencies {
  readonly now: () => number
  /** 0 to below 1. */
  readonly random: () => number
  readonly sleep: (milliseconds: number) => Promise<unknown>
}

export interface KesCallOptions {
  readonly signal?: AbortSignal
}

const noCallOptions: KesCallOptions = {}
const defaultCallTimeoutMs = 5_000
const attemptsPerEndpoint = 3
const pauseMs = 200
const pauseJitterMs = 800
const defaultRefreshMs = 15 * 60_000
const maxRefusalBytes = 65_536

/** Statuses after which another server may do better. */
const isServerFault = (status: number): boolean => status >= 500 && status !== 501

/** A request that may need several attempts. */
export interface KesCall extends KesRequest {
  /** Carrying it out twice is the same as once. Others are sent again only where they reached no server: any answer ends them. */
  readonly isRepeatable: boolean
}

/** See the module. */
export class KesConnection {
  readonly #pool: EndpointPool
  readonly #source: CredentialsSource
  readonly #options: KesClientOptions
  readonly #dependencies: KesClientDependencies
  readonly #timer: NodeJS.Timeout | undefined
  #transport: KesTransport
  #trust: Trust

  private constructor(
    options: KesClientOptions,
    dependencies: KesClientDependencies,
    source: CredentialsSource,
    trust: Trust,
  ) {
    this.#options = options
    this.#dependencies = dependencies
    this.#source = source
    this.#trust = trust
    this.#transport = transportFor(trust, options)
    const { restMs } = options
    this.#pool = new EndpointPool(options.endpoints.map(parseEndpoint), {
      ...dependencies,
      ...(restMs === undefined ? {} : { restMs }),
    })
    const { refreshMs = defaultRefreshMs } = options
    this.#timer = refreshMs === 0 ? undefined : setInterval(() => void this.#refresh(), refreshMs).unref()
  }

  /** Reads the certificate; connects to nobody. @throws KesError `invalid-config`, `invalid-credentials` */
  static async open(options: KesClientOptions, given: Partial<KesClientDependencies> = {}): Promise<KesConnection> {
    const dependencies = { now: Date.now, random: Math.random, sleep: (ms: number) => sleep(ms), ...given }
    const source = credentialsSource(options.credentials, dependencies.now)
    return new KesConnection(options, dependencies, source, await loadTrust(source, options))
  }

  /** Whom servers take this client for. */
  get identity(): string {
    return this.#trust.identity.identity
  }

  /** The servers, and those that are left alone at the moment. */
  get endpoints(): { readonly all: readonly KesEndpoint[]; readonly resting: readonly KesEndpoint[] } {
    return { all: this.#pool.endpoints, resting: this.#pool.resting() }
  }

  /** Reads certificates and CAs again. Requests in flight end as they began. @throws KesError `invalid-credentials` */
  async reload(): Promise<void> {
    const trust = await loadTrust(this.#source, this.#options)
    if (isSameTrust(trust, this.#trust)) return
    const old = this.#transport
    this.#trust = trust
    this.#transport = transportFor(trust, this.#options)
    old.retire()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#transport.close()
  }

  /** Tries servers in order until one gives an answer that another could not better, or that must not be asked for twice. */
  async call(call: KesCall, options: KesCallOptions = noCallOptions): Promise<KesAnswer> {
    const deadline = this.#deadline()
    const endpoints = this.#pool.order()
    // Where there is another server, it is asked rather than the same one again.
    const attempts = endpoints.length > 1 ? 1 : attemptsPerEndpoint
    let last: KesAnswer | ExchangeError | undefined
    for (const endpoint of endpoints) {
      try {
        last = await this.#attempts(endpoint, call, options, { deadline, attempts })
        this.#pool.report(endpoint, !isServerFault(last.status))
        // A server that fails may have carried it out before.
        if (!isServerFault(last.status) || !call.isRepeatable) return success(last, call)
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error
        const isGivenUp = options.signal?.aborted === true
        if (!isGivenUp) this.#pool.report(endpoint, false)
        last = error
        if (isGivenUp || (error.mayBeDone && !call.isRepeatable)) break
      }
      if (this.#dependencies.now() >= deadline) break
    }
    if (last === undefined) throw new KesError('unreachable', 'no server is left')
    if (last instanceof ExchangeError) throw last
    return success(last, call)
  }

  /** Several attempts at one server, for what passes by itself: cut connections, and 503 where that does no harm. */
  async #attempts(
    endpoint: KesEndpoint,
    call: KesCall,
    options: KesCallOptions,
    { deadline, attempts }: { readonly deadline: number; readonly attempts: number },
  ): Promise<KesAnswer> {
    const { callTimeoutMs = defaultCallTimeoutMs } = this.#options
    for (let attempt = 1; ; attempt++) {
      const left = Math.max(1, Math.min(callTimeoutMs, deadline - this.#dependencies.now()))
      let outcome: KesAnswer | ExchangeError
      try {
        outcome = await this.#transport.exchange(endpoint, call, left, options.signal)
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error
        outcome = error
      }
      const pause = pauseMs + this.#dependencies.random() * pauseJitterMs
      const hasTime = this.#dependencies.now() + pause < deadline && options.signal?.aborted !== true
      const allowed = outcome instanceof ExchangeError ? attempts : attemptsPerEndpoint
      if (attempt < allowed && hasTime && isWorthRepeating(outcome, call)) {
        await this.#dependencies.sleep(pause)
        continue
      }
      if (outcome instanceof ExchangeError) throw outcome
      return outcome
    }
  }

  #deadline(): number {
    return this.#dependencies.now() + (this.#options.totalTimeoutMs ?? 15_000)
  }

  /** One server only, however it feels. */
  async callOne(endpoint: KesEndpoint, call: KesCall, options: KesCallOptions = noCallOptions): Promise<KesAnswer> {
    const limits = { deadline: this.#deadline(), attempts: 1 }
    return success(await this.#attempts(endpoint, call, options, limits), call)
  }

  /** A stream that goes on until `signal` ends it. A server of MinIO sends its head with the first event only. */
  async stream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const [endpoint] = this.#pool.order()
    if (endpoint === undefined) throw new KesError('unreachable', 'no server is left')
    const wanted = { method: 'GET', path } as const
    const response = await this.#transport.open(endpoint, wanted, maxTimerMs, signal)
    if (response.statusCode === 200) return response
    const timer = setTimeout(() => response.destroy(), this.#options.callTimeoutMs ?? defaultCallTimeoutMs)
    const body = await firstBytes(response).finally(() => clearTimeout(timer))
    throw refusal(response.statusCode ?? 0, response.headers['content-type'] ?? '', body, path)
  }

  async #refresh(): Promise<void> {
    try {
      await this.reload()
    } catch (error) {
      this.#options.onReloadError?.(error)
    }
  }
}

/** Whom to be, and whom to believe. */
interface Trust {
  readonly identity: ClientIdentity
  readonly ca: readonly string[]
}

async function loadTrust(source: CredentialsSource, { ca = [] }: KesClientOptions): Promise<Trust> {
  return { identity: await source.load(), ca: typeof ca === 'function' ? await ca() : ca }
}

const isSameTrust = (a: Trust, b: Trust): boolean =>
  a.identity.cert === b.identity.cert && a.identity.key === b.identity.key && a.ca.join() === b.ca.join()

const transportFor = ({ identity, ca }: Trust, options: KesClientOptions): KesTransport =>
  new KesTransport(identity, { ...options, ca })

/** Longest time that a timer takes. */
const maxTimerMs = 2_147_483_647

function isWorthRepeating(outcome: KesAnswer | ExchangeError, call: KesCall): boolean {
  if (!(outcome instanceof ExchangeError)) return outcome.status === 503 && call.isRepeatable
  return outcome.isPassing && (call.isRepeatable || !outcome.mayBeDone)
}

function success(answer: KesAnswer, { path }: KesCall): KesAnswer {
  if (answer.status === 200) return answer
  throw refusal(answer.status, answer.contentType, answer.body, path)
}

function refusal(status: number, contentType: string, body: Buffer, path: string): KesError {
  const { message, reason } = readRefusal(contentType, body)
  const words = message === '' ? `the server answered with status ${status}` : message
  return new KesError('refused', words, { status, path, ...(reason === undefined ? {} : { reason }) })
}

async function firstBytes(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxRefusalBytes) break
  }
  return Buffer.concat(chunks)
}
