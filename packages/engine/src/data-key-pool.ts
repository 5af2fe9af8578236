/**
 * Bucket keys (DESIGN 6): one data key per bucket, EK version, context and requester for a short period, so that KMS calls
 * do not grow with objects. SSE-S3 always works this way, SSE-KMS where a bucket key is asked for.
 *
 * @module
 */

import { zero } from '@strongroom/crypto'
import { type DataKey, type KeyStateSource, type Kms, KmsError } from '@strongroom/kms'
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

/** A `Kms` that may know the state of keys without being asked over a wire. */
export type PeekableKms = Kms & Partial<Pick<KeyStateSource, 'peekState'>>

export interface DataKeyPoolOptions {
  readonly kms: PeekableKms
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

/** What a description said, and for which key it said so. */
interface KnownVersion {
  readonly currentVersion: number
  readonly generation: string
  readonly askedAtMs: number
}

/** How long another process's rotation may go unnoticed. This process's own is noticed at once. */
const versionMaxAgeMs = 4_000

const notUsable = { locked: 'key-disabled', 'pending-deletion': 'key-pending-deletion' } as const

/** Hands out copies of shared data keys. */
export class DataKeyPool {
  readonly #kms: PeekableKms
  readonly #now: () => number
  readonly #maxAgeMs: number
  readonly #maxUses: number
  readonly #shared: BoundedMap<string, Shared>
  readonly #pending = new Map<string, Promise<Shared>>()
  readonly #versions = new BoundedMap<string, KnownVersion>(10_000)

  constructor(options: DataKeyPoolOptions) {
    this.#kms = options.kms
    this.#now = options.now
    this.#maxAgeMs = options.maxAgeMs ?? 300_000
    this.#maxUses = options.maxUses ?? 2 ** 20
    this.#shared = new BoundedMap(options.maxEntries ?? 1_000, ({ key }) => zero(key.plaintext))
  }

  /**
   * A data key for one more object; the caller zeroes the plaintext, which is a copy. The key's state is looked at each
   * time, so that a lock takes effect at once; that is no call where the KMS knows it by itself.
   *
   * @throws KmsError
   */
  async take(scope: DataKeyScope): Promise<DataKey> {
    const currentVersion = this.#knownVersion(scope.keyName) ?? (await this.#describe(scope.keyName))
    const id = scopeId(scope, currentVersion)
    const found = this.#shared.get(id)
    const isUsable = found && found.uses < this.#maxUses && this.#now() < found.expiresAtMs
    const shared = isUsable ? found : await this.#generate(id, scope)
    shared.uses += 1
    const { keyVersion, plaintext, ciphertext } = shared.key
    return { keyVersion, plaintext: Buffer.from(plaintext), ciphertext }
  }

  /** To be called when this process rotated the key. */
  forgetVersion(keyName: string): void {
    this.#versions.delete(keyName)
  }

  /** Zeroes all keys. */
  close(): void {
    this.#shared.clear()
  }

  /** The key's newest version, if that is known and the key is known to be usable now, without a call. */
  #knownVersion(keyName: string): number | undefined {
    const known = this.#versions.get(keyName)
    if (!known || this.#now() - known.askedAtMs >= versionMaxAgeMs) return undefined
    const view = this.#kms.peekState?.(keyName)
    const isSame = view?.state === 'enabled' && view.generation === known.generation
    return isSame ? known.currentVersion : undefined
  }

  /** Asks for the key's newest version. @throws KmsError also if the key must not be used */
  async #describe(keyName: string): Promise<number> {
    const askedAtMs = this.#now()
    const { state, currentVersion } = await this.#kms.describeKey(keyName)
    if (state !== 'enabled') throw new KmsError(notUsable[state], `key '${keyName}' is ${state}`)
    const view = this.#kms.peekState?.(keyName)
    if (view) this.#versions.set(keyName, { currentVersion, generation: view.generation, askedAtMs })
    return currentVersion
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
