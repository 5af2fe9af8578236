/**
 * What a client says of itself in the same words with every request of a day: who signs, for what, and which headers. Read
 * once, because it is on the way of every request.
 *
 * @module
 */

import type { ParsedAuthorization } from './authorization.ts'

/** An `Authorization` header without its signature. Claimed only: nothing here was verified. */
export type StandingClaim = Pick<ParsedAuthorization, 'accessKeyId' | 'scope' | 'signedHeaders' | 'signedNames'>

const maxClaims = 1_024
/** Longer ones are read each time: together the others take less than 1 MiB. */
const longestText = 512

/** Claims by their text, the one that was added longest ago out first. One for one set of regions and services. */
export class ClaimCache {
  readonly #claims = new Map<string, StandingClaim>()

  get size(): number {
    return this.#claims.size
  }

  get(text: string): StandingClaim | undefined {
    return this.#claims.get(text)
  }

  set(text: string, claim: StandingClaim): void {
    if (text.length > longestText) return
    this.#claims.set(text, claim)
    if (this.#claims.size <= maxClaims) return
    const [oldest] = this.#claims.keys()
    if (oldest !== undefined) this.#claims.delete(oldest)
  }
}
