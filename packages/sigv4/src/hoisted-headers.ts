/**
 * `x-amz-*` headers that stand in the query: SDKs hoist them there when they presign. They are part of the signature and count
 * as headers (server-side-encryption.md 1.6.17); ignoring them would store an object otherwise than its signer meant.
 *
 * @module
 */

import type { SignableHeaders } from './canonical-request.ts'
import { invalidArgument, SigV4Error } from './sigv4-error.ts'

const authenticationNames: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
])

const customerKeyNames: ReadonlySet<string> = new Set([
  'x-amz-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key',
])

/**
 * The headers of a request with those hoisted into its query added, in the form of headers (one unit per byte of UTF-8). A
 * real header wins over a hoisted one. Returns `headers` itself when there is nothing to add.
 *
 * @throws SigV4Error `InvalidRequest` when a customer's encryption key stands in the query, where every log shows it;
 * `InvalidArgument` for a value that no header could have
 */
export function withHoistedHeaders<Headers extends SignableHeaders>(
  headers: Headers,
  query: ReadonlyMap<string, string>,
): Headers {
  let merged: Record<string, string | readonly string[] | undefined> | undefined
  for (const [name, value] of query) {
    if (name.length <= 6 || name[1] !== '-') continue
    const lower = name.toLowerCase()
    if (!lower.startsWith('x-amz-') || authenticationNames.has(lower)) continue
    if (customerKeyNames.has(lower)) {
      throw new SigV4Error(
        'InvalidRequest',
        'Customer provided encryption keys must be sent as request headers, not in the query string.',
      )
    }
    if (headers[lower] !== undefined) continue
    merged ??= { ...headers }
    merged[lower] = headerText(lower, value)
  }
  return (merged as Headers | undefined) ?? headers
}

function headerText(name: string, value: string): string {
  let isAscii = true
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index)
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) {
      throw invalidArgument('A header value in the query holds a control character.', name)
    }
    if (unit > 0x7f) isAscii = false
  }
  return isAscii ? value : Buffer.from(value, 'utf8').toString('latin1')
}
