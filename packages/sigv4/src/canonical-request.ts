/**
 * The canonical request and the string to sign: one canonicaliser for verifying and for signing.
 * AWS Signature Version 4, "Create a signed AWS API request", steps 1 to 3, with the exceptions for Amazon S3 (path encoded
 * once, never normalised).
 *
 * Strings are bytes here: each UTF-16 unit up to U+00FF is one byte, as `node:http` delivers header values.
 *
 * @module
 */

import { createHmac, hash } from 'node:crypto'
import { canonicalPath, canonicalQuery } from './uri-encoding.ts'

/** Header names in lower case. A list is a header that was sent several times. */
export type SignableHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a signature covers, as it stood on the wire. */
export interface SignableRequest {
  readonly method: string
  /** The path of the request line, still percent-encoded, without the query. */
  readonly rawPath: string
  /** The query of the request line, still percent-encoded, without `?`. */
  readonly rawQuery: string
  readonly headers: SignableHeaders
}

/** SHA-256 of nothing, in hexadecimal. */
export const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** SHA-256 in lower-case hexadecimal; a string stands for its bytes (latin1). */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 'hex')
}

/** HMAC-SHA-256; a string stands for its bytes (latin1). */
export function hmacSha256(key: Uint8Array, message: string): Buffer {
  return createHmac('sha256', key).update(message, 'latin1').digest()
}

/** Trims a header value and makes one space of each run of white space. White space is space and tab, nothing else. */
export function canonicalHeaderValue(value: string): string {
  const trimmed = trimBlanks(value)
  for (let index = 0; index < trimmed.length; index++) {
    const unit = trimmed.charCodeAt(index)
    const collapses = unit === 0x09 || (unit === 0x20 && isBlank(trimmed.charCodeAt(index + 1)))
    if (collapses) return trimmed.replace(/[ \t]+/g, ' ')
  }
  return trimmed
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

// Not `trim()`: it takes 0xA0 for white space, which here is the last byte of UTF-8's `à`.
function trimBlanks(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isBlank(value.charCodeAt(start))) start++
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--
  return start === 0 && end === value.length ? value : value.slice(start, end)
}

/** The value of a header by a name that a client chose: what every object has (`constructor`) is no header. */
export function headerOf(headers: SignableHeaders, name: string): string | readonly string[] | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined
}

/** The canonical value of a header that may have been sent several times, or `undefined` when it was not sent. */
export function joinedHeaderValue(headers: SignableHeaders, name: string): string | undefined {
  const value = headerOf(headers, name)
  if (value === undefined) return undefined
  return typeof value === 'string' ? canonicalHeaderValue(value) : value.map(canonicalHeaderValue).join(',')
}

/**
 * @param signedHeaders lower-case names in the order of the signature's own list
 * @param payloadHash what stands in `x-amz-content-sha256`
 */
export function canonicalRequest(
  request: SignableRequest,
  signedHeaders: readonly string[],
  payloadHash: string,
  excludedQueryName?: string,
): string {
  let headers = ''
  for (const name of signedHeaders) headers += `${name}:${joinedHeaderValue(request.headers, name) ?? ''}\n`
  const path = canonicalPath(request.rawPath)
  const query = canonicalQuery(request.rawQuery, excludedQueryName)
  return `${request.method}\n${path}\n${query}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`
}

/** @param scope `yyyymmdd/region/service/aws4_request` */
export function stringToSign(timestamp: string, scope: string, canonical: string): string {
  return `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256Hex(canonical)}`
}
