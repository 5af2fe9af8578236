/**
 * The client behind a TLS proxy: kes-protocol 1.4, as the last KES did it that honoured those settings. A proxy, known by its
 * identity, names its client's certificate in a header; the client is then who is asking.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { type CertificateFacts, readCertificate } from '../protocol/certificate-identity.ts'

/** Settings of the proxies. */
export interface TlsProxyOptions {
  readonly identities: readonly string[]
  /** Of the header with the certificate; empty = none. */
  readonly header: string
  /** Certificates in PEM that forwarded ones must be issued by; `undefined` = not verified. */
  readonly ca: readonly string[] | undefined
  readonly now: () => number
}

/** What a forwarded header says, or why it is refused. */
export type Forwarded = { readonly facts: CertificateFacts } | { readonly status: 400 | 403; readonly message: string }

const refusals = {
  missing: { status: 400, message: 'no client certificate is present' },
  several: { status: 400, message: 'too many client certificates are present' },
  invalid: { status: 400, message: 'invalid client certificate' },
  untrusted: { status: 403, message: '' },
} as const satisfies Record<string, Forwarded>

const clientAuth = '1.3.6.1.5.5.7.3.2'

/** Knows proxies and reads what they forward. */
export class TlsProxies {
  readonly #identities: ReadonlySet<string>
  readonly #header: string
  readonly #authorities: readonly X509Certificate[] | undefined
  readonly #now: () => number

  constructor({ identities, header, ca, now }: TlsProxyOptions) {
    // Who shows no certificate has the empty identity: a variable that is set to nothing must not make a proxy of everybody.
    this.#identities = new Set(identities.filter((identity) => identity !== ''))
    this.#header = header.toLowerCase()
    const isUsed = identities.length > 0 && ca !== undefined
    this.#authorities = isUsed ? [...rootCertificates, ...ca].flatMap(parseAuthorities) : undefined
    this.#now = now
  }

  isProxy(identity: string): boolean {
    return this.#identities.has(identity)
  }

  /** Whose request a proxy passes on. */
  client(request: IncomingMessage): Forwarded {
    const values = headerValues(request, this.#header)
    const [value] = values
    if (value === undefined || value === '') return refusals.missing
    if (values.length > 1) return refusals.several
    const der = forwardedCertificate(value)
    const facts = der === undefined ? undefined : readCertificate(der)
    if (der === undefined || facts === undefined) return refusals.invalid
    return this.#isTrusted(der) ? { facts } : refusals.untrusted
  }

  /** One certificate between a root and the client is not supported: proxies forward the leaf alone. */
  #isTrusted(der: Uint8Array): boolean {
    if (this.#authorities === undefined) return true
    const leaf = new X509Certificate(der)
    const now = this.#now()
    if (!isValidAt(leaf, now)) return false
    const usages: readonly string[] | undefined = leaf.keyUsage
    if (usages !== undefined && !usages.includes(clientAuth)) return false
    return this.#authorities.some(
      (authority) =>
        authority.ca && isValidAt(authority, now) && leaf.checkIssued(authority) && leaf.verify(authority.publicKey),
    )
  }
}

/** Not, too, when a date cannot be read. */
function isValidAt({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo)
}

/** The address that a proxy names as its client's: the first of `X-Forwarded-For`, without its port. */
export function forwardedAddress(request: IncomingMessage): string | undefined {
  const header = headerValues(request, 'x-forwarded-for')[0]
  const first = header?.split(',', 1)[0]?.trim() ?? ''
  if (isIP(first) !== 0) return first
  const bracket = first.startsWith('[') ? first.indexOf(']') : -1
  const host = bracket > 0 ? first.slice(1, bracket) : first.slice(0, Math.max(0, first.lastIndexOf(':')))
  return isIP(host) !== 0 ? host : undefined
}

/** Node joins repeated headers with a comma, or hides all but the first: only the raw list shows how many came. */
function headerValues({ rawHeaders }: IncomingMessage, lowerCaseName: string): string[] {
  const values: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === lowerCaseName) values.push(rawHeaders[at + 1] ?? '')
  }
  return lowerCaseName === '' ? [] : values
}

const pemBlock = /-----BEGIN ([^-\r\n]{1,64})-----\r?\n([A-Za-z0-9+/=\r\n]{1,65536})-----END \1-----/

/** The first PEM block of a query-escaped text. */
function forwardedCertificate(value: string): Uint8Array | undefined {
  let text: string
  try {
    text = decodeURIComponent(value.replaceAll('+', ' '))
  } catch {
    return undefined
  }
  const match = pemBlock.exec(text)
  if (match?.[1] !== 'CERTIFICATE') return undefined
  return Buffer.from(match[2] ?? '', 'base64')
}

function parseAuthorities(pem: string): X509Certificate[] {
  const found: X509Certificate[] = []
  for (const [block] of pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)) {
    try {
      found.push(new X509Certificate(block))
    } catch {
      // A root that this library cannot read vouches for nobody.
    }
  }
  return found
}
