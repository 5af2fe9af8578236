/**
 * What the routes of MinIO's KMS API do, without HTTP: server-side-encryption.md 7.4. Texts are MinIO's, which `mc` shows.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import { type Engine, EngineError, type Requester } from '@strongroom/engine'
import { isKeyName, type Kms, KmsError, type KmsErrorCode } from '@strongroom/kms'

export interface KmsCallContext {
  readonly engine: Pick<Engine, 'createKey' | 'listKeys'>
  readonly kms: Kms
  readonly requester: Requester
  readonly defaultKey: string
  /** What keeps the keys, for people: a name, and addresses. */
  readonly keyService: { readonly name: string; readonly endpoints: readonly string[] }
  readonly version: string
}

/** A call that failed, with MinIO's text. */
export class KmsCallError extends Error {}

/** Gives what goes into the answer as JSON; `undefined`: nothing. */
export type KmsCall = (context: KmsCallContext, parameter: string) => Promise<unknown>

const texts: Partial<Readonly<Record<KmsErrorCode, string>>> = {
  'key-not-found': 'key with given key ID does not exist',
  'key-exists': 'key with given key ID already exits',
  'key-disabled': 'the key is locked',
  'key-pending-deletion': 'the key is going to be deleted',
  'not-authentic': 'failed to decrypt ciphertext',
  'permission-denied': 'insufficient permissions to perform KMS operation',
  unsupported: 'requested functionality is not supported',
}

/** Texts of failures that say more than one ever sees of a key store's inside. Others are faults of ours. */
function textOf(error: unknown): string {
  if (error instanceof EngineError) {
    if (error.code === 'KeyAlreadyExists' && error.message === error.code) return texts['key-exists'] ?? ''
    if (error.cause instanceof KmsError) return textOf(error.cause)
    return error.message
  }
  if (!(error instanceof KmsError)) throw error
  return texts[error.code] ?? error.message
}

async function inWords<T>(work: () => Promise<T>, before = ''): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new KmsCallError(`${before}${textOf(error)}`, { cause: error })
  }
}

/** `mc admin kms key create`. */
export const createKey: KmsCall = async ({ engine, requester }, name) => {
  if (!isKeyName(name)) {
    const what = `key name '${name}' is empty, too long or contains invalid characters`
    throw new KmsCallError(`failed to create KMS key: ${what}`)
  }
  await inWords(() => engine.createKey({ requester, name }))
  return undefined
}

/** `mc admin kms key list`: `*` is all, anything else a prefix. The times are KES's, which has none. */
export const listKeys: KmsCall = async ({ engine }, pattern) => {
  const prefix = pattern === '*' ? '' : pattern
  const keys = await inWords(() => engine.listKeys(`${prefix}*`))
  return keys.map(({ name, versions }) => ({
    createdAt: timeText(versions[0]?.createdAtMs ?? 0),
    createdBy: '',
    name,
  }))
}

const timeText = (ms: number): string => (ms === 0 ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString())

const probe = Buffer.from('{"MinIO admin API":"KMSKeyStatusHandler"}')

/** `mc admin kms key status`: a data key is made and opened again. */
export const keyStatus: KmsCall = async ({ kms, defaultKey }, parameter) => {
  const name = parameter === '' ? defaultKey : parameter
  const answer = { 'key-id': name }
  const made = await kms.generateDataKey(name, probe).catch(textOf)
  if (typeof made === 'string') return { ...answer, 'encryption-error': made }
  const opened = await kms.decrypt(name, made.keyVersion, made.ciphertext, probe).catch(textOf)
  const isSame = typeof opened !== 'string' && timingSafeEqual(opened, made.plaintext)
  made.plaintext.fill(0)
  if (typeof opened === 'string') return { ...answer, 'decryption-error': opened }
  opened.fill(0)
  return isSame ? answer : { ...answer, 'decryption-error': 'The generated and the decrypted data key do not match' }
}

/** What keeps the keys, and whether it is there. */
export const kmsStatus: KmsCall = async ({ kms, defaultKey, keyService }) => {
  const { reachable } = await kms.status().catch(() => ({ reachable: false }))
  const state = reachable ? 'online' : 'offline'
  const endpoints = Object.fromEntries(keyService.endpoints.map((endpoint) => [endpoint, state]))
  return { name: keyService.name, 'default-key-id': defaultKey, endpoints, state: {} }
}

export const kmsVersion: KmsCall = async ({ version }) => ({ version })

/** What MinIO has only with a KES behind it: its answer with a static key (server-side-encryption.md 7.4), 500 and this text. */
export const unsupported: KmsCall = async () => {
  throw new KmsCallError('requested functionality is not supported')
}
