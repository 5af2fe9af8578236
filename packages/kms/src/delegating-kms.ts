/**
 * What decorators of a `Kms` share: every call goes on to the inner one unless a decorator says otherwise.
 *
 * @module
 */

import type { DataKey, KeyAlgorithm, KeyDescription, KeyName, KeyVersion, Kms, KmsCallOptions } from './contract.ts'
import { KmsError } from './kms-error.ts'

/** Names of the calls of a `Kms`, and of the state check. */
export type KmsOperation = Exclude<keyof Kms, 'close'> | 'keyState'

/** A `Kms` whose calls all pass through `call`, and whose changes of a key are followed by `changed`. Owns and closes `inner`. */
export abstract class DelegatingKms implements Kms {
  protected readonly inner: Kms

  constructor(inner: Kms) {
    this.inner = inner
  }

  createKey(name: KeyName, options?: KmsCallOptions & { readonly algorithm?: KeyAlgorithm }): Promise<KeyDescription> {
    return this.#change(
      name,
      this.call('createKey', name, options, (own) => this.inner.createKey(name, own)),
    )
  }

  importKey(
    name: KeyName,
    material: Uint8Array,
    options?: KmsCallOptions & { readonly algorithm?: KeyAlgorithm },
  ): Promise<KeyDescription> {
    return this.#change(
      name,
      this.call('importKey', name, options, (own) => this.inner.importKey(name, material, own)),
    )
  }

  describeKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    return this.call('describeKey', name, options, (own) => this.inner.describeKey(name, own))
  }

  listKeys(pattern: string, options?: KmsCallOptions): Promise<readonly KeyName[]> {
    return this.call('listKeys', '', options, (own) => this.inner.listKeys(pattern, own))
  }

  generateDataKey(name: KeyName, context: Uint8Array, options?: KmsCallOptions): Promise<DataKey> {
    return this.call('generateDataKey', name, options, (own) => this.inner.generateDataKey(name, context, own))
  }

  encrypt(
    name: KeyName,
    plaintext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<{ readonly keyVersion: KeyVersion; readonly ciphertext: Uint8Array }> {
    return this.call('encrypt', name, options, (own) => this.inner.encrypt(name, plaintext, context, own))
  }

  decrypt(
    name: KeyName,
    keyVersion: KeyVersion,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<Uint8Array> {
    return this.call('decrypt', name, options, (own) => this.inner.decrypt(name, keyVersion, ciphertext, context, own))
  }

  hmac(name: KeyName, message: Uint8Array, options?: KmsCallOptions): Promise<Uint8Array> {
    return this.call('hmac', name, options, (own) => this.inner.hmac(name, message, own))
  }

  rotateKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    return this.#change(
      name,
      this.call('rotateKey', name, options, (own) => this.inner.rotateKey(name, own)),
    )
  }

  lockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    return this.#change(
      name,
      this.call('lockKey', name, options, (own) => this.inner.lockKey(name, own)),
    )
  }

  unlockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    return this.#change(
      name,
      this.call('unlockKey', name, options, (own) => this.inner.unlockKey(name, own)),
    )
  }

  /** @throws KmsError `unsupported` where the inner one knows no such thing */
  scheduleKeyDeletion(name: KeyName, dueAt: Date, options?: KmsCallOptions): Promise<KeyDescription> {
    const run = async (own: KmsCallOptions | undefined): Promise<KeyDescription> =>
      (await this.inner.scheduleKeyDeletion?.(name, dueAt, own)) ?? noScheduling()
    return this.#change(name, this.call('scheduleKeyDeletion', name, options, run))
  }

  /** @throws KmsError `unsupported` where the inner one knows no such thing */
  cancelKeyDeletion(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription> {
    const run = async (own: KmsCallOptions | undefined): Promise<KeyDescription> =>
      (await this.inner.cancelKeyDeletion?.(name, own)) ?? noScheduling()
    return this.#change(name, this.call('cancelKeyDeletion', name, options, run))
  }

  deleteKey(name: KeyName, options?: KmsCallOptions): Promise<void> {
    return this.#change(
      name,
      this.call('deleteKey', name, options, (own) => this.inner.deleteKey(name, own)),
    )
  }

  status(options?: KmsCallOptions): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return this.call('status', '', options, (own) => this.inner.status(own))
  }

  forgetKey(name: KeyName): void {
    this.changed(name)
    this.inner.forgetKey?.(name)
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  /** One call; `run` takes the options to give on. `name` is empty for calls about no key. */
  protected call<T, O extends KmsCallOptions>(
    _operation: KmsOperation,
    _name: KeyName,
    options: O | undefined,
    run: (options: O | undefined) => Promise<T>,
  ): Promise<T> {
    return run(options)
  }

  /** After every change of a key, failed or not: how far a failed one came is not known. */
  protected changed(_name: KeyName): void {}

  /** After every change that was made here, before its call is answered. Must not reject. */
  protected async announce(_name: KeyName): Promise<void> {}

  async #change<T>(name: KeyName, change: Promise<T>): Promise<T> {
    try {
      return await change
    } finally {
      this.changed(name)
      await this.announce(name)
    }
  }
}

function noScheduling(): never {
  throw new KmsError('unsupported', 'this key service deletes keys at once or not at all')
}
