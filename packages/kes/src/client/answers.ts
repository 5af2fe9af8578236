/**
 * Answers of a KES server as typed values: kes-protocol 2.4, 3. Everything is checked; what is not as it should be is
 * `invalid-answer`.
 *
 * @module
 */
import { KesError } from '../kes-error.ts'
import type { ListingPage, WholeListing } from './list-all.ts'

export interface KesVersion {
  readonly version: string
  readonly commit: string
}

/** Members as on the wire. */
export interface KesStatus {
  readonly version: string
  readonly os: string
  readonly arch: string
  /** Seconds. */
  readonly uptime: number
  readonly num_cpu: number
  readonly num_cpu_used: number
  /** Bytes. */
  readonly mem_heap_used: number
  readonly mem_stack_used: number
  /** Milliseconds. */
  readonly keystore_latency?: number
  readonly keystore_unreachable?: boolean
}

export interface KesRouteInfo {
  readonly method: string
  readonly path: string
  readonly max_body: number
  /** Seconds; 0 = never. */
  readonly timeout: number
}

export interface KesKeyInfo {
  readonly name: string
  /** Empty with old servers. */
  readonly algorithm: string
  /** RFC 3339. */
  readonly created_at: string
  /** Empty where the key has none. */
  readonly created_by: string
  /** Only Strongroom says these. */
  readonly state?: string
  readonly key_version?: number
}

export interface KesPolicyInfo {
  readonly name: string
  readonly created_at: string
  readonly created_by: string
}

export interface KesPolicyRules extends KesPolicyInfo {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

export interface KesIdentityInfo {
  readonly identity: string
  readonly isAdmin: boolean
  /** Empty for an admin. */
  readonly policy: string
  readonly created_at: string
  readonly created_by: string
}

/** Names, and whether they are all there are. */
export type KesListing = WholeListing

type Fields = Readonly<Record<string, unknown>>

const wrong = (what: string): KesError => new KesError('invalid-answer', `the server's answer makes no sense: ${what}`)

/** @throws KesError `invalid-answer` */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    // The parser quotes what it read, and that may be a key.
    throw wrong('not JSON')
  }
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('not a JSON object')
  return Object.fromEntries(Object.entries(value))
}

function text(fields: Fields, name: string): string {
  const value = fields[name] ?? ''
  if (typeof value !== 'string') throw wrong(`${name} is not a text`)
  return value
}

function count(fields: Fields, name: string): number {
  const value = fields[name] ?? 0
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(`${name} is not a number`)
  return value
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false
  if (typeof value !== 'boolean') throw wrong(`${name} is not true or false`)
  return value
}

function texts(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw wrong(`${name} is not a list`)
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw wrong(`${name} holds something else than texts`)
    return item
  })
}

/** Bytes of a base64 field, the receiver's to zero. @throws KesError `invalid-answer` */
export function readBytes(answer: unknown, name: string): Buffer {
  const value = text(fieldsOf(answer), name)
  if (!/^[0-9A-Za-z+/]*={0,2}$/.test(value) || value.length % 4 !== 0) throw wrong(`${name} is not base64`)
  return Buffer.from(value, 'base64')
}

/** Which version of a key was used; 1 where the server does not say. */
export function readKeyVersion(answer: unknown): number {
  const version = count(fieldsOf(answer), 'key_version')
  if (!Number.isSafeInteger(version) || version < 0) throw wrong('key_version is no version')
  return version === 0 ? 1 : version
}

/** All that a Strongroom says of a key. */
export interface KesKeyDetails {
  readonly name: string
  readonly state: string
  /** RFC 3339; of keys whose deletion is scheduled. */
  readonly deletion_due_at?: string
  readonly algorithm: string
  readonly keyVersion: number
  readonly versions: readonly { readonly version: number; readonly created_at: string; readonly created_by: string }[]
}

export function readKeyDetails(answer: unknown): KesKeyDetails {
  const fields = fieldsOf(answer)
  if (!Array.isArray(fields.versions)) throw wrong('versions is not a list')
  return {
    name: text(fields, 'name'),
    state: text(fields, 'state'),
    ...(fields.deletion_due_at === undefined ? {} : { deletion_due_at: text(fields, 'deletion_due_at') }),
    algorithm: text(fields, 'algorithm'),
    keyVersion: readKeyVersion(answer),
    versions: fields.versions.map(fieldsOf).map((version) => ({
      version: count(version, 'version'),
      created_at: text(version, 'created_at'),
      created_by: text(version, 'created_by'),
    })),
  }
}

export function readVersion(answer: unknown): KesVersion {
  const fields = fieldsOf(answer)
  return { version: text(fields, 'version'), commit: text(fields, 'commit') }
}

