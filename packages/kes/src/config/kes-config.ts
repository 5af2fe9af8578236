/**
 * A KES config file (v1) as plain values: kes-protocol 11. What KES refuses is refused; what KES reads and then ignores is
 * named in `notices`.
 *
 * @module
 */
import { isIP } from 'node:net'
import { isKeyName } from '@strongroom/kms'
import { KesError } from '../kes-error.ts'
import { parseLogLevel } from './log-level.ts'
import { Section } from './section.ts'
import { type KesStoreConfig, readStore } from './store-config.ts'
import { type Environment, YamlSource } from './yaml-source.ts'

export interface KesAddress {
  /** A literal IP address. */
  readonly host: string
  readonly port: number
}

export interface KesTlsConfig {
  readonly keyFile: string
  readonly certFile: string
  /** Decrypts an RFC 1423 private key; empty where absent. */
  readonly password: string
  /** File or directory; empty where absent. */
  readonly caPath: string
  readonly verifyClients: boolean
  readonly proxyIdentities: readonly string[]
  /** Empty where absent. */
  readonly proxyCertificateHeader: string
}

export interface KesPolicyConfig {
  readonly name: string
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly identities: readonly string[]
}

export interface KesApiConfig {
  /** As in the file: `/v1/ready`. */
  readonly path: string
  readonly skipAuth: boolean
  /** Milliseconds; 0 keeps the route's own. */
  readonly timeoutMs: number
}

/** What a config file says. `tls.password` and `store` hold secrets. */
export interface KesConfig {
  readonly file: string
  readonly address: KesAddress
  readonly adminIdentity: string
  readonly tls: KesTlsConfig
  readonly policies: readonly KesPolicyConfig[]
  readonly api: readonly KesApiConfig[]
  /** Milliseconds; absent or zero in the file: KES's documented defaults. */
  readonly cache: { readonly anyMs: number; readonly unusedMs: number; readonly offlineMs: number }
  readonly log: { readonly errorLevel: number; readonly auditLevel: number }
  readonly keys: readonly string[]
  readonly store: KesStoreConfig
  /** What has no effect, with file and line. */
  readonly notices: readonly string[]
}

export const defaultKesAddress: KesAddress = { host: '0.0.0.0', port: 7373 }

/**
 * Reads the text of a config file. `file` is its name as the person knows it.
 *
 * @throws KesError `invalid-config`: one line for each thing that is wrong, with file, line and setting
 */
export function parseKesConfig(text: string, file: string, environment: Environment): KesConfig {
  return parse(text, file, environment, (root, source) => readAll(root, source, file))
}

/**
 * Reads nothing of a config file but its key store: what `migrate` needs, and a server that keeps its keys there. In the
 * settings of such a server the section `keystore` may also stand under `kms`.
 *
 * @throws KesError `invalid-config`
 */
export function parseKesStore(text: string, file: string, environment: Environment): KesStoreConfig {
  return parse(text, file, environment, (root) => {
    const group = root.has('keystore') ? root : root.section('kms')
    return readStore(group.isPresent ? group : root)
  })
}

function parse<T>(
  text: string,
  file: string,
  environment: Environment,
  read: (root: Section, source: YamlSource) => T | undefined,
): T {
  const source = new YamlSource(text, file, environment)
  if (source.root !== undefined) {
    const root = new Section(source, source.root, '')
    readVersion(root)
    const result = read(root, source)
    if (source.problems.length === 0 && result !== undefined) return result
  }
  throw new KesError('invalid-config', [...source.unknowns, ...source.problems].join('\n'))
}

function readAll(root: Section, source: YamlSource, file: string): KesConfig | undefined {
  const address = readAddress(root)
  const adminIdentity = readAdmin(root)
  const tls = readTls(root.section('tls'), adminIdentity)
  const policies = readPolicies(root, adminIdentity, tls.proxyIdentities)
  const cache = readCache(root.section('cache'))
  const api = readApi(root.section('api'))
  const log = readLog(root.section('log'))
  const keys = readKeys(root)
  const store = readStore(root)
  root.reportUnknown()
  if (store === undefined) return undefined
  return { file, address, adminIdentity, tls, policies, api, cache, log, keys, store, notices: source.notices }
}

/** Environment variables are not put in here, as in KES. */
function readVersion(root: Section): void {
  const version = root.literal('version')
  if (version !== '' && version !== 'v1') root.problem('version', `expected v1, not ${JSON.stringify(version)}`)
}

/** `host:port` with a literal IP address or no host; `undefined` when it is none. */
export function parseKesAddress(text: string): KesAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2] ?? ''
  const port = Number(match[3])
  if (port > 65_535 || (host !== '' && isIP(host) === 0)) return undefined
  return { host: host === '' ? defaultKesAddress.host : host, port }
}

function readAddress(root: Section): KesAddress {
  const text = root.string('address')
  if (text === '') return defaultKesAddress
  const address = parseKesAddress(text)
  if (address !== undefined) return address
  root.problem('address', `expected an IP address and a port, such as 0.0.0.0:7373, not ${JSON.stringify(text)}`)
  return defaultKesAddress
}

