/**
 * What a KES server is told: plain values, read from a configuration file by somebody else (kes-protocol 11), and the things it
 * is given to work with. `startKesServer` and `KesServer.reload` take these.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { RandomSource } from '@strongroom/crypto'
import type { KeyExpiry, KeyStore } from '@strongroom/kms'
import type { Family } from './server/metric-families.ts'

/** A certificate chain and its private key in PEM (the key not encrypted), and whom client certificates must lead to. */
export interface KesTlsMaterial {
  /** Leaf first. It must name at least one DNS name or IP address. */
  readonly cert: string
  readonly key: string
  /** PEM certificates trusted beside the system's roots: `tls.ca`. */
  readonly ca?: readonly string[]
}

/** `tls.*` of the configuration (kes-protocol 1.1, 1.4). */
export interface KesTlsOptions {
  /**
   * Reads certificate, key and CAs anew: at start, at a reload, and every 15 minutes. A failure at start or reload is fatal
   * to it; later it is reported and what was read before stays.
   */
  readonly load: () => Promise<KesTlsMaterial>
  /** `tls.auth: on`: client certificates are verified. Default `false`. */
  readonly verifyClients?: boolean
  /** Identities of TLS proxies. Default none. */
  readonly proxyIdentities?: readonly string[]
  /** The header in which a proxy passes on its client's certificate; without it a proxy's clients have none. */
  readonly proxyCertificateHeader?: string
}

/** One policy with those it is assigned to (kes-protocol 5.3, 5.4). */
export interface KesPolicy {
  readonly name: string
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly identities?: readonly string[]
}

/** `api.<route path>` of the configuration. */
export interface KesRouteOptions {
  readonly skipAuth?: boolean
  /** Milliseconds; 0 or absent keeps the route's own. */
  readonly timeoutMs?: number
}

/**
 * `log.*`: levels as numbers of Go's `slog` (DEBUG -4, INFO 0, WARN 4, ERROR 8). What is below is not written to the sinks;
 * the streams `/v1/log/*` follow the same levels. Audit lines are INFO. Default 0 for both.
 */
export interface KesLogOptions {
  readonly errorLevel?: number
  readonly auditLevel?: number
  /** How audit lines are written to the sink: as KES writes them, or as the JSON of `/v1/log/audit`. Default `text`. */
  readonly auditFormat?: 'text' | 'json'
}

/** Everything a configuration file says. All of it but `endpoints` can change at a reload. */
export interface KesServerOptions {
  /** Where to listen; a literal IP address each. Not looked at by a reload. */
  readonly endpoints: readonly { readonly host: string; readonly port: number }[]
  readonly tls: KesTlsOptions
  /** 64 lower-case hex digits, or anything else to have no admin. */
  readonly adminIdentity: string
  readonly policies?: readonly KesPolicy[]
  /** By route path as `/v1/api` shows it, slashes included (`/v1/ready`, `/v1/key/create/`). Unknown paths mean nothing. */
  readonly api?: Readonly<Record<string, KesRouteOptions>>
  /** `cache.expiry`. */
  readonly cache?: KeyExpiry
  readonly log?: KesLogOptions
  /** `keys[].name`: made at start and reload where they do not exist. */
  readonly keys?: readonly string[]
  /**
   * Opens the key store; the server closes it. Where it throws a KmsError `unreachable` or `busy` the server starts all
   * the same, reports it, answers 502 and 504, and tries again; any other error is fatal to the start or reload.
   */
  readonly openKeyStore: () => Promise<KeyStore>
  /** For people: what the key store is, `fs: /var/lib/keys`. Never a secret. Default empty. */
  readonly keyStoreLabel?: string
  /** How often the key store is asked how it is when nobody else asks, in milliseconds. Default: never. */
  readonly keyStorePingMs?: number
}

