/**
 * Opened access key records by id, least recently used out first. An entry counts only for the entry version it was read
 * at: a revoked or changed key takes effect at the next request, at the price of one read.
 *
 * @module
 */

import type { EntryVersion } from '@strongroom/storage'

/** An opened access key. The cache owns `secret` and zeroes it when it drops the entry. */
export interface CachedAccessKey {
  readonly version: EntryVersion
  readonly accountId: string
  readonly secret: Uint8Array
}

export class AccessKeyCache {
  readonly #entries = new Map<string, CachedAccessKey>()
  readonly #maxEntries: number

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get(accessKeyId: string, version: EntryVersion): CachedAccessKey | undefined {
    const found = this.#entries.get(accessKeyId)
    if (found === undefined) return undefined
    this.#entries.delete(accessKeyId)
    if (found.version === version) {
      this.#entries.set(accessKeyId, found)
      return found
    }
    found.secret.fill(0)
    return undefined
  }

  set(accessKeyId: string, entry: CachedAccessKey): void {
    this.drop(accessKeyId)
    this.#entries.set(accessKeyId, entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries) return
      this.drop(oldest)
    }
  }

  drop(accessKeyId: string): void {
    this.#entries.get(accessKeyId)?.secret.fill(0)
    this.#entries.delete(accessKeyId)
  }

  clear(): void {
    for (const id of [...this.#entries.keys()]) this.drop(id)
  }
}
