/**
 * A `Kms` that remembers the data keys it has opened. Before it answers from memory it makes sure that the key may still be
 * used and is still the same key: a lock takes effect at the next request when the KMS is in process, within 5 s otherwise.
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
    const decrypt = (own: KmsCallOptions | undefined): Promise<Uint8Array> =>
      super.decrypt(name, keyVersion, ciphertext, context, own)
    if (ciphertext.length > maxCachedCiphertextBytes) return decrypt(options)
    const { state, generation } = this.#states.peekState(name) ?? (await this.#states.keyState(name, options))
    checkUsable(name, state)
    const id = dataKeyId(name, keyVersion, generation, ciphertext, context)
    const known = this.#cache.get(id)
    if (known !== undefined) return known
    return endWaitingAt(
      options?.signal,
      // Others may join in the waiting, so no one caller's signal ends it: the inner KMS bounds its time.
      this.#cache.load(id, () => decrypt(undefined)),
    )
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

/** Lengths before texts, so that no two data keys have one id. */
function dataKeyId(
  keyName: KeyName,
  keyVersion: KeyVersion,
  generation: string,
  ciphertext: Uint8Array,
  context: Uint8Array,
): DataKeyId {
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
