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
  /** How long that reading may take before the key is used as it was read last, as with an unreachable store; in milliseconds. */
  readonly recheckWaitMs: number
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

/** What a cache has done since it was made. */
export interface LoadedKeyCounts {
  /** Uses of a key that was there. */
  readonly hits: number
  /** Uses that had to wait for the store. */
  readonly misses: number
  /** Keys read from the store: several waiting uses share one. */
  readonly loads: number
  /** Loads that failed. */
  readonly failures: number
  /** Uses of a key whose state the store could not confirm. */
  readonly unconfirmed: number
}

/** See the module. A key is only ever lent out for a synchronous piece of work. */
export class LoadedKeyCache {
  /** Set by the owner, who watches the store. */
  isOffline = false
  readonly #options: LoadedKeyCacheOptions
  readonly #clock: ExpiryClock
  readonly #slots = new Map<KeyName, Slot>()
  readonly #loads: SharedLoads<LoadedKey>
  readonly #counts = { hits: 0, misses: 0, loads: 0, failures: 0, unconfirmed: 0 }

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

  /** Live, not a copy. */
  get counts(): LoadedKeyCounts {
    return this.#counts
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
    if (key === undefined) return this.#useLoaded(name, work)
    this.#counts.hits++
    return work(key)
  }

  /** Whether the store was asked about a key less than `ageMs` ago. */
  isCheckedWithin(name: KeyName, ageMs: number): boolean {
    const slot = this.#slots.get(name)
    return slot !== undefined && this.#options.now() - slot.checkedAtMs < ageMs
  }

  /** As `use`, but asks the store first, however lately it was asked. */
  useRechecked<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    return this.#useLoaded(name, work)
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

  #useLoaded<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    this.#counts.misses++
    if (this.#slots.has(name)) return this.#useRechecked(name, work)
    return this.#loads.join(name, () => this.#load(name), work)
  }

  /**
   * The store cannot say whether anything changed, or does not say it in time: what was loaded serves until it expires
   * (kes-protocol 9). It is looked up only then, where nobody can zero it before it is used.
   */
  #useRechecked<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let isDone = false
      const finish = (key: LoadedKey): void => {
        if (isDone) return
        isDone = true
        clearTimeout(timer)
        try {
          resolve(work(key))
        } catch (error) {
          reject(error)
        }
      }
      const useUnconfirmed = (): boolean => {
        const slot = this.#slots.get(name)
        if (slot === undefined) return false
        this.#counts.unconfirmed++
        slot.checkedAtMs = this.#options.now()
        slot.wasUsed = true
        finish(slot.key)
        return true
      }
      const timer = setTimeout(useUnconfirmed, this.#options.recheckWaitMs)
      this.#loads
        .join(name, () => this.#load(name), finish)
        .catch((error: unknown) => {
          clearTimeout(timer)
          if (isDone || (error instanceof KmsError && error.code === 'unreachable' && useUnconfirmed())) return
          reject(error)
        })
    })
  }

  async #load(name: KeyName): Promise<LoadedKey> {
    const previous = this.#slots.get(name)
    this.#counts.loads++
    try {
      return await this.#options.load(name, previous?.key.nextVersion)
    } catch (error) {
      this.#counts.failures++
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
