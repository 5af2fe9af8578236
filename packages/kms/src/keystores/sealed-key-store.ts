/**
 * A key store whose values are sealed under a key of the keyring before another store keeps them. The entry's name is
 * associated data: an entry that was moved to another name does not open. docs/formats/stored-keys.md.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { CryptoError, openValue, type RandomSource, sealedValueKeyId, sealValue } from '@strongroom/crypto'
import { decodeBase64 } from '../base64.ts'
import type { KeyStore } from '../contract.ts'
import type { KeyringKeys } from '../keyring.ts'
import { KmsError } from '../kms-error.ts'

/** Settings of a sealed key store. */
export interface SealedKeyStoreOptions {
  /**
   * Whether entries that are not sealed are read, too, so that a key directory of KES can move in. Whoever can write to
   * such a store can give it keys that he knows: for moving only. Default false.
   */
  readonly allowPlain?: boolean
  /** Default `randomBytes` of `node:crypto`. */
  readonly random?: RandomSource
}

/** Frozen. A colon is in neither of KES's two forms, so no plain value begins like this. */
const sealedPrefix = 'strongroom:sealed:v1:'
const aadLabel = 'strongroom key store entry\0'

/** Seals what `inner` keeps; owns and closes it. */
export class SealedKeyStore implements KeyStore {
  readonly #inner: KeyStore
  readonly #keys: KeyringKeys
  readonly #allowPlain: boolean
  readonly #random: RandomSource
  /** As far as the inner store has a window of recovery. */
  readonly purge?: (name: string) => Promise<void>
  readonly recover?: (name: string) => Promise<void>
  readonly replace?: (name: string, value: Uint8Array) => Promise<void>

  /** `keys` stay the keyring's. */
  constructor(
    inner: KeyStore,
    keys: KeyringKeys,
    { allowPlain = false, random = randomBytes }: SealedKeyStoreOptions = {},
  ) {
    this.#inner = inner
    this.#keys = keys
    this.#allowPlain = allowPlain
    this.#random = random
    if (inner.purge !== undefined) this.purge = inner.purge.bind(inner)
    if (inner.recover !== undefined) this.recover = inner.recover.bind(inner)
    if (inner.replace !== undefined) {
      const replace = inner.replace.bind(inner)
      this.replace = async (name, value) => replace(name, this.#seal(name, value))
    }
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    await this.#inner.create(name, this.#seal(name, value))
  }

  /**
   * @throws KmsError `not-authentic` when the entry was changed, moved, sealed by another deployment, or is plain and plain
   * entries are not allowed
   */
  async get(name: string): Promise<Uint8Array> {
    const stored = await this.#inner.get(name)
    if (!isSealed(stored)) {
      if (this.#allowPlain) return stored
      stored.fill(0)
      throw new KmsError('not-authentic', `the stored key '${name}' is not sealed`)
    }
    const sealed = decodeBase64(stored.subarray(sealedPrefix.length))
    const value = sealed === undefined ? undefined : this.#unseal(name, sealed)
    if (value === undefined) throw new KmsError('not-authentic', `the stored key '${name}' is not authentic`)
    return value
  }

  delete(name: string): Promise<void> {
    return this.#inner.delete(name)
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#inner.list(prefix)
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return this.#inner.status()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #seal(name: string, value: Uint8Array): Uint8Array {
    const { currentId, keys } = this.#keys
    const key = keys.get(currentId)
    if (key === undefined) throw new KmsError('sealed', 'the keyring has no current key for the key store')
    const sealed = sealValue(key, currentId, value, associatedData(name), this.#random)
    return Buffer.from(sealedPrefix + sealed.toString('base64'), 'latin1')
  }

  #unseal(name: string, sealed: Uint8Array): Uint8Array | undefined {
    try {
      const key = this.#keys.keys.get(sealedValueKeyId(sealed))
      return key === undefined ? undefined : openValue(key, sealed, associatedData(name))
    } catch (error) {
      if (error instanceof CryptoError) return undefined
      throw error
    }
  }
}

/**
 * Copies every entry of one store into another, in byte order: plain entries into a sealed store when keys move in, sealed
 * ones into a plain store when they leave (`export`). Entries that are there already are left as they are.
 *
 * @returns the names copied and the names left
 * @throws KmsError what the stores throw; those copied before stay
 */
export async function copyKeys(
  from: KeyStore,
  to: KeyStore,
): Promise<{ readonly copied: readonly string[]; readonly existing: readonly string[] }> {
  const copied: string[] = []
  const existing: string[] = []
  for await (const name of from.list('')) {
    const value = await from.get(name)
    try {
      await to.create(name, value)
      copied.push(name)
    } catch (error) {
      if (!(error instanceof KmsError && error.code === 'key-exists')) throw error
      existing.push(name)
    } finally {
      value.fill(0)
    }
  }
  return { copied, existing }
}

function isSealed(stored: Uint8Array): boolean {
  return Buffer.from(stored.subarray(0, sealedPrefix.length)).toString('latin1') === sealedPrefix
}

function associatedData(name: string): Uint8Array {
  return Buffer.from(aadLabel + name, 'utf8')
}
