/**
 * What a KES config file means, in plain values that people and programs read, and whether its certificate and its key
 * store work: `strongroom kes check`. Nothing secret is in the result.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import type { KeyStore } from '@strongroom/kms'
import { KesError } from '../kes-error.ts'
import { namedIn, routes } from '../protocol/routes.ts'
import { fileNotices, missingDirectory } from './check-files.ts'
import { formatGoDuration } from './go-duration.ts'
import type { KesApiConfig, KesConfig, KesPolicyConfig } from './kes-config.ts'
import { loadKesConfig } from './load-kes-config.ts'
import { formatLogLevel } from './log-level.ts'
import { readTls } from './read-tls.ts'
import { describeStore, type KesStoreConfig } from './store-config.ts'
import type { Environment } from './yaml-source.ts'

export interface KesConfigReport {
  readonly file: string
  /** Why a server would not start with it, one line each; nothing else is known then. */
  readonly problems: readonly string[]
  /** What has no effect, or another than one may think. */
  readonly notices: readonly string[]
  readonly config?: KesConfigSummary
}

export interface KesConfigSummary {
  readonly address: string
  readonly admin: string
  readonly tls: {
    readonly cert: string
    readonly key: string
    readonly ca?: string
    readonly verifiesClients: boolean
    readonly proxies: readonly string[]
    readonly names: readonly string[]
    /** RFC 3339. */
    readonly expires: string
  }
  readonly policies: readonly KesPolicyConfig[]
  readonly api: readonly { readonly path: string; readonly skipAuth: boolean; readonly timeout: string }[]
  readonly cache: { readonly any: string; readonly unused: string; readonly offline: string }
  readonly log: { readonly error: string; readonly audit: string }
  readonly keys: readonly string[]
  readonly keyStore: KeyStoreSummary
}

export interface KeyStoreSummary {
  readonly description: string
  readonly isReachable: boolean
  /** Why not. */
  readonly detail?: string
  /** Entries counted, up to a limit; absent where they cannot be listed. */
  readonly entries?: number
}

export interface CheckDependencies {
  readonly openKeyStore: (store: KesStoreConfig) => Promise<KeyStore>
  readonly now?: () => number
  /** Longest time that the key store is given, in milliseconds. Default 20,000. */
  readonly timeoutMs?: number
}

const day = 86_400_000
const countLimit = 100_000

/** Never rejects for what a config can be blamed for. */
export async function checkKesConfig(
  file: string,
  environment: Environment,
  dependencies: CheckDependencies,
): Promise<KesConfigReport> {
  const { now = Date.now } = dependencies
  let config: KesConfig
  let leaf: X509Certificate
  try {
    config = await loadKesConfig(file, environment)
    leaf = new X509Certificate((await readTls(config.tls)).cert)
  } catch (error) {
    if (error instanceof KesError) return { file, problems: error.message.split('\n'), notices: [] }
    throw error
  }
  const missing = await missingDirectory(config)
  const keyStore =
    missing === undefined
      ? await tryKeyStore(config.store, dependencies)
      : { description: describeStore(config.store), isReachable: true, entries: 0 }
  const expiresMs = Date.parse(leaf.validTo)
  return {
    file,
    problems: keyStore.isReachable ? [] : [`the key store does not work: ${keyStore.detail ?? 'no reason given'}`],
    notices: [
      ...config.notices,
      ...(missing === undefined
        ? []
        : [`keystore.fs.path: ${missing} does not exist: a server makes it, and has no keys then`]),
      ...(await fileNotices(config)),
      ...policyNotices(config.policies),
      ...apiNotices(config.api),
      ...tlsNotices(config),
      ...expiryNotices(config.tls.certFile, expiresMs, now()),
    ],
    config: summary(config, leaf, keyStore),
  }
}

function summary(config: KesConfig, leaf: X509Certificate, keyStore: KeyStoreSummary): KesConfigSummary {
  const { address, tls, cache, log } = config
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return {
    address: `${host}:${address.port}`,
    admin: config.adminIdentity,
    tls: {
      cert: tls.certFile,
      key: tls.keyFile,
      ...(tls.caPath === '' ? {} : { ca: tls.caPath }),
      verifiesClients: tls.verifyClients,
      proxies: tls.proxyIdentities,
      names: (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace(/^(?:DNS|IP Address):/, '')),
      expires: new Date(leaf.validTo).toISOString(),
    },
    policies: config.policies,
    api: config.api.map(({ path, skipAuth, timeoutMs }) => ({
      path,
      skipAuth,
      timeout: timeoutMs > 0 ? formatGoDuration(timeoutMs) : 'default',
    })),
    cache: {
      any: formatGoDuration(cache.anyMs),
      unused: formatGoDuration(cache.unusedMs),
      offline: formatGoDuration(cache.offlineMs),
    },
    log: { error: formatLogLevel(log.errorLevel), audit: formatLogLevel(log.auditLevel) },
    keys: config.keys,
    keyStore,
  }
}