/** What the server is given beside its options. Everything has a default. */
export interface KesServerDependencies {
  /** Wall clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
  /** Default: a pool of the key service's own, filled by `node:crypto`. */
  readonly random?: RandomSource
  /**
   * Takes whole audit lines in UTF-8, each with its line end, several at a time. The bytes are the server's again when it returns.
   * Default: none. KES prints them to stdout.
   */
  readonly auditSink?: (lines: Uint8Array) => void
  /** Takes whole lines of the error log, each with its line end. Default: none. KES prints them to stderr. */
  readonly errorSink?: (line: string) => void
  /** What `/version` and `/v1/status` say. Default: `<unknown>`, as a KES built without its repository says. */
  readonly version?: string
  readonly commit?: string
  /** When the server started, by `now`; default: now. */
  readonly startedAtMs?: number
  /** This process is one of several that serve the same (docs/adr/0020-workers.md). Default: it serves alone. */
  readonly neighbours?: KesNeighbours
}

/** What the metrics of a process are made of; can be sent as JSON, and added up by `mergeKesMetrics`. */
export type KesMetricFamilies = readonly Family[]

/** Which logs somebody reads over the wire. */
export interface KesLogReaders {
  readonly audit: boolean
  readonly error: boolean
}

/** The other processes of one server. Nothing here may reject. */
export interface KesNeighbours {
  /** How many processes there are, this one included: what is limited is divided by it. */
  readonly processes: number
  /** Resolves when no other process remembers anything of the key. */
  keyChanged(name: string): Promise<void>
  /** Metrics of all processes together; `undefined` where they cannot be had. */
  families(): Promise<KesMetricFamilies | undefined>
  /** Resolves when the other processes forward the lines of these logs to this one (`KesServer.deliver`). */
  readersChanged(readers: KesLogReaders): Promise<void>
  /** Takes a line for the readers at others, while `KesServer.forward` says that there are any. */
  forward(log: keyof KesLogReaders, line: string): void
}

/** A running server. */
export interface KesServer {
  /** The addresses listened on, in the order of the endpoints. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  /**
   * Takes new options (SIGHUP): certificates, policies, routes, key store, cache. Open connections stay and meet the new
   * policies with their next request. Where it rejects, everything is as it was.
   *
   * @throws KesError, HttpError (certificates) or what `openKeyStore` throws
   */
  reload(options: KesServerOptions): Promise<void>
  /** Serves a connection that another process accepted, and has read nothing of. */
  adopt(socket: Socket): void
  /** Forgets what is remembered of a key that another process changed. */
  forgetKey(name: string): void
  /** What this process counts. */
  families(): KesMetricFamilies
  /** Which logs other processes want the lines of. */
  forward(readers: KesLogReaders): void
  /** Sends a line of another process to those who read that log here. */
  deliver(log: keyof KesLogReaders, line: string): void
  /** Stops accepting, lets requests in flight finish for up to `graceMs` (default 1,000), zeroes keys, closes the store. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

/**
 * Routes that KES does not have. They lie outside `/v1/` and no rule that was made for KES grants them, not even
 * `*`: a rule has to begin with all of such a path, `/strongroom/v1/key/rotate/` (ADR 19).
 * All are followed by the key's name; see README.md for bodies and answers.
 */
export const extensionPaths = {
  /** GET: name, state, all versions. */
  describe: '/strongroom/v1/key/describe/',
  /** PUT or POST: makes a new version. */
  rotate: '/strongroom/v1/key/rotate/',
  /** PUT or POST. */
  lock: '/strongroom/v1/key/lock/',
  /** PUT or POST. */
  unlock: '/strongroom/v1/key/unlock/',
  /** PUT or POST: brings a deleted key back, where the key store keeps deleted keys for a while. */
  recover: '/strongroom/v1/key/recover/',
  /** DELETE: destroys what the key store still keeps of a deleted key. */
  purge: '/strongroom/v1/key/purge/',
  /** PUT or POST: locks a key and notes when it may be deleted. */
  schedule: '/strongroom/v1/key/schedule-deletion/',
  /** PUT or POST: takes that back. */
  cancel: '/strongroom/v1/key/cancel-deletion/',
} as const
