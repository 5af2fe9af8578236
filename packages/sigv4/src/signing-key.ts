/**
 * The derived signing key and a bounded cache of it: four HMACs saved on every request of a busy access key.
 * SigV4, "Calculate the signature", step 4.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { hmacSha256 } from './canonical-request.ts'
import { type CredentialScope, formatScope } from './credential-scope.ts'

/** Derives the 32-byte signing key. The caller owns both secret and result. */
export function deriveSigningKey(secret: Uint8Array, scope: CredentialScope): Uint8Array {
  const first = Buffer.concat([Buffer.from('AWS4', 'latin1'), secret])
  const intermediates: Buffer[] = [first]
  try {
    for (const step of [scope.date, scope.region, scope.service]) {
      intermediates.push(hmacSha256(intermediates[intermediates.length - 1] ?? first, step))
    }
    return hmacSha256(intermediates[intermediates.length - 1] ?? first, 'aws4_request')
  } finally {
    for (const intermediate of intermediates) intermediate.fill(0)
  }
}

interface CacheEntry {
  readonly secret: Uint8Array
  readonly signingKey: Uint8Array
}

/**
 * Signing keys by access key and scope, least recently used out first. An entry counts only for the very secret it was made
 * from, so that a changed secret needs no invalidation.
 */
export class SigningKeyCache {
  readonly #entries = new Map<string, CacheEntry>()
  readonly #maxEntries: number

  /** @param options `maxEntries`: default 1,024 */
  constructor(options: { readonly maxEntries?: number } = {}) {
    this.#maxEntries = options.maxEntries ?? 1024
  }

  get size(): number {
    return this.#entries.size
  }

  /** The signing key for `secret` in `scope`; the cache owns it: use it at once and do not change it. */
  get(accessKeyId: string, secret: Uint8Array, scope: CredentialScope): Uint8Array {
    const id = `${formatScope(scope)}/${accessKeyId}`
    const found = this.#entries.get(id)
    if (found !== undefined) {
      this.#entries.delete(id)
      if (found.secret.length === secret.length && timingSafeEqual(found.secret, secret)) {
        this.#entries.set(id, found)
        return found.signingKey
      }
      forget(found)
    }
    const entry = { secret: Uint8Array.from(secret), signingKey: deriveSigningKey(secret, scope) }
    this.#entries.set(id, entry)
    this.#evict()
    return entry.signingKey
  }

  /** Zeroes and drops everything. */
  clear(): void {
    for (const entry of this.#entries.values()) forget(entry)
    this.#entries.clear()
  }

  #evict(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries) return
      this.#entries.delete(id)
      forget(entry)
    }
  }
}

function forget(entry: CacheEntry): void {
  entry.secret.fill(0)
  entry.signingKey.fill(0)
}
