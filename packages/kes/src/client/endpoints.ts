/**
 * Several servers as one: which one is asked first, which next, and which rest because they failed (kes-protocol 14). A
 * server of this machine comes first, the others in turn; one that failed rests 30 seconds, then one request tries it.
 *
 * @module
 */
import { networkInterfaces } from 'node:os'
import { KesError } from '../kes-error.ts'

/** One server. */
export interface KesEndpoint {
  /** `https://127.0.0.1:7373`, without a path. */
  readonly url: string
  readonly host: string
  readonly port: number
}

/** KES's own port. */
const defaultPort = 7373

/**
 * Reads one endpoint: `host`, `host:port` or an `https:` address; as with KES's tools, `http:` is taken for `https:`.
 *
 * @throws KesError `invalid-config`
 */
export function parseEndpoint(text: string): KesEndpoint {
  const trimmed = text.trim()
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed)
  const known = scheme === null || /^https?$/i.test(scheme[1] ?? '')
  const address = `https://${trimmed.slice(scheme?.[0].length ?? 0)}`
  const url = known && trimmed !== '' && URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || url.username !== '' || url.password !== '' || !/^\/?$/.test(url.pathname + url.search)) {
    throw new KesError('invalid-config', `not the address of a KES server: ${JSON.stringify(text)}`)
  }
  // Without a port an address means that of https, a bare host that of KES.
  const port = url.port !== '' ? Number(url.port) : scheme === null && !/:443$/.test(trimmed) ? defaultPort : 443
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return { url: `https://${url.hostname}:${port}`, host, port }
}

/**
 * Reads a list, comma separated; `{1...4}` stands for a range, as in MinIO's settings.
 *
 * @throws KesError `invalid-config`
 */
export function parseEndpoints(text: string): readonly KesEndpoint[] {
  const endpoints = text.split(',').flatMap(expandRange).map(parseEndpoint)
  if (endpoints.length > maxEndpoints) throw new KesError('invalid-config', `more than ${maxEndpoints} KES servers`)
  return endpoints
}

const maxEndpoints = 1024

function expandRange(text: string): readonly string[] {
  const match = /^([^{}]*)\{(\d{1,9})\.\.\.(\d{1,9})\}(.*)$/.exec(text)
  if (match === null) return [text]
  const [, before = '', from = '', to = '', after = ''] = match
  const width = from.startsWith('0') ? from.length : 0
  const count = Number(to) - Number(from) + 1
  if (count < 1 || count > maxEndpoints) throw new KesError('invalid-config', `a range that is none: ${text}`)
  return Array.from({ length: count }, (_, i) => String(Number(from) + i).padStart(width, '0')).flatMap((middle) =>
    expandRange(`${before}${middle}${after}`),
  )
}

export interface EndpointPoolOptions {
  /** How long one that failed rests, in milliseconds. Default 30,000. */
  readonly restMs?: number
  /** Monotonic or wall clock in milliseconds. */
  readonly now: () => number
  /** 0 to below 1. */
  readonly random: () => number
  /** Whether a host is this machine. Default: loopback and the addresses of its interfaces. */
  readonly isLocal?: (host: string) => boolean
}

interface Member {
  readonly endpoint: KesEndpoint
  readonly isLocal: boolean
  restsUntilMs: number
}

/** The servers with their health. */
export class EndpointPool {
  readonly #members: readonly Member[]
  readonly #now: () => number
  readonly #restMs: number
  #next: number

  constructor(
    endpoints: readonly KesEndpoint[],
    { now, random, restMs = 30_000, isLocal = isThisMachine }: EndpointPoolOptions,
  ) {
    if (endpoints.length === 0) throw new KesError('invalid-config', 'no KES server is named')
    this.#members = endpoints.map((endpoint) => ({ endpoint, isLocal: isLocal(endpoint.host), restsUntilMs: 0 }))
    this.#now = now
    this.#restMs = restMs
    this.#next = Math.floor(random() * endpoints.length)
  }

  get endpoints(): readonly KesEndpoint[] {
    return this.#members.map(({ endpoint }) => endpoint)
  }

  /**
   * The servers to try, in order: those that are not resting; all, if all rest. Whoever gets one whose rest is over is
   * the one that tries it: for the others it goes on resting until that one has reported.
   */
  order(): readonly KesEndpoint[] {
    const count = this.#members.length
    if (count === 1) return this.endpoints
    const start = this.#next
    this.#next = (start + 1) % count
    const turn = this.#members
      .map((_, i) => this.#members[(start + i) % count])
      .filter((member) => member !== undefined)
    const sorted = [...turn.filter(({ isLocal }) => isLocal), ...turn.filter(({ isLocal }) => !isLocal)]
    const now = this.#now()
    const awake = sorted.filter(({ restsUntilMs }) => restsUntilMs <= now)
    for (const member of awake) {
      if (member.restsUntilMs !== 0) member.restsUntilMs = now + this.#restMs
    }
    return (awake.length === 0 ? sorted : awake).map(({ endpoint }) => endpoint)
  }

  /** What became of a request to one of them. */
  report(endpoint: KesEndpoint, isHealthy: boolean): void {
    const member = this.#members.find((candidate) => candidate.endpoint === endpoint)
    if (member !== undefined) member.restsUntilMs = isHealthy ? 0 : this.#now() + this.#restMs
  }

  /** Which rest at the moment. */
  resting(): readonly KesEndpoint[] {
    const now = this.#now()
    return this.#members.filter(({ restsUntilMs }) => restsUntilMs > now).map(({ endpoint }) => endpoint)
  }
}

function isThisMachine(host: string): boolean {
  if (host === 'localhost' || host === '::1' || /^127\./.test(host)) return true
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host))
}
