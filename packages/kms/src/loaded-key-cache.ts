/**
 * The keys that `KeyService` has loaded from its store: single-flight, bounded, expired as kes-protocol 9 says, zeroed when
 * they go. Unlike KES's cache it asks the store again for a key whose state is older than a few seconds, so that a
 * lock, a rotation or a deletion on another node takes effect here.
 *
 * @module
 */
import type { KeyName } from './contract.ts'
import { ExpiryClock, type KeyExpiry } from './expiry.ts'
import { KmsError } from './kms-error.ts'
import { type LoadedKey, zeroLoadedKey } from './loaded-key.ts'

/** Settings and dependencies of a cache of loaded keys. */
export interface LoadedKeyCacheOptions {
  /** Reads a key from the store; `previous` is what the cache still has of it. */
  readonly load: (name: KeyName, previous: LoadedKey | undefined) => Promise<LoadedKey>
  readonly expiry: KeyExpiry
  /** A key whose entries were read longer ago is read again before it is used; in milliseconds. */
  readonly recheckMs: number
  /** The oldest go when there are more. */
  readonly maxKeys: number
  /** Clock in milliseconds. */
  readonly now: () => number
}

/** One loaded key and who is using it. Zeroed when it was dropped and its last user is done. */
interface Slot {
  readonly key: LoadedKey
  checkedAtMs: number
  wasUsed: boolean
  users: number
  isDropped: boolean
}

/** A load under way. */
class Flight {
  /** How many wait for it; they become users of its slot in the moment it lands. */
  waiters = 0
  /** Whether the name was dropped since: the result serves those who wait for it and is not kept. */
  isStale = false
  readonly landing: Promise<Slot>

  constructor(load: (flight: Flight) => Promise<Slot>) {
    this.landing = load(this)
  }
}

/** See the module. */
export class LoadedKeyCache {
  /** Set by the owner, who watches the store. */
  isOffline = false
  readonly #options: LoadedKeyCacheOptions
  readonly #clock: ExpiryClock
  readonly #slots = new Map<KeyName, Slot>()
  readonly #flights = new Map<KeyName, Flight>()

  constructor(options: LoadedKeyCacheOptions) {
    this.#options = options
    this.#clock = new ExpiryClock(options.expiry, options.now())
  }

  get size(): number {
    return this.#slots.size
  }

  /** See `ExpiryClock`. */
  get sweepEveryMs(): number {
    return this.#clock.shortestPeriodMs
  }

  /**
   * Calls `work` with the key, at once when it is loaded. `work` must not keep the key: it may be zeroed afterwards.
   *
   * @throws what `load` and `work` throw
   */
  use<T>(name: KeyName, work: (key: LoadedKey) => T): T | Promise<T> {
    const slot = this.#slots.get(name)
    if (slot !== undefined && this.#options.now() - slot.checkedAtMs < this.#options.recheckMs) {
      slot.wasUsed = true
      return work(slot.key)
    }
    return this.#useLoaded(name, work)
  }

  /** Forgets what is known of a key. A load under way does not bring it back. */
  drop(name: KeyName): void {
    this.#remove(name)
    const flight = this.#flights.get(name)
    if (flight !== undefined) flight.isStale = true
    this.#flights.delete(name)
  }

  /** Forgets all keys. */
  dropAll(): void {
    for (const name of [...this.#slots.keys(), ...this.#flights.keys()]) this.drop(name)
  }

  /** Drops what has expired. To be called at least every `sweepEveryMs`. */
  sweep(): void {
    const due = this.#clock.due(this.#options.now(), this.isOffline)
    for (const [name, slot] of due.all || due.unused ? this.#slots : []) {
      if (due.all || !slot.wasUsed) this.#remove(name)
      slot.wasUsed = false
    }
  }

  async #useLoaded<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    let flight = this.#flights.get(name)
    if (flight === undefined) {
      flight = new Flight((own) => this.#load(name, own))
      this.#flights.set(name, flight)
    }
    flight.waiters++
    const slot = await flight.landing
    try {
      return work(slot.key)
    } finally {
      this.#leave(slot)
    }
  }

  async #load(name: KeyName, flight: Flight): Promise<Slot> {
    const previous = this.#slots.get(name)
    if (previous !== undefined) previous.users++
    try {
      const slot = await this.#loadOrFallBack(name, previous, flight)
      slot.users += flight.waiters
      return slot
    } finally {
      // From here on nobody joins this flight.
      if (this.#flights.get(name) === flight) this.#flights.delete(name)
      if (previous !== undefined) this.#leave(previous)
    }
  }

  async #loadOrFallBack(name: KeyName, previous: Slot | undefined, flight: Flight): Promise<Slot> {
    try {
      const key = await this.#options.load(name, previous?.key)
      return this.#keep(name, key, flight)
    } catch (error) {
      if (flight.isStale) throw error
      const isUnreachable = error instanceof KmsError && error.code === 'unreachable'
      if (!isUnreachable) this.#remove(name)
      if (!isUnreachable || previous === undefined || previous.isDropped) throw error
      // The store cannot say whether anything changed: what was loaded serves until it expires (kes-protocol 9).
      previous.checkedAtMs = this.#options.now()
      previous.wasUsed = true
      return previous
    }
  }

  #keep(name: KeyName, key: LoadedKey, flight: Flight): Slot {
    const slot: Slot = { key, checkedAtMs: this.#options.now(), wasUsed: true, users: 0, isDropped: flight.isStale }
    if (flight.isStale) return slot
    this.#remove(name)
    for (const oldest of this.#slots.keys()) {
      if (this.#slots.size < this.#options.maxKeys) break
      this.#remove(oldest)
    }
    this.#slots.set(name, slot)
    return slot
  }

  #remove(name: KeyName): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    this.#slots.delete(name)
    slot.isDropped = true
    this.#zeroIfUnused(slot)
  }

  #leave(slot: Slot): void {
    slot.users--
    this.#zeroIfUnused(slot)
  }

  #zeroIfUnused(slot: Slot): void {
    if (slot.isDropped && slot.users === 0) zeroLoadedKey(slot.key)
  }
}
