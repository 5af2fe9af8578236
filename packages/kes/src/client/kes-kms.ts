/**
 * A KES server as the `Kms` of an engine: MinIO's, with one version per key and no locks, or a Strongroom's with all that a
 * `Kms` has, through routes of its own. DESIGN 7, kes-protocol 14, 15.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  type DataKey,
  isKeyName,
  isReservedName,
  type KeyAlgorithm,
  type KeyDescription,
  type KeyName,
  type KeyState,
  type KeyVersion,
  type Kms,
  type KmsCallOptions,
  KmsError,
} from '@strongroom/kms'
import type { extensionPaths } from '../contract.ts'
import { KesError } from '../kes-error.ts'
import { type KesKeyInfo, readKeyDetails } from './answers.ts'
import type { KesClient } from './kes-client.ts'
import { asKmsError } from './kms-errors.ts'

const dataKeyBytes = 32
/** As MinIO asks whether a key works (kes-protocol 15.2). */
const probeContext = Buffer.from('{"MinIO admin API":"KMSKeyStatusHandler"}')
const states: readonly KeyState[] = ['enabled', 'locked', 'pending-deletion']

/** Owns and closes its client. Errors are KmsErrors. */
export class KesKms implements Kms {
  readonly #client: KesClient

  constructor(client: KesClient) {
    this.#client = client
  }

