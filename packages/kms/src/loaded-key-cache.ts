/**
 * The keys that `KeyService` has loaded from its store: single-flight, bounded, expired as kes-protocol 9 says, zeroed when
 * they go. Unlike KES's cache it asks the store again for a key whose state is older than a few seconds, so that a
 * lock, a rotation or a deletion on another node takes effect here.
 *
 * @module
 */
import type { KeyName, KeyVersion } from './contract.ts'
import { ExpiryClock, type KeyExpiry } from './expiry.ts'
import { KmsError } from './kms-error.ts'
import { type LoadedKey, zeroLoadedKey } from './loaded-key.ts'
import { SharedLoads } from './shared-loads.ts'

/** Settings and dependencies of a cache of loaded keys. */
export interface LoadedKeyCacheOptions {
  /** Reads a key from the store; `expectedNext` is how far its versions went when it was last read. */
  readonly load: (name: KeyName, expectedNext: KeyVersion | undefined) => Promise<LoadedKey>
  readonly expiry: KeyExpiry
  /** A key whose entries were read longer ago is read again before it is used; in milliseconds. */
  readonly recheckMs: number
  /** The oldest go when there are more. */
  readonly maxKeys: number
  /** Clock in milliseconds. */
  readonly now: () => number
}

interface Slot {
  readonly key: LoadedKey
  checkedAtMs: number
  wasUsed: boolean
}

/** See the module. A key is only ever lent out for a synchronous piece of work. */
export class LoadedKeyCache {
  /** Set by the owner, who watches the store. */
  isOffline = false
  readonly #options: LoadedKeyCacheOptions
  readonly #clock: ExpiryClock
  readonly #slots = new Map<KeyName, Slot>()
  readonly #loads: SharedLoads<LoadedKey>

  constructor(options: LoadedKeyCacheOptions) {
    this.#options = options
    this.#clock = new ExpiryClock(options.expiry, options.now())
    this.#loads = new SharedLoads((name, key, isForgotten) => {
      if (isForgotten) zeroLoadedKey(key)
      else this.#keep(name, key)
    })
  }

  get size(): number {
    return this.#slots.size
  }

  /** See `ExpiryClock`. */
  get sweepEveryMs(): number {
    return this.#clock.shortestPeriodMs
  }

  /** The key if it is loaded and was checked lately. To be used at once and not kept. */
  peek(name: KeyName): LoadedKey | undefined {
    const slot = this.#slots.get(name)
    if (slot === undefined || this.#options.now() - slot.checkedAtMs >= this.#options.recheckMs) return undefined
    slot.wasUsed = true
    return slot.key
  }

  /**
   * Calls `work` with the key, at once when it is loaded. `work` must not keep the key.
   *
   * @throws what `load` and `work` throw
   */
  use<T>(name: KeyName, work: (key: LoadedKey) => T): T | Promise<T> {
    const key = this.peek(name)
    return key === undefined ? this.#useLoaded(name, work) : work(key)
  }

  /** Forgets what is known of a key. A load under way does not bring it back. */
  drop(name: KeyName): void {
    this.#remove(name)
    this.#loads.forget(name)
  }

  /** Forgets all keys. */
  dropAll(): void {
    for (const name of [...this.#slots.keys()]) this.#remove(name)
    this.#loads.forgetAll()
  }

  /** Drops what has expired. To be called at least every `sweepEveryMs`. */
  sweep(): void {
    const due = this.#clock.due(this.#options.now(), this.isOffline)
    if (!due.all && !due.unused) return
    for (const [name, slot] of [...this.#slots]) {
      if (due.all || !slot.wasUsed) this.#remove(name)
      slot.wasUsed = false
    }
  }

  async #useLoaded<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    try {
      return await this.#loads.join(name, () => this.#load(name), work)
    } catch (error) {
      // The store cannot say whether anything changed: what was loaded serves until it expires (kes-protocol 9). Looked
      // up only here, where nobody can zero it before it is used.
      const slot = this.#slots.get(name)
      if (slot === undefined || !(error instanceof KmsError && error.code === 'unreachable')) throw error
      slot.checkedAtMs = this.#options.now()
      slot.wasUsed = true
      return work(slot.key)
    }
  }

  async #load(name: KeyName): Promise<LoadedKey> {
    const previous = this.#slots.get(name)
    try {
      return await this.#options.load(name, previous?.key.nextVersion)
    } catch (error) {
      const isUnreachable = error instanceof KmsError && error.code === 'unreachable'
      if (!isUnreachable && this.#slots.get(name) === previous) this.#remove(name)
      throw error
    }
  }

  #keep(name: KeyName, key: LoadedKey): void {
    this.#remove(name)
    for (const oldest of this.#slots.keys()) {
      if (this.#slots.size < this.#options.maxKeys) break
      this.#remove(oldest)
    }
    this.#slots.set(name, { key, checkedAtMs: this.#options.now(), wasUsed: true })
  }

  #remove(name: KeyName): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    this.#slots.delete(name)
    zeroLoadedKey(slot.key)
  }
}
