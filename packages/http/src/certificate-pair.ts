/**
 * One certificate with its private key: parsed, checked against each other, and the names it is good for
 * (server-side-encryption.md section 6, rows `public.crt`, `private.key`, SNI selection).
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { HttpError } from './http-error.ts'

/** A certificate chain and key that belong together. Immutable: a reload makes a new one. */
export interface CertificatePair {
  /** Where it came from, for people: a directory or `inline`. */
  readonly origin: string
  /** The chain in PEM, leaf first. */
  readonly cert: string
  /** The private key in PEM. Key material: never log it. */
  readonly key: string
  /** DNS names (lower case, wildcards as `*.example.org`) and IP addresses of the leaf. */
  readonly names: readonly string[]
  /** SHA-256 of the leaf, hex with colons. */
  readonly fingerprint: string
  /** End of validity of the leaf, in milliseconds since 1970. */
  readonly expiresAtMs: number
}

/**
 * Parses and checks a chain and its key.
 *
 * @param cert PEM, leaf first, then intermediates.
 * @param key PEM, PKCS#1, PKCS#8 or SEC1, not encrypted; exactly one block.
 * @throws HttpError `certificate-invalid`
 */
export function parseCertificatePair(cert: string, key: string, origin = 'inline'): CertificatePair {
  const leaf = attempt(origin, 'the certificate cannot be parsed', () => new X509Certificate(cert))
  const privateKey = attempt(origin, 'the private key cannot be parsed', () => parseKey(key))
  // Node's createSecureContext takes an RSA certificate with an EC key without a word.
  if (!leaf.checkPrivateKey(privateKey)) throw invalid(origin, 'the private key does not belong to the certificate')
  attempt(origin, 'the certificate chain cannot be used', () => createSecureContext({ cert, key }))
  return {
    origin,
    cert,
    key,
    names: namesOf(leaf),
    fingerprint: leaf.fingerprint256,
    expiresAtMs: Date.parse(leaf.validTo),
  }
}

function parseKey(key: string): KeyObject {
  const begin = key.indexOf('-----BEGIN ')
  const second = key.indexOf('PRIVATE KEY-----', key.indexOf('-----END ', begin) + 1)
  const rest = second < 0 ? '' : key.slice(second + 'PRIVATE KEY-----'.length)
  if (rest.trim() !== '') throw new Error('the file contains additional data')
  return createPrivateKey(key)
}

/** `subjectAltName` reads `DNS:a, IP Address:1.2.3.4`; values with odd characters are quoted and of no use to us. */
function namesOf(leaf: X509Certificate): string[] {
  const names: string[] = []
  for (const entry of (leaf.subjectAltName ?? '').split(', ')) {
    if (entry.startsWith('DNS:')) names.push(entry.slice(4).toLowerCase())
    else if (entry.startsWith('IP Address:')) names.push(entry.slice(11).toLowerCase())
  }
  return names
}

function attempt<T>(origin: string, what: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw invalid(origin, what, cause)
  }
}

function invalid(origin: string, what: string, cause?: unknown): HttpError {
  return new HttpError('certificate-invalid', `${origin}: ${what}`, { cause })
}