  /** KES lets the server choose the algorithm: where the caller does, the key is made here and imported. */
  async createKey(
    name: KeyName,
    options: KmsCallOptions & { readonly algorithm?: KeyAlgorithm } = {},
  ): Promise<KeyDescription> {
    checkNewName(name)
    if (options.algorithm === undefined) {
      await inKmsWords(this.#client.createKey(name, options))
      return this.#describeNew(name, options)
    }
    const material = randomBytes(dataKeyBytes)
    try {
      return await this.importKey(name, material, options)
    } finally {
      material.fill(0)
    }
  }

  async importKey(
    name: KeyName,
    material: Uint8Array,
    options: KmsCallOptions & { readonly algorithm?: KeyAlgorithm } = {},
  ): Promise<KeyDescription> {
    checkNewName(name)
    if (material.length !== dataKeyBytes) throw new KmsError('invalid-key', `a key is ${dataKeyBytes} bytes long`)
    await inKmsWords(this.#client.importKey(name, material, { ...options, cipher: options.algorithm ?? 'AES256' }))
    return this.#describeNew(name, options)
  }

  async describeKey(name: KeyName, options: KmsCallOptions = {}): Promise<KeyDescription> {
    checkName(name)
    const info = await this.#info(name, options)
    if ((info.key_version ?? 1) === 1 && info.state !== 'pending-deletion') return describe(info)
    try {
      return detailsOf(await this.#client.extension('describe', name, options))
    } catch (error) {
      // A rule made for KES does not grant our routes: then no more is known than what KES's own route says.
      if (error instanceof KesError && error.status === 403) return describe(info)
      throw asKmsError(error)
    }
  }

  async listKeys(pattern: string, options: KmsCallOptions = {}): Promise<readonly KeyName[]> {
    const isPrefix = pattern === '' || pattern.endsWith('*')
    const text = isPrefix ? pattern.slice(0, -1) : pattern
    if (!/^[0-9A-Za-z_-]{0,80}$/.test(text)) throw new KmsError('invalid-name', 'not a pattern of key names')
    const { names, isComplete } = await inKmsWords(this.#client.listKeys(text, options))
    if (!isComplete && (isPrefix || !names.includes(text))) {
      throw new KmsError('unsupported', `this KES server lists no more than ${names.length} keys; ask for a prefix`)
    }
    return isPrefix ? names : names.filter((name) => name === text)
  }

  async generateDataKey(name: KeyName, context: Uint8Array, options: KmsCallOptions = {}): Promise<DataKey> {
    checkName(name)
    const dataKey = await inKmsWords(this.#client.generateDataKey(name, context, options))
    if (dataKey.plaintext.length === dataKeyBytes) return dataKey
    dataKey.plaintext.fill(0)
    throw new KmsError('unreachable', `the KES server made a data key that is not ${dataKeyBytes} bytes long`)
  }

  async encrypt(
    name: KeyName,
    plaintext: Uint8Array,
    context: Uint8Array,
    options: KmsCallOptions = {},
  ): Promise<{ readonly keyVersion: KeyVersion; readonly ciphertext: Uint8Array }> {
    checkName(name)
    return inKmsWords(this.#client.encrypt(name, plaintext, context, options))
  }

  async decrypt(
    name: KeyName,
    keyVersion: KeyVersion,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options: KmsCallOptions = {},
  ): Promise<Uint8Array> {
    checkName(name)
    return inKmsWords(this.#client.decrypt(name, ciphertext, context, { ...options, keyVersion }))
  }

  async hmac(name: KeyName, message: Uint8Array, options: KmsCallOptions = {}): Promise<Uint8Array> {
    checkName(name)
    return inKmsWords(this.#client.hmac(name, message, options))
  }

  rotateKey(name: KeyName, options: KmsCallOptions = {}): Promise<KeyDescription> {
    return this.#extend('rotate', name, options)
  }

  lockKey(name: KeyName, options: KmsCallOptions = {}): Promise<KeyDescription> {
    return this.#extend('lock', name, options)
  }

  unlockKey(name: KeyName, options: KmsCallOptions = {}): Promise<KeyDescription> {
    return this.#extend('unlock', name, options)
  }

  scheduleKeyDeletion(name: KeyName, dueAt: Date, options: KmsCallOptions = {}): Promise<KeyDescription> {
    return this.#extend('schedule', name, options, { due: dueAt.toISOString() })
  }

  cancelKeyDeletion(name: KeyName, options: KmsCallOptions = {}): Promise<KeyDescription> {
    return this.#extend('cancel', name, options)
  }

  async deleteKey(name: KeyName, options: KmsCallOptions = {}): Promise<void> {
    checkName(name)
    await inKmsWords(this.#client.deleteKey(name, options))
  }

  /** Whoever may not ask for the status learns at least that the server is there. */
  async status(options: KmsCallOptions = {}): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    try {
      const { keystore_unreachable } = await this.#client.status(options)
      if (keystore_unreachable !== true) return { reachable: true }
      return { reachable: false, detail: 'the KES server cannot reach its key store' }
    } catch (error) {
      if (!(error instanceof KesError)) throw error
      if (error.status === 403) return this.#isThere(options)
      return { reachable: false, detail: error.message }
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #isThere(options: KmsCallOptions): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    try {
      await this.#client.version(options)
      return { reachable: true }
    } catch (error) {
      if (error instanceof KesError) return { reachable: false, detail: error.message }
      throw error
    }
  }

  /**
   * The policies that MinIO recommends do not let their holders describe keys: what can be told of a key is then what
   * comes of using it. When it was made, and by whom, stays unknown.
   */
  async #info(name: KeyName, options: KmsCallOptions): Promise<KesKeyInfo> {
    try {
      return await this.#client.describeKey(name, options)
    } catch (error) {
      const refusal = asKmsError(error)
      if (!(refusal instanceof KmsError && refusal.code === 'permission-denied')) throw refusal
      return this.#tryKey(name, refusal, options)
    }
  }

  async #tryKey(name: KeyName, refusal: KmsError, options: KmsCallOptions): Promise<KesKeyInfo> {
    const unknown = { name, algorithm: '', created_at: new Date(0).toISOString(), created_by: '' }
    try {
      const { plaintext, keyVersion } = await this.#client.generateDataKey(name, probeContext, options)
      plaintext.fill(0)
      return { ...unknown, key_version: keyVersion }
    } catch (error) {
      const cause = asKmsError(error)
      if (!(cause instanceof KmsError)) throw cause
      if (cause.code === 'key-disabled') return { ...unknown, state: 'locked' }
      if (cause.code === 'key-pending-deletion') return { ...unknown, state: 'pending-deletion' }
      throw cause.code === 'permission-denied' ? refusal : cause
    }
  }

  /** Who may create need not be allowed to describe. */
  async #describeNew(name: KeyName, options: KmsCallOptions): Promise<KeyDescription> {
    try {
      return await this.describeKey(name, options)
    } catch (error) {
      if (!(error instanceof KmsError && error.code === 'permission-denied')) throw error
      const createdBy = this.#client.identity
      return describe({ name, algorithm: '', created_at: new Date().toISOString(), created_by: createdBy })
    }
  }

  async #extend(operation: Change, name: KeyName, options: KmsCallOptions, fields?: object): Promise<KeyDescription> {
    checkName(name)
    try {
      return detailsOf(await this.#client.extension(operation, name, options, fields))
    } catch (error) {
      if (error instanceof KesError && error.status === 404 && error.message === '404 page not found') {
        throw new KmsError('unsupported', `a MinIO KES ${missing[operation]}`, { cause: error })
      }
      throw asKmsError(error)
    }
  }
}

const missing = {
  rotate: 'cannot rotate keys',
  lock: 'cannot lock keys',
  unlock: 'cannot unlock keys',
  schedule: 'deletes keys at once only',
  cancel: 'deletes keys at once only',
} as const satisfies Partial<Record<keyof typeof extensionPaths, string>>

type Change = keyof typeof missing

async function inKmsWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asKmsError(error)
  }
}

function checkName(name: string): void {
  if (!isKeyName(name)) throw new KmsError('invalid-name', 'not a key name')
}

function checkNewName(name: string): void {
  checkName(name)
  if (isReservedName(name)) throw new KmsError('invalid-name', `the name '${name}' is reserved for versions and locks`)
}

const stateOf = (text: string | undefined): KeyState => states.find((state) => state === text) ?? 'enabled'

const algorithmOf = (text: string): KeyAlgorithm => (text === 'ChaCha20' ? 'ChaCha20' : 'AES256')

/** What KES's own route says; of earlier versions it says nothing but that they are there. */
function describe({ name, algorithm, created_at, created_by, state, key_version = 1 }: KesKeyInfo): KeyDescription {
  const createdAt = new Date(created_at)
  return {
    name,
    state: stateOf(state),
    algorithm: algorithmOf(algorithm),
    currentVersion: key_version,
    versions: Array.from({ length: key_version }, (_, i) => ({ version: i + 1, createdAt, createdBy: created_by })),
  }
}

function detailsOf(answer: unknown): KeyDescription {
  const { name, state, algorithm, keyVersion, versions, deletion_due_at } = readKeyDetails(answer)
  return {
    name,
    state: stateOf(state),
    ...(deletion_due_at === undefined ? {} : { deletionDueAt: new Date(deletion_due_at) }),
    algorithm: algorithmOf(algorithm),
    currentVersion: keyVersion,
    versions: versions.map(({ version, created_at, created_by }) => ({
      version,
      createdAt: new Date(created_at),
      createdBy: created_by,
    })),
  }
}
