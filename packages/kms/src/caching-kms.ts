/**
 * A `Kms` that remembers the data keys it has opened. Before it answers from memory it makes sure that the key may still be
 * used and is still the same key: a lock takes effect at the next request when the KMS is in process, within 5 s otherwise.
 * Ciphertexts and contexts that were given to it are not to be changed.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { KeyName, KeyVersion, Kms, KmsCallOptions } from './contract.ts'
import { DataKeyCache, type DataKeyCacheCounts, type DataKeyCacheOptions, type DataKeyId } from './data-key-cache.ts'
import { DelegatingKms } from './delegating-kms.ts'
import { checkUsable, type KeyStateSource, type KeyStateView } from './key-state.ts'
import { endWaitingAt } from './wait.ts'

/** A longer ciphertext is not that of a data key; in bytes. */
const maxCachedCiphertextBytes = 512

export interface CachingKmsOptions extends DataKeyCacheOptions {
  /** Told of every change of a key that was made here, failed or not; the change is answered when it has resolved. Must not reject. */
  readonly onChange?: (name: KeyName) => Promise<void>
}

/** See the module. Owns and closes `inner`. */
export class CachingKms extends DelegatingKms implements KeyStateSource {
  readonly #states: KeyStateSource
  readonly #cache: DataKeyCache
  readonly #onChange: CachingKmsOptions['onChange']
  /** The ids of data keys by the arrays that they were asked for with. */
  readonly #named = new WeakMap<Uint8Array, DataKeyScope & { readonly id: DataKeyId }>()

  constructor(inner: Kms & KeyStateSource, options?: CachingKmsOptions) {
    super(inner)
    this.#states = inner
    this.#cache = new DataKeyCache(options)
    this.#onChange = options?.onChange
  }

  /** How the cache did. */
  get counts(): DataKeyCacheCounts {
    return this.#cache.counts
  }

  peekState(name: KeyName): KeyStateView | undefined {
    return this.#states.peekState(name)
  }

  keyState(name: KeyName, options?: KmsCallOptions): Promise<KeyStateView> {
    return this.#states.keyState(name, options)
  }

  override async decrypt(
    name: KeyName,
    keyVersion: KeyVersion,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<Uint8Array> {
    if (ciphertext.length > maxCachedCiphertextBytes)
      return super.decrypt(name, keyVersion, ciphertext, context, options)
    const { state, generation } = this.#states.peekState(name) ?? (await this.#states.keyState(name, options))
    checkUsable(name, state)
    const id = this.#idOf({ keyName: name, keyVersion, generation, context }, ciphertext)
    const known = this.#cache.get(id)
    if (known !== undefined) return known
    // Others may join in the waiting, so no one caller's signal ends it: the inner KMS bounds its time.
    return endWaitingAt(options?.signal, this.#load(id, keyVersion, ciphertext, context))
  }

  #load(id: DataKeyId, keyVersion: KeyVersion, ciphertext: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
    return this.#cache.load(id, () => super.decrypt(id.keyName, keyVersion, ciphertext, context))
  }

  /** What a caller gives again, the very same arrays, is not hashed again. */
  #idOf(scope: DataKeyScope, ciphertext: Uint8Array): DataKeyId {
    const named = this.#named.get(ciphertext)
    if (named !== undefined && isSameScope(named, scope)) return named.id
    const id = dataKeyId(scope, ciphertext)
    this.#named.set(ciphertext, { ...scope, id })
    return id
  }

  override async close(): Promise<void> {
    this.#cache.close()
    await super.close()
  }

  protected override changed(name: KeyName): void {
    this.#cache.dropKey(name)
  }

  protected override async announce(name: KeyName): Promise<void> {
    await this.#onChange?.(name)
  }
}

/** What identifies a data key beside its ciphertext. */
interface DataKeyScope {
  readonly keyName: KeyName
  readonly keyVersion: KeyVersion
  readonly generation: string
  readonly context: Uint8Array
}

/** Whether two scopes are the same, of the same array; one that is equal and another array is not looked into. */
function isSameScope(a: DataKeyScope, b: DataKeyScope): boolean {
  return (
    a.context === b.context && a.keyVersion === b.keyVersion && a.generation === b.generation && a.keyName === b.keyName
  )
}

/** Lengths before texts, so that no two data keys have one id. */
function dataKeyId({ keyName, keyVersion, generation, context }: DataKeyScope, ciphertext: Uint8Array): DataKeyId {
  const head = `${keyName.length} ${keyVersion} ${generation.length} ${ciphertext.length} ${keyName}${generation}`
  // One text, hashed in one go: a third of what an incremental hash over three pieces costs.
  const digest = hash('sha256', `${head}${latin1(ciphertext)}${latin1(context)}`, 'base64')
  return { keyName, digest }
}

/** One character per byte. */
function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer.toString('latin1')
}
