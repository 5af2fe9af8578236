/**
 * Bucket keys (DESIGN 6): one data key per bucket, EK version, context and requester for a short period, so that KMS calls
 * do not grow with objects. SSE-S3 always works this way, SSE-KMS where a bucket key is asked for.
 *
 * @module
 */

import { zero } from '@strongroom/crypto'
import { type DataKey, type KeyStateSource, type Kms, KmsError, SharedLoads } from '@strongroom/kms'
import { BoundedMap } from './bounded-map.ts'
import { asBuffer } from './ids.ts'

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
export type PeekableKms = Kms & Partial<KeyStateSource>

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

/** Which key the name means now. */
interface CurrentKey {
  readonly currentVersion: number
  /** Differs between two keys that had the name one after the other; `undefined` where the KMS cannot tell. */
  readonly generation: string | undefined
}

/** What a description said, and when. */
interface KnownKey extends CurrentKey {
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
  /** Whoever waits for a key takes his copy in the moment it lands: later it may have been dropped, and zeroed. */
  readonly #loads = new SharedLoads<Shared>((id, shared, isForgotten) => {
    if (isForgotten) zero(shared.key.plaintext)
    else this.#shared.set(id, shared)
  })
  readonly #known = new BoundedMap<string, KnownKey>(10_000)
  readonly #timer: NodeJS.Timeout

  constructor(options: DataKeyPoolOptions) {
    this.#kms = options.kms
    this.#now = options.now
    this.#maxAgeMs = options.maxAgeMs ?? 300_000
    this.#maxUses = options.maxUses ?? 2 ** 20
    this.#shared = new BoundedMap(options.maxEntries ?? 1_000, ({ key }) => zero(key.plaintext))
    this.#timer = setInterval(() => this.sweep(), this.#maxAgeMs).unref()
  }

  /**
   * A data key for one more object; the caller zeroes the plaintext, which is a copy. The key's state is looked at each
   * time, so that a lock takes effect at once; that is no call where the KMS knows it by itself.
   *
   * @throws KmsError
   */
  async take(scope: DataKeyScope): Promise<DataKey> {
    const id = scopeId(scope, this.#knownKey(scope.keyName) ?? (await this.#describe(scope.keyName)))
    const found = this.#shared.get(id)
    const isUsable = found && found.uses < this.#maxUses && this.#now() < found.expiresAtMs
    return isUsable ? copyOf(found) : this.#loads.join(id, () => this.#generate(scope), copyOf)
  }

  /** To be called when this process rotated the key. */
  forgetVersion(keyName: string): void {
    this.#known.delete(keyName)
  }

  /** Zeroes what has expired. Happens by itself, too. */
  sweep(): void {
    const nowMs = this.#now()
    for (const [id, { expiresAtMs }] of [...this.#shared]) if (expiresAtMs <= nowMs) this.#shared.delete(id)
  }

  /** Zeroes all keys. */
  close(): void {
    clearInterval(this.#timer)
    this.#loads.forgetAll()
    this.#shared.clear()
  }

  /** The key, if that is known and it is known to be usable now, without a call. */
  #knownKey(keyName: string): CurrentKey | undefined {
    const known = this.#known.get(keyName)
    if (!known || this.#now() - known.askedAtMs >= versionMaxAgeMs) return undefined
    const view = this.#kms.peekState?.(keyName)
    return view?.state === 'enabled' && view.generation === known.generation ? known : undefined
  }

  /** Asks for the key. @throws KmsError also if it must not be used */
  async #describe(keyName: string): Promise<CurrentKey> {
    const askedAtMs = this.#now()
    // A source of states remembers the answer; a description would be asked for again with the next object.
    const { state, currentVersion } = await (this.#kms.keyState?.(keyName) ?? this.#kms.describeKey(keyName))
    if (state !== 'enabled') throw new KmsError(notUsable[state], `key '${keyName}' is ${state}`)
    const view = this.#kms.peekState?.(keyName)
    const known = { currentVersion, generation: view?.generation, askedAtMs }
    if (view) this.#known.set(keyName, known)
    return known
  }

  async #generate({ keyName, kmsContext }: DataKeyScope): Promise<Shared> {
    const key = await this.#kms.generateDataKey(keyName, kmsContext)
    return { key, expiresAtMs: this.#now() + this.#maxAgeMs, uses: 0 }
  }
}

/** A copy for one more object. */
function copyOf(shared: Shared): DataKey {
  shared.uses += 1
  const { keyVersion, plaintext, ciphertext } = shared.key
  return { keyVersion, plaintext: Buffer.from(plaintext), ciphertext }
}

function scopeId(scope: DataKeyScope, { currentVersion, generation = '' }: CurrentKey): string {
  // Fixed lengths first, the variable rest last, its lengths before it: no two scopes look alike.
  const ids = asBuffer(scope.bucketId).toString('latin1') + asBuffer(scope.keyId).toString('latin1')
  const context = asBuffer(scope.kmsContext).toString('latin1')
  return `${ids}${currentVersion}/${generation.length}/${generation}${scope.accountId}/${context}`
}
