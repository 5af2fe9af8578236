/**
 * Chooses the certificate for a connection by the server name that the client asked for
 * (server-side-encryption.md section 6, row SNI selection).
 *
 * @module
 */

import type { CertificatePair } from './certificate-pair.ts'
import { HttpError } from './http-error.ts'

/** Where the listener gets certificates from. The same pair comes back as the same object until it changes. */
export interface CertificateSource {
  /** @param servername lower case, without a trailing dot; `undefined` where the client named none. */
  select(servername: string | undefined): CertificatePair
}

/** Certificates by name; the first pair is the default, and the first pair that is good for a name wins. */
export class CertificateIndex implements CertificateSource {
  readonly #default: CertificatePair
  readonly #byName = new Map<string, CertificatePair>()

  /** @throws HttpError `certificate-missing` for an empty list. */
  constructor(pairs: readonly CertificatePair[]) {
    const [first] = pairs
    if (first === undefined) throw new HttpError('certificate-missing', 'there is no certificate')
    this.#default = first
    for (const pair of pairs) {
      for (const name of pair.names) if (!this.#byName.has(name)) this.#byName.set(name, pair)
    }
  }

  select(servername: string | undefined): CertificatePair {
    if (servername === undefined) return this.#default
    const exact = this.#byName.get(servername)
    if (exact !== undefined) return exact
    // A wildcard stands for exactly one label (RFC 6125 6.4.3).
    const dot = servername.indexOf('.')
    const wildcard = dot > 0 ? this.#byName.get(`*${servername.slice(dot)}`) : undefined
    return wildcard ?? this.#default
  }
}
