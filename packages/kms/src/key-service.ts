/**
 * The built-in key management service: keys and their versions over any key store (DESIGN 7). Ciphertexts of version 1 and
 * stored keys are those of KES (kes-protocol 6, 7); versions, locks and deletion are laid out as docs/formats/stored-keys.md says.
 *
 * @module
 */
import { createRandomPool, type RandomSource } from '@strongroom/crypto'
import type {
  DataKey,
  KeyAlgorithm,
  KeyDescription,
  KeyName,
  KeyStore,
  KeyVersion,
  Kms,
  KmsCallOptions,
} from './contract.ts'
import { isReservedName } from './entry-name.ts'
import type { KeyExpiry } from './expiry.ts'
import { KeyAdministration } from './key-administration.ts'
import { decryptWithKey, encryptWithKey, hmacWithKey } from './key-cipher.ts'
import { isKeyName } from './key-name.ts'
import { checkUsable, type KeyStateSource, type KeyStateView } from './key-state.ts'
import {
  decryptWithAnyVersion,
  describeStoredKey,
  type OpenedByVersion,
  type StoredKeyDescription,
} from './key-wire.ts'
import { KmsError } from './kms-error.ts'
import { describeLoadedKey, type LoadedKey, loadKey } from './loaded-key.ts'
import { LoadedKeyCache, type LoadedKeyCounts } from './loaded-key-cache.ts'
import { keyLength } from './stored-key.ts'
import { endWaitingAt } from './wait.ts'

/** Settings of a `KeyService`. */
export interface KeyServiceOptions {
  /** When unused or old keys leave the memory. KES's defaults. */
  readonly expiry?: KeyExpiry
  /**
   * How long the state of a loaded key may be believed without asking the store, in milliseconds. Bounds how late a
   * lock, rotation or deletion made by another process takes effect here. Default 4,000.
   */
  readonly recheckMs?: number
  /**
   * How long such a look into the store may take before the key is used as it was loaded, in milliseconds. Default 1,000:
   * a store that stalls slows no loaded key down by more than that, once per `recheckMs`.
   */
  readonly recheckWaitMs?: number
  /** Keys held in memory at most. Default 10,000. */
  readonly maxLoadedKeys?: number
  /** How often the store is asked whether it is there, while keys are loaded; in milliseconds. Default 10,000. */
  readonly healthMs?: number
  /** Longest plaintext that `encrypt` takes, in bytes. Default 65,536. */
  readonly maxPlaintextBytes?: number
  /** Algorithm of new keys when the caller names none. Default `AES256`. */
  readonly defaultAlgorithm?: KeyAlgorithm
  /** Identity noted in keys whose creator is not named. Default empty. */
  readonly createdBy?: string
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
  /** Default: a pool of its own, filled by `node:crypto`. */
  readonly random?: RandomSource
}

/** Options of the calls that make a key or a version. */
export interface CreateOptions extends KmsCallOptions {
  readonly algorithm?: KeyAlgorithm
  /** Identity of the caller, noted in the key. */
  readonly createdBy?: string
}

/** A key read from the store within this time is not read again for the sake of a ciphertext that does not open; in milliseconds. */
const freshMs = 1_000

/** No ciphertext of a KES was ever longer; in bytes. */
const maxCiphertextBytes = 1_048_576

/**
 * Keys over a key store, which it owns and closes.
 *
 * @example
 * const keys = new KeyService(await FilesKeyStore.open('/var/lib/strongroom/keys'))
 * await keys.createKey('my-key')
 * const { plaintext, ciphertext } = await keys.generateDataKey('my-key', context)
 */
export class KeyService implements Kms, KeyStateSource {
  readonly #store: KeyStore
  readonly #cache: LoadedKeyCache
  readonly #administration: KeyAdministration
  readonly #random: RandomSource
  readonly #maxPlaintextBytes: number
  readonly #timers: readonly NodeJS.Timeout[]

