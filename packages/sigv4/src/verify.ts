/**
 * Is the signature right, and does it cover all that gives the request its meaning? The caller looks the secret up between
 * `parseAuthorization` and `verifySignature`.
 *
 * Every `x-amz-*` header that was sent must have been signed (server-side-encryption.md 1.5 row 42): otherwise the holder of
 * a presigned URL chooses encryption, key, access rights or metadata.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { type ParsedAuthorization, signatureMismatch } from './authorization.ts'
import { canonicalRequest, headerOf, hmacSha256, type SignableRequest, stringToSign } from './canonical-request.ts'
import { formatScope } from './credential-scope.ts'
import { SigV4Error } from './sigv4-error.ts'

// Bound by the signature in another way (the first two stand in the string to sign and the canonical request), or without
// meaning to us.
const needNoSignature: ReadonlySet<string> = new Set([
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-user-agent',
  'x-amz-cf-id',
])

/**
 * Checks the signature of a request in constant time, and first that nothing meaningful was left unsigned.
 *
 * @param signingKey from `SigningKeyCache` or `deriveSigningKey` for the secret of `parsed.accessKeyId`
 * @throws SigV4Error `AccessDenied` with `HeadersNotSigned`, `SignatureDoesNotMatch`
 */
export function verifySignature(parsed: ParsedAuthorization, request: SignableRequest, signingKey: Uint8Array): void {
  checkSignedHeaders(parsed, request)
  const exclude = parsed.kind === 'query' ? 'X-Amz-Signature' : undefined
  const canonical = canonicalRequest(request, parsed.signedHeaders, parsed.payloadHash, exclude)
  const toSign = stringToSign(parsed.timestamp, formatScope(parsed.scope), canonical)
  const expected = hmacSha256(signingKey, toSign)
  const provided = Buffer.from(parsed.signature, 'hex')
  if (provided.length !== expected.length || !timingSafeEqual(provided, expected)) {
    // AWS also shows the canonical request; it may hold a signed customer key, so it is left out here.
    throw signatureMismatch({ AWSAccessKeyId: parsed.accessKeyId, StringToSign: toSign })
  }
}

function checkSignedHeaders(parsed: ParsedAuthorization, request: SignableRequest): void {
  const signed = parsed.signedNames
  const missing: string[] = signed.has('host') ? [] : ['host']
  for (const name in request.headers) {
    if (!name.startsWith('x-amz-') || signed.has(name) || needNoSignature.has(name)) continue
    if (request.headers[name] !== undefined) missing.push(name)
  }
  if (missing.length > 0) {
    throw new SigV4Error('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: missing.join(', '),
    })
  }
  // A header that was signed but is gone cannot be told from one that never was: refused, whatever its value was.
  for (const name of parsed.signedHeaders) {
    if (headerOf(request.headers, name) === undefined) throw signatureMismatch({ AWSAccessKeyId: parsed.accessKeyId })
  }
}