function readAdmin(root: Section): string {
  const admin = root.section('admin')
  const identity = admin.string('identity')
  if (identity === '') {
    const hint = 'no admin identity; to have no admin, write a word that is no identity, such as disabled'
    root.problem('admin', `invalid admin identity: ${hint}`)
  } else if (/^[0-9a-f]{64}$/i.test(identity) && identity !== identity.toLowerCase()) {
    admin.notice('identity', 'identities are compared as they stand: upper-case hex never matches')
  }
  admin.reportUnknown()
  return identity
}

function readTls(section: Section, adminIdentity: string): KesTlsConfig {
  const auth = section.string('auth')
  const wanted = auth.toLowerCase()
  if (wanted !== '' && wanted !== 'on' && wanted !== 'off') {
    section.problem('auth', `expected on or off, not ${JSON.stringify(auth)}`)
  }
  const proxy = section.section('proxy')
  const header = proxy.section('header')
  const tls = {
    keyFile: section.string('key'),
    certFile: section.string('cert'),
    password: section.string('password'),
    caPath: section.string('ca'),
    verifyClients: wanted === 'on',
    proxyIdentities: proxy.strings('identities'),
    proxyCertificateHeader: header.string('cert'),
  }
  if (tls.keyFile === '') section.problem('key', 'no private key')
  if (tls.certFile === '') section.problem('cert', 'no certificate')
  if (adminIdentity !== '' && tls.proxyIdentities.includes(adminIdentity)) {
    proxy.problem('identities', `identity '${adminIdentity}' is already admin`)
  }
  if (tls.proxyIdentities.length > 0) {
    proxy.notice('identities', 'KES has read and ignored TLS proxies since 2023-10; here they are honoured')
    if (tls.proxyCertificateHeader === '') proxy.notice('identities', 'without header.cert a proxy can pass on nobody')
  }
  header.reportUnknown()
  proxy.reportUnknown()
  section.reportUnknown()
  return tls
}

function readPolicies(root: Section, admin: string, proxies: readonly string[]): readonly KesPolicyConfig[] {
  const section = root.section('policy')
  const assigned = new Map<string, string>()
  return section.names().map((name) => {
    const policy = section.section(name)
    if (!isKeyName(name)) section.problem(name, 'a policy name is 1 to 80 of 0-9 A-Z a-z - _')
    const config = {
      name,
      allow: policy.strings('allow', { literal: true }),
      deny: policy.strings('deny', { literal: true }),
      identities: policy.strings('identities'),
    }
    for (const identity of config.identities) {
      const reason = refusal(identity, admin, proxies, assigned.get(identity))
      if (reason !== undefined) policy.problem('identities', reason)
      assigned.set(identity, name)
    }
    policy.reportUnknown()
    return config
  })
}

function refusal(identity: string, admin: string, proxies: readonly string[], other?: string): string | undefined {
  if (!isKeyName(identity)) return `identity '${identity}' is empty, too long or contains invalid characters`
  if (identity === admin) return `identity '${identity}' is already admin`
  if (proxies.includes(identity)) return `identity '${identity}' is already a TLS proxy`
  return other === undefined ? undefined : `identity '${identity}' already has a policy: '${other}'`
}

function readCache(section: Section): KesConfig['cache'] {
  const expiry = section.section('expiry')
  const any = expiry.duration('any') ?? 0
  const unused = expiry.duration('unused') ?? 0
  const offline = expiry.duration('offline') ?? 0
  if (expiry.isPresent && unused === 0) {
    expiry.notice('unused', 'unset or 0s: KES drops its whole cache every 30s then; here it means 30s')
  }
  expiry.reportUnknown()
  section.reportUnknown()
  return { anyMs: any > 0 ? any : 300_000, unusedMs: unused > 0 ? unused : 30_000, offlineMs: Math.max(offline, 0) }
}

function readApi(section: Section): readonly KesApiConfig[] {
  return section.names().map((path) => {
    const route = section.section(path)
    const config = { path, skipAuth: route.boolean('skip_auth'), timeoutMs: route.duration('timeout') ?? 0 }
    route.reportUnknown()
    return config
  })
}

function readLog(section: Section): KesConfig['log'] {
  const level = (key: string): number => {
    const text = section.string(key)
    const read = parseLogLevel(text)
    if (read === undefined) {
      section.problem(key, `expected DEBUG, INFO, WARN, ERROR, on, off or a number, not ${JSON.stringify(text)}`)
    }
    return read ?? 0
  }
  const log = { errorLevel: level('error'), auditLevel: level('audit') }
  section.reportUnknown()
  return log
}

function readKeys(root: Section): readonly string[] {
  const names = new Set<string>()
  for (const item of root.sections('keys')) {
    const name = item.string('name')
    if (!isKeyName(name)) item.problem('name', 'a key name is 1 to 80 of 0-9 A-Z a-z - _')
    if (names.has(name)) item.problem('name', `key '${name}' is defined multiple times`)
    names.add(name)
    item.reportUnknown()
  }
  return [...names]
}
