/**
 * The identity of a certificate: SHA-256 of its public key exactly as it is encoded in it (kes-protocol 1.2).
 *
 * @module
 */
import { createHash, X509Certificate } from 'node:crypto'

/** What counts of a client's certificate. */
export interface CertificateFacts {
  /** 64 lower-case hex digits. */
  readonly identity: string
  /** `basicConstraints CA=TRUE`. */
  readonly isAuthority: boolean
}

/** No certificate of a client is longer. */
const maxCertificateBytes = 65_536

/** `undefined` for what is no certificate. */
export function readCertificate(der: Uint8Array): CertificateFacts | undefined {
  if (der.length > maxCertificateBytes) return undefined
  const spki = findPublicKey(der)
  if (spki === undefined) return undefined
  try {
    const isAuthority = new X509Certificate(der).ca
    return { identity: createHash('sha256').update(spki).digest('hex'), isAuthority }
  } catch {
    // Whatever is wrong with it, it is none.
    return undefined
  }
}

/** One element of DER: where its content lies. */
interface Element {
  readonly tag: number
  readonly start: number
  readonly contentStart: number
  readonly end: number
}

const sequence = 0x30
const explicitVersion = 0xa0

/**
 * The SubjectPublicKeyInfo of a certificate (RFC 5280 4.1): in `tbsCertificate` the seventh element, or the sixth where the
 * version is left out. Cut out and not exported from a parsed key, which may encode it in another way.
 */
function findPublicKey(der: Uint8Array): Uint8Array | undefined {
  const certificate = readElement(der, 0, der.length)
  if (certificate?.tag !== sequence) return undefined
  const tbs = readElement(der, certificate.contentStart, certificate.end)
  if (tbs?.tag !== sequence) return undefined
  let element = readElement(der, tbs.contentStart, tbs.end)
  if (element?.tag === explicitVersion) element = readElement(der, element.end, tbs.end)
  // serialNumber, signature, issuer, validity, subject
  for (let skipped = 0; skipped < 5 && element !== undefined; skipped++)
    element = readElement(der, element.end, tbs.end)
  return element?.tag === sequence ? der.subarray(element.start, element.end) : undefined
}

function readElement(der: Uint8Array, start: number, limit: number): Element | undefined {
  const tag = der[start]
  const first = der[start + 1]
  if (tag === undefined || first === undefined || start + 2 > limit) return undefined
  let length = first
  let contentStart = start + 2
  if (first >= 0x80) {
    const size = first - 0x80
    if (size < 1 || size > 3) return undefined
    length = 0
    for (let at = 0; at < size; at++) length = length * 256 + (der[contentStart + at] ?? 0)
    contentStart += size
  }
  const end = contentStart + length
  return end <= limit ? { tag, start, contentStart, end } : undefined
}