  constructor(store: KeyStore, options: KeyServiceOptions = {}) {
    const { now = Date.now, random = createRandomPool() } = options
    this.#store = store
    this.#random = random
    this.#maxPlaintextBytes = options.maxPlaintextBytes ?? 65_536
    this.#cache = new LoadedKeyCache({
      load: (name, expectedNext) => loadKey(store, name, expectedNext),
      expiry: options.expiry ?? {},
      recheckMs: options.recheckMs ?? 4_000,
      recheckWaitMs: options.recheckWaitMs ?? 1_000,
      maxKeys: options.maxLoadedKeys ?? 10_000,
      now,
    })
    this.#administration = new KeyAdministration({
      store,
      cache: this.#cache,
      defaultAlgorithm: options.defaultAlgorithm ?? 'AES256',
      createdBy: options.createdBy ?? '',
      now,
      random,
    })
    this.#timers = [
      setInterval(() => this.#cache.sweep(), this.#cache.sweepEveryMs).unref(),
      setInterval(() => void this.#watchStore(), options.healthMs ?? 10_000).unref(),
    ]
  }

  async createKey(name: KeyName, options: CreateOptions = {}): Promise<KeyDescription> {
    checkNewName(name)
    return endWaitingAt(options.signal, this.#administration.create(name, undefined, options))
  }

  async importKey(name: KeyName, material: Uint8Array, options: CreateOptions = {}): Promise<KeyDescription> {
    checkNewName(name)
    if (material.length !== keyLength) throw new KmsError('invalid-key', `a key is ${keyLength} bytes long`)
    return endWaitingAt(options.signal, this.#administration.create(name, material, options))
  }

  async describeKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    return this.#use(name, options, describeLoadedKey)
  }

  async listKeys(pattern: string, options?: KmsCallOptions): Promise<readonly KeyName[]> {
    return endWaitingAt(options?.signal, this.#administration.list(pattern))
  }

  peekState(name: KeyName): KeyStateView | undefined {
    const key = this.#cache.peek(name)
    return key === undefined ? undefined : stateView(key)
  }

  async keyState(name: KeyName, options?: KmsCallOptions): Promise<KeyStateView> {
    return this.#use(name, options, stateView)
  }

  async generateDataKey(name: KeyName, context: Uint8Array, options?: KmsCallOptions): Promise<DataKey> {
    return this.makeDataKey(name, context, options)
  }

  /** `generateDataKey` for who has many small requests: at once, or throwing at once, where the key is loaded. */
  makeDataKey(name: KeyName, context: Uint8Array, options?: KmsCallOptions): DataKey | Promise<DataKey> {
    return this.#use(name, options, (key) => {
      checkUsable(name, key.state)
      const plaintext = this.#random(keyLength)
      const ciphertext = encryptWithKey(key.current, plaintext, context, this.#random)
      return { keyVersion: key.currentVersion, plaintext, ciphertext }
    })
  }

  async encrypt(
    name: KeyName,
    plaintext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<{ readonly keyVersion: KeyVersion; readonly ciphertext: Uint8Array }> {
    if (plaintext.length > this.#maxPlaintextBytes) {
      throw new KmsError('unsupported', `a key encrypts at most ${this.#maxPlaintextBytes} bytes`)
    }
    return this.#use(name, options, (key) => {
      checkUsable(name, key.state)
      return {
        keyVersion: key.currentVersion,
        ciphertext: encryptWithKey(key.current, plaintext, context, this.#random),
      }
    })
  }

  async decrypt(
    name: KeyName,
    keyVersion: KeyVersion,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<Uint8Array> {
    if (ciphertext.length > maxCiphertextBytes) throw new KmsError('not-authentic', 'the ciphertext is too long')
    const plaintext = await this.#use(name, options, (key) => {
      checkUsable(name, key.state)
      const version = key.versions.get(keyVersion)
      return version === undefined ? undefined : decryptWithKey(version, ciphertext, context)
    })
    if (plaintext !== undefined) return plaintext
    // Another node may have rotated the key a moment ago.
    return endWaitingAt(
      options?.signal,
      this.#administration.useFresh(name, (key) => {
        checkUsable(name, key.state)
        const version = key.versions.get(keyVersion)
        if (version === undefined) throw new KmsError('key-not-found', `key '${name}' has no version ${keyVersion}`)
        return decryptWithKey(version, ciphertext, context)
      }),
    )
  }

  /**
   * `decrypt` for those who were not told the version, as KES's wire does not say it: tries the newest first. At once, or throwing
   * at once, where the key is loaded.
   *
   * @throws KmsError as `decrypt`
   */
  decryptAny(
    name: KeyName,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): OpenedByVersion | Promise<OpenedByVersion> {
    if (ciphertext.length > maxCiphertextBytes) throw new KmsError('not-authentic', 'the ciphertext is too long')
    const open = (key: LoadedKey) => {
      checkUsable(name, key.state)
      return decryptWithAnyVersion(key, ciphertext, context)
    }
    const openFresh = (error: unknown): Promise<OpenedByVersion> => {
      const isRefused = error instanceof KmsError && error.code === 'not-authentic'
      if (!isRefused || this.#cache.isCheckedWithin(name, freshMs)) throw error
      // Another node may have rotated the key a moment ago. Whoever sends rubbish costs one look per key and second.
      return endWaitingAt(options?.signal, this.#cache.useRechecked(name, open))
    }
    try {
      const opened = this.#use(name, options, open)
      return opened instanceof Promise ? opened.catch(openFresh) : opened
    } catch (error) {
      return openFresh(error)
    }
  }

  /** What KES says of a key, beside what it does not know. */
  async describeStored(name: KeyName, options?: KmsCallOptions): Promise<StoredKeyDescription> {
    return this.#use(name, options, describeStoredKey)
  }

  /** What the cache of loaded keys has done; live, not a copy. */
  get cacheCounts(): LoadedKeyCounts {
    return this.#cache.counts
  }

  /** Under the HMAC key of version 1, so that an HMAC does not change with a rotation (and is KES's). */
  async hmac(name: KeyName, message: Uint8Array, options?: KmsCallOptions): Promise<Uint8Array> {
    return this.#use(name, options, (key) => {
      checkUsable(name, key.state)
      if (key.first.hmacKey === undefined) throw new KmsError('no-hmac-key', `key '${name}' does not support HMAC`)
      return hmacWithKey(key.first.hmacKey, message)
    })
  }

  async rotateKey(name: KeyName, options: CreateOptions = {}): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options.signal, this.#administration.rotate(name, options))
  }

  async lockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.lock(name))
  }

  async unlockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.unlock(name))
  }

  async scheduleKeyDeletion(name: KeyName, dueAt: Date, options?: KmsCallOptions): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.scheduleDeletion(name, dueAt.getTime()))
  }

  async cancelKeyDeletion(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.cancelDeletion(name))
  }

  async deleteKey(name: KeyName, options?: KmsCallOptions): Promise<void> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.delete(name))
  }

  /** Brings a deleted key back, where the store keeps deleted keys. @throws KmsError `key-exists`, `key-not-found` */
  async recoverKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.recover(name))
  }

  /** Destroys what the store keeps of a deleted key. @throws KmsError `key-exists`, `key-not-found` */
  async purgeKey(name: KeyName, options?: KmsCallOptions): Promise<void> {
    checkName(name)
    return endWaitingAt(options?.signal, this.#administration.purge(name))
  }

  async status(options?: KmsCallOptions): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return endWaitingAt(options?.signal, this.#store.status())
  }

  /** A load that is under way does not bring it back, either. */
  forgetKey(name: KeyName): void {
    this.#cache.drop(name)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#cache.dropAll()
    await this.#store.close()
  }

  #use<T>(name: KeyName, options: KmsCallOptions | undefined, work: (key: LoadedKey) => T): T | Promise<T> {
    checkName(name)
    const result = this.#cache.use(name, work)
    return result instanceof Promise ? endWaitingAt(options?.signal, result) : result
  }

  async #watchStore(): Promise<void> {
    if (this.#cache.size === 0) return
    try {
      this.#cache.isOffline = !(await this.#store.status()).reachable
    } catch {
      // A store that cannot even say is as good as gone.
      this.#cache.isOffline = true
    }
  }
}

function checkName(name: KeyName): void {
  if (!isKeyName(name))
    throw new KmsError('invalid-name', 'a key name is empty, too long or contains invalid characters')
}

function checkNewName(name: KeyName): void {
  checkName(name)
  if (isReservedName(name)) {
    throw new KmsError(
      'invalid-name',
      "key names that end in '-locked', '-deletion' or '-v-' and a number are reserved",
    )
  }
}

function stateView({ state, family, currentVersion }: LoadedKey): KeyStateView {
  return { state, generation: family, currentVersion }
}
