/**
 * Data keys that were opened lately: bounded in number and time, loaded once however many ask, zeroed when they go.
 *
 * @module
 */
import type { KeyName } from './contract.ts'
import { SharedLoads } from './shared-loads.ts'

/** Settings of a cache of data keys. */
export interface DataKeyCacheOptions {
  /** Default 10,000. The oldest go when there are more. */
  readonly maxEntries?: number
  /** After this a data key is opened anew; in milliseconds. Default 300,000. */
  readonly maxAgeMs?: number
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** How a cache did since it was made. */
export interface DataKeyCacheCounts {
  readonly hits: number
  /** Answers that had to be waited for. `loads` of them asked the KMS, the others joined in the waiting. */
  readonly misses: number
  readonly loads: number
  readonly entries: number
}

interface Entry {
  readonly keyName: KeyName
  readonly plaintext: Uint8Array
  readonly expiresAtMs: number
}

/** What a data key belongs to and is found by. */
export interface DataKeyId {
  readonly keyName: KeyName
  /** Digest of all that identifies it. */
  readonly digest: string
}

/** Owns the data keys it holds; everybody gets a copy of his own and zeroes it. */
export class DataKeyCache {
  readonly #maxEntries: number
  readonly #maxAgeMs: number
  readonly #now: () => number
  /** In the order of expiry, as all live equally long. */
  readonly #entries = new Map<string, Entry>()
  readonly #loads = new SharedLoads<Entry>((digest, entry, isForgotten) => {
    if (isForgotten) entry.plaintext.fill(0)
    else this.#keep(digest, entry)
  })
  readonly #timer: NodeJS.Timeout
  #hits = 0
  #misses = 0
  #started = 0

  constructor({ maxEntries = 10_000, maxAgeMs = 300_000, now = Date.now }: DataKeyCacheOptions = {}) {
    if (!(maxEntries >= 1) || !(maxAgeMs > 0)) throw new RangeError('maxEntries and maxAgeMs are positive')
    this.#maxEntries = maxEntries
    this.#maxAgeMs = maxAgeMs
    this.#now = now
    this.#timer = setInterval(() => this.sweep(), Math.min(maxAgeMs, 2 ** 31 - 1)).unref()
  }

  get counts(): DataKeyCacheCounts {
    return { hits: this.#hits, misses: this.#misses, loads: this.#started, entries: this.#entries.size }
  }

  /** A copy of a data key, if it is there. */
  get({ digest }: DataKeyId): Uint8Array | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined || entry.expiresAtMs <= this.#now()) return undefined
    this.#hits++
    return copyOf(entry.plaintext)
  }

  /** A copy of a data key that was not there. `load` gives up its result to the cache. Rejects as `load` does. */
  async load({ keyName, digest }: DataKeyId, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    this.#misses++
    const loadEntry = async (): Promise<Entry> => {
      this.#started++
      const plaintext = await load()
      return { keyName, plaintext, expiresAtMs: this.#now() + this.#maxAgeMs }
    }
    return this.#loads.join(digest, loadEntry, ({ plaintext }) => copyOf(plaintext))
  }

  /** Forgets all data keys under a key. */
  dropKey(name: KeyName): void {
    for (const [digest, { keyName }] of [...this.#entries]) {
      if (keyName === name) this.#remove(digest)
    }
    // What is being loaded for other keys is not kept either; changes of keys are rare.
    this.#loads.forgetAll()
  }

  /** Drops what has expired. Happens by itself, too. */
  sweep(): void {
    const nowMs = this.#now()
    for (const [digest, { expiresAtMs }] of [...this.#entries]) {
      if (expiresAtMs > nowMs) break
      this.#remove(digest)
    }
  }

  /** Zeroes all. */
  close(): void {
    clearInterval(this.#timer)
    for (const digest of [...this.#entries.keys()]) this.#remove(digest)
    this.#loads.forgetAll()
  }

  #keep(digest: string, entry: Entry): void {
    this.#remove(digest)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#maxEntries) break
      this.#remove(oldest)
    }
    this.#entries.set(digest, entry)
  }

  #remove(digest: string): void {
    this.#entries.get(digest)?.plaintext.fill(0)
    this.#entries.delete(digest)
  }
}

function copyOf(secret: Uint8Array): Uint8Array {
  return new Uint8Array(secret)
}
