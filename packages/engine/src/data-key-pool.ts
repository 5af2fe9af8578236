/**
 * Bucket keys (DESIGN 6): one data key per bucket, EK version, context and requester for a short period, so that KMS calls
 * do not grow with objects. SSE-S3 always works this way, SSE-KMS where a bucket key is asked for.
 *
 * @module
 */

import { zero } from '@strongroom/crypto'
import { type DataKey, type Kms, KmsError } from '@strongroom/kms'
import { BoundedMap } from './bounded-map.ts'

/** Who shares a data key. The caller has decided already that the requester may use the key. */
export interface DataKeyScope {
  readonly bucketId: Uint8Array
  readonly keyId: Uint8Array
  /** The key's name in the KMS. */
  readonly keyName: string
  /** The associated data of the KMS call. */
  readonly kmsContext: Uint8Array
  readonly accountId: string
}

export interface DataKeyPoolOptions {
  readonly kms: Kms
  readonly now: () => number
  /** Default 1,000. */
  readonly maxEntries?: number
  /** Default five minutes. */
  readonly maxAgeMs?: number
  /** Objects under one data key. Default 2^20. */
  readonly maxUses?: number
}

interface Shared {
  readonly key: DataKey
  readonly expiresAtMs: number
  uses: number
}

const notUsable = { locked: 'key-disabled', 'pending-deletion': 'key-pending-deletion' } as const

/** Hands out copies of shared data keys. */
export class DataKeyPool {
  readonly #kms: Kms
  readonly #now: () => number
  readonly #maxAgeMs: number
  readonly #maxUses: number
  readonly #shared: BoundedMap<string, Shared>
  readonly #pending = new Map<string, Promise<Shared>>()

  constructor(options: DataKeyPoolOptions) {
    this.#kms = options.kms
    this.#now = options.now
    this.#maxAgeMs = options.maxAgeMs ?? 300_000
    this.#maxUses = options.maxUses ?? 2 ** 20
    this.#shared = new BoundedMap(options.maxEntries ?? 1_000, ({ key }) => zero(key.plaintext))
  }

  /**
   * A data key for one more object; the caller zeroes the plaintext, which is a copy. The key's state is asked for each
   * time, so that a lock takes effect at once.
   *
   * @throws KmsError
   */
  async take(scope: DataKeyScope): Promise<DataKey> {
    const { state, currentVersion } = await this.#kms.describeKey(scope.keyName)
    if (state !== 'enabled') throw new KmsError(notUsable[state], `key '${scope.keyName}' is ${state}`)
    const id = scopeId(scope, currentVersion)
    const found = this.#shared.get(id)
    const isUsable = found && found.uses < this.#maxUses && this.#now() < found.expiresAtMs
    const shared = isUsable ? found : await this.#generate(id, scope)
    shared.uses += 1
    const { keyVersion, plaintext, ciphertext } = shared.key
    return { keyVersion, plaintext: Buffer.from(plaintext), ciphertext }
  }

  /** Zeroes all keys. */
  close(): void {
    this.#shared.clear()
  }

  #generate(id: string, scope: DataKeyScope): Promise<Shared> {
    const pending = this.#pending.get(id)
    if (pending) return pending
    const made = this.#kms
      .generateDataKey(scope.keyName, scope.kmsContext)
      .then((key) => {
        const shared = { key, expiresAtMs: this.#now() + this.#maxAgeMs, uses: 0 }
        this.#shared.set(id, shared)
        return shared
      })
      .finally(() => this.#pending.delete(id))
    this.#pending.set(id, made)
    return made
  }
}

function scopeId(scope: DataKeyScope, version: number): string {
  // Fixed lengths first, the variable rest last: no two scopes look alike.
  const ids = Buffer.concat([scope.bucketId, scope.keyId]).toString('latin1')
  return `${ids}${version}/${scope.accountId}/${Buffer.from(scope.kmsContext).toString('latin1')}`
}