export function readStatus(answer: unknown): KesStatus {
  const fields = fieldsOf(answer)
  const latency = count(fields, 'keystore_latency')
  const isUnreachable = flag(fields, 'keystore_unreachable') || flag(fields, 'keystore_unavailable')
  return {
    version: text(fields, 'version'),
    os: text(fields, 'os'),
    arch: text(fields, 'arch'),
    uptime: count(fields, 'uptime'),
    num_cpu: count(fields, 'num_cpu'),
    num_cpu_used: count(fields, 'num_cpu_used'),
    mem_heap_used: count(fields, 'mem_heap_used'),
    mem_stack_used: count(fields, 'mem_stack_used'),
    ...(latency === 0 ? {} : { keystore_latency: latency }),
    ...(isUnreachable ? { keystore_unreachable: true } : {}),
  }
}

export function readRoutes(answer: unknown): readonly KesRouteInfo[] {
  if (!Array.isArray(answer)) throw wrong('not a list of routes')
  return answer.map(fieldsOf).map((fields) => ({
    method: text(fields, 'method'),
    path: text(fields, 'path'),
    max_body: count(fields, 'max_body'),
    timeout: count(fields, 'timeout'),
  }))
}

export function readKeyInfo(answer: unknown, name: string): KesKeyInfo {
  const fields = fieldsOf(answer)
  const state = text(fields, 'state')
  const version = count(fields, 'key_version')
  return {
    name: text(fields, 'name') || name,
    algorithm: text(fields, 'algorithm'),
    created_at: text(fields, 'created_at'),
    created_by: text(fields, 'created_by'),
    ...(state === '' ? {} : { state }),
    ...(version === 0 ? {} : { key_version: version }),
  }
}

export function readPolicyInfo(answer: unknown, name: string): KesPolicyInfo {
  const fields = fieldsOf(answer)
  return {
    name: text(fields, 'name') || name,
    created_at: text(fields, 'created_at'),
    created_by: text(fields, 'created_by'),
  }
}

/** Rules are objects whose names count; servers before 2023 sent lists. */
function rules(fields: Fields, name: string): readonly string[] {
  const value = fields[name]
  if (value === undefined || value === null || Array.isArray(value)) return texts(value, name)
  return Object.keys(fieldsOf(value))
}

export function readPolicyRules(answer: unknown, name: string): KesPolicyRules {
  const fields = fieldsOf(answer)
  return { ...readPolicyInfo(answer, name), allow: rules(fields, 'allow'), deny: rules(fields, 'deny') }
}

/** `policy` is a name, or, as in the source of KES, an object with one. */
export function readIdentityInfo(answer: unknown, identity: string): KesIdentityInfo {
  const fields = fieldsOf(answer)
  const { policy } = fields
  const isNested = typeof policy === 'object' && policy !== null
  return {
    identity: text(fields, 'identity') || identity,
    isAdmin: flag(fields, 'admin'),
    policy: isNested ? text(fieldsOf(policy), 'name') : text(fields, 'policy'),
    created_at: text(fields, 'created_at'),
    created_by: text(fields, 'created_by'),
  }
}

/** A page: `field` is `names` or `identities`. */
export function readListing(answer: unknown, field: string): ListingPage {
  const fields = fieldsOf(answer)
  return { names: texts(fields[field], field), continueAt: text(fields, 'continue_at') }
}

/** Listings of servers before 2023-10: a line of JSON for each name. */
export function readLegacyListing(body: Buffer, field: string): ListingPage {
  const names: string[] = []
  for (const line of body.toString('utf8').split('\n')) {
    if (line.trim() === '') continue
    const fields = fieldsOf(parseJson(Buffer.from(line)))
    if (text(fields, 'error') !== '') throw wrong('the listing ended with an error')
    names.push(text(fields, field === 'names' ? 'name' : 'identity'))
  }
  return { names, continueAt: '' }
}

const maxMessageLength = 500

/** What an error answer says. */
export interface Refusal {
  /** On one line and not too long. */
  readonly message: string
  /** A code of `KmsError`, from servers that say one. */
  readonly reason?: string
}

export function readRefusal(contentType: string, body: Buffer): Refusal {
  const whole = { message: oneLine(body.toString('utf8')) }
  if (!contentType.startsWith('application/json')) return whole
  try {
    const fields = fieldsOf(parseJson(body))
    const message = oneLine(text(fields, 'error') || text(fields, 'message'))
    const code = text(fields, 'code')
    // The words that KES clients compare come first; what is behind them is more use to people.
    return code === '' ? { message } : { message: oneLine(text(fields, 'reason')) || message, reason: code }
  } catch (error) {
    if (error instanceof KesError) return whole
    throw error
  }
}

const oneLine = (message: string): string =>
  message
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, maxMessageLength)
