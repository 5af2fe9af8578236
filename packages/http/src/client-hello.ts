/**
 * Reads the server name out of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3), so that the connection can be given to
 * the TLS server of the right certificate.
 *
 * Why not `SNICallback`: on Node it adds the chosen certificate to the default one instead of replacing it, so with an
 * ECDSA default and an RSA certificate for the name OpenSSL goes on answering with the default. TLS itself is left
 * to the runtime, which reads the same bytes again: a wrong guess here can only present another of our certificates.
 *
 * @module
 */

/** What the first bytes of a connection are. */
export type ClientHello =
  /** More bytes are needed to tell. */
  | { readonly kind: 'incomplete' }
  /** Not TLS at all, most often plain HTTP. */
  | { readonly kind: 'not-tls' }
  /** A TLS handshake; no name where the client sent none or where the hello is odd (TLS will judge it). */
  | { readonly kind: 'hello'; readonly servername: string | undefined }

const HANDSHAKE_RECORD = 0x16
const RECORD_HEADER = 5
const LONGEST_RECORD = 16_384 + 256
const LONGEST_NAME = 255

const INCOMPLETE: ClientHello = { kind: 'incomplete' }
const NOT_TLS: ClientHello = { kind: 'not-tls' }
const NAMELESS: ClientHello = { kind: 'hello', servername: undefined }

/** No hello that we look into is longer: whoever buffers may stop here. */
export const LONGEST_CLIENT_HELLO = RECORD_HEADER + LONGEST_RECORD

/** Looks at the first bytes of a connection. Linear in their number; never throws. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  if (bytes.length === 0) return INCOMPLETE
  if (bytes[0] !== HANDSHAKE_RECORD) return NOT_TLS
  if (bytes.length < RECORD_HEADER) return INCOMPLETE
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = RECORD_HEADER + view.getUint16(3)
  if (end > LONGEST_CLIENT_HELLO) return NAMELESS
  if (bytes.length < end) return INCOMPLETE
  return { kind: 'hello', servername: findServerName(view, end) }
}

/** Walks handshake header, version, random, session id, suites and compression to the extensions. */
function findServerName(view: DataView, end: number): string | undefined {
  let at = RECORD_HEADER + 4 + 2 + 32
  if (at >= end || view.getUint8(RECORD_HEADER) !== 1) return undefined
  at += 1 + view.getUint8(at)
  if (at + 2 > end) return undefined
  at += 2 + view.getUint16(at)
  if (at + 1 > end) return undefined
  at += 1 + view.getUint8(at)
  if (at + 2 > end) return undefined
  at += 2
  while (at + 4 <= end) {
    const type = view.getUint16(at)
    const length = view.getUint16(at + 2)
    at += 4
    if (at + length > end) return undefined
    if (type === 0) return readName(view, at, at + length)
    at += length
  }
  return undefined
}

/** The first entry of a server name list; only host names (type 0) exist. */
function readName(view: DataView, start: number, end: number): string | undefined {
  if (start + 5 > end || view.getUint8(start + 2) !== 0) return undefined
  const length = view.getUint16(start + 3)
  if (length === 0 || length > LONGEST_NAME || start + 5 + length > end) return undefined
  const bytes = Buffer.from(view.buffer, view.byteOffset + start + 5, length)
  return bytes.toString('latin1').toLowerCase()
}