async function tryKeyStore(
  store: KesStoreConfig,
  { openKeyStore, timeoutMs = 20_000 }: CheckDependencies,
): Promise<KeyStoreSummary> {
  const description = describeStore(store)
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<KeyStoreSummary>((resolve) => {
    const answer = { description, isReachable: false, detail: `no answer within ${formatGoDuration(timeoutMs)}` }
    timer = setTimeout(() => resolve(answer), timeoutMs)
  })
  try {
    return await Promise.race([lookAt(description, () => openKeyStore(store)), tooLate])
  } finally {
    clearTimeout(timer)
  }
}

async function lookAt(description: string, open: () => Promise<KeyStore>): Promise<KeyStoreSummary> {
  try {
    const store = await open()
    try {
      const { reachable, detail } = await store.status()
      if (!reachable) return { description, isReachable: false, ...(detail === undefined ? {} : { detail }) }
      let entries = 0
      for await (const _ of store.list('')) {
        if (++entries === countLimit) break
      }
      return { description, isReachable: true, entries }
    } finally {
      await store.close()
    }
  } catch (error) {
    return { description, isReachable: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

function policyNotices(policies: readonly KesPolicyConfig[]): readonly string[] {
  return policies.flatMap(({ name, allow, deny, identities }) => [
    ...[...allow, ...deny].flatMap((pattern) => {
      const what = patternNotice(pattern)
      return what === undefined ? [] : [`policy.${name}: ${JSON.stringify(pattern)} ${what}`]
    }),
    ...ownRouteNotices(name, allow),
    ...(allow.length === 0 ? [`policy.${name}: allows nothing`] : []),
    ...(identities.length === 0 ? [`policy.${name}: is assigned to nobody`] : []),
    ...identities
      .filter((identity) => !/^[0-9a-f]{64}$/.test(identity))
      .map((identity) => `policy.${name}: ${JSON.stringify(identity)} is no identity that anybody can have`),
  ])
}

const ownRoutes = routes.filter(({ isExtension }) => isExtension)

/** What rules that seem to grant routes of our own grant of them: only what they name (ADR 19). */
function ownRouteNotices(policy: string, allow: readonly string[]): readonly string[] {
  return allow.flatMap((pattern) => {
    const start = pattern.endsWith('*') ? pattern.slice(0, -1) : undefined
    const meant = ownRoutes.filter((route) => start !== undefined && namedIn(route).startsWith(start))
    const [first] = meant.filter((route) => !pattern.startsWith(namedIn(route)))
    if (first === undefined) return []
    const verbs = meant.map(({ path }) => path.split('/').at(-2)).join(', ')
    const rule = JSON.stringify(`${first.path}*`)
    return [
      `policy.${policy}: ${JSON.stringify(pattern)} grants none of the routes that KES does not have (${verbs}): name them, as ${rule}`,
    ]
  })
}

function patternNotice(pattern: string): string | undefined {
  if (pattern === '' || !(pattern.startsWith('/') || pattern === '*')) return 'matches nothing: paths begin with /'
  if (pattern.slice(0, -1).includes('*')) return 'has a * that is not at its end: it stands for itself'
  if (/[?[\]]/.test(pattern)) return 'has ? or [ ] in it, which stand for themselves since 2023-10'
  return undefined
}

function apiNotices(api: readonly KesApiConfig[]): readonly string[] {
  const known = new Set(routes.map(({ path }) => path))
  const open = api.filter(({ path, skipAuth }) => skipAuth && known.has(path)).map(({ path }) => path)
  return [
    ...api
      .filter(({ path }) => !known.has(path))
      .map(({ path }) => `api: ${JSON.stringify(path)} is no route: ignored`),
    ...(open.length === 0
      ? []
      : [`api: with skip_auth (${open.join(', ')}) clients may connect to every route without a certificate`]),
  ]
}

function tlsNotices({ tls, adminIdentity }: KesConfig): readonly string[] {
  return [
    ...(tls.verifyClients ? ['tls.auth: with on, API keys cannot be used: their certificates are self-signed'] : []),
    ...(/^[0-9a-fA-F]{64}$/.test(adminIdentity)
      ? []
      : ['admin.identity: nobody can have this identity: there is no admin']),
  ]
}

function expiryNotices(file: string, expiresMs: number, nowMs: number): readonly string[] {
  const days = Math.floor((expiresMs - nowMs) / day)
  if (days < 0) return [`tls.cert: ${file} has expired`]
  return days < 30 ? [`tls.cert: ${file} ends in ${days} days`] : []
}
