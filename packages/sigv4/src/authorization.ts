/**
 * What a request says about who signed it: the `Authorization` header, the presigned query, or nothing. Only form and time
 * are judged here; `verify.ts` judges the signature. Texts are Amazon S3's.
 *
 * @module
 */

import type { SignableRequest } from './canonical-request.ts'
import type { ClaimCache, StandingClaim } from './claim-cache.ts'
import { type CredentialScope, isScopeDate, parseTimestamp } from './credential-scope.ts'
import { invalidArgument, SigV4Error, type SigV4ErrorCode } from './sigv4-error.ts'

/** A claim to have signed a request, well formed and timely, not yet verified. */
export interface ParsedAuthorization {
  readonly kind: 'header' | 'query'
  readonly accessKeyId: string
  readonly scope: CredentialScope
  /** Lower case, in the order of the claim. */
  readonly signedHeaders: readonly string[]
  /** The same names. */
  readonly signedNames: ReadonlySet<string>
  /** 64 lower-case hexadecimal digits. */
  readonly signature: string
  /** `yyyymmddThhmmssZ`, as it goes into the string to sign. */
  readonly timestamp: string
  /** Last part of the canonical request: a SHA-256, `UNSIGNED-PAYLOAD`, `STREAMING-…`. */
  readonly payloadHash: string
  /** A temporary credential's token, to be judged by the caller. */
  readonly securityToken: string | undefined
}

export interface AuthorizationOptions {
  /** Regions that a scope may name, the server's own first. `''` admits MinIO's admin clients. */
  readonly regions: readonly string[]
  /** Default `['s3']`. */
  readonly services?: readonly string[]
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
  /** Remembers claims in headers; of these regions and services only. Default: nothing does. */
  readonly claims?: ClaimCache
}

/** Longest life of a presigned URL, in seconds. */
export const maxPresignSeconds = 604_800

/** How far a client's clock may be off, in milliseconds. */
export const maxClockSkewMs = 15 * 60 * 1000

export const signatureAlgorithm = 'AWS4-HMAC-SHA256'
const unsignedPayload = 'UNSIGNED-PAYLOAD'
const maxSignedHeaders = 200
const maxFieldLength = 2048

/**
 * Reads the claim of a request. `undefined` means that it makes none (an anonymous request).
 *
 * @param query the decoded query of the same request
 * @throws SigV4Error `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError`, `InvalidArgument`, `InvalidRequest`
 * (Signature Version 2, missing content hash), `RequestTimeTooSkewed`, `AccessDenied` (expired, no date)
 */
export function parseAuthorization(
  request: SignableRequest,
  query: ReadonlyMap<string, string>,
  options: AuthorizationOptions,
): ParsedAuthorization | undefined {
  const header = singleHeader(request, 'authorization')
  const inQuery = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature') || query.has('X-Amz-Credential')
  const isVersion2 = query.has('AWSAccessKeyId') && query.has('Signature')
  const mechanisms = Number(header !== undefined) + Number(inQuery) + Number(isVersion2)
  if (mechanisms === 0) return undefined
  if (mechanisms > 1) {
    throw invalidArgument(
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      'Authorization',
    )
  }
  if (isVersion2) throw version2Refused()
  return header === undefined ? parsePresigned(request, query, options) : parseHeader(header, request, options)
}

function parseHeader(header: string, request: SignableRequest, options: AuthorizationOptions): ParsedAuthorization {
  const { claim, signature } = readHeader(header, options)
  const { scope } = claim
  const { timestamp, timeMs } = requestTime(request)
  const nowMs = (options.now ?? Date.now)()
  if (Math.abs(nowMs - timeMs) > maxClockSkewMs) throw skewed(timestamp, nowMs)
  if (scope.date !== timestamp.slice(0, 8)) {
    throw malformedHeader(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    )
  }
  const payloadHash = singleHeader(request, 'x-amz-content-sha256')
  if (payloadHash === undefined) {
    throw new SigV4Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  }
  return {
    kind: 'header',
    accessKeyId: claim.accessKeyId,
    scope,
    signedHeaders: claim.signedHeaders,
    signedNames: claim.signedNames,
    signature: parseSignature(signature),
    timestamp,
    payloadHash,
    securityToken: singleHeader(request, 'x-amz-security-token'),
  }
}

/** All but the signature is the same in every request of a client: it is parsed once. */
function readHeader(
  header: string,
  options: AuthorizationOptions,
): { readonly claim: StandingClaim; readonly signature: string } {
  const end = header.lastIndexOf(',')
  const last = header.slice(end + 1).trim()
  const isSignatureLast = last.startsWith(signatureField)
  const known = isSignatureLast ? options.claims?.get(header.slice(0, end)) : undefined
  if (known !== undefined) return { claim: known, signature: last.slice(signatureField.length) }
  const fields = authorizationFields(header)
  const { accessKeyId, scope } = parseCredential(fields.credential, 'header', options)
  const claim = { accessKeyId, scope, ...parseSignedHeaders(fields.signedHeaders, 'header') }
  if (isSignatureLast) options.claims?.set(header.slice(0, end), claim)
  return { claim, signature: fields.signature }
}

const signatureField = 'Signature='
const needsThree = 'the authorization header requires three components: Credential, SignedHeaders, and Signature.'

function authorizationFields(header: string): { credential: string; signedHeaders: string; signature: string } {
  const space = header.indexOf(' ')
  const scheme = space < 0 ? header : header.slice(0, space)
  if (scheme === 'AWS') throw version2Refused()
  if (scheme !== signatureAlgorithm) {
    // AWS echoes the whole header; only the scheme is shown here, the rest may be a password.
    throw invalidArgument('Unsupported Authorization Type', 'Authorization', scheme.slice(0, 64))
  }
  const found = new Map<string, string>()
  for (const part of header.slice(scheme.length).split(',', 10)) {
    const trimmed = part.trim()
    if (trimmed === '') continue
    const equals = trimmed.indexOf('=')
    const name = trimmed.slice(0, Math.max(equals, 0))
    if (equals < 0 || found.has(name)) throw malformedHeader(needsThree)
    found.set(name, trimmed.slice(equals + 1))
  }
  const credential = found.get('Credential')
  const signedHeaders = found.get('SignedHeaders')
  const signature = found.get('Signature')
  if (credential === undefined || signedHeaders === undefined || signature === undefined || found.size !== 3) {
    throw malformedHeader(needsThree)
  }
  return { credential, signedHeaders, signature }
}

const queryNames = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Expires',
] as const

function parsePresigned(
  request: SignableRequest,
  query: ReadonlyMap<string, string>,
  options: AuthorizationOptions,
): ParsedAuthorization {
  const [algorithm, credential, signature, timestamp, signedHeaders, expires] = queryNames.map(
    (name) => query.get(name) ?? '',
  )
  if (!algorithm || !credential || !signature || !timestamp || !signedHeaders || !expires) {
    throw malformedQuery(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  if (algorithm !== signatureAlgorithm) {
    throw malformedQuery('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
  }
  const parsed = parseCredential(credential, 'query', options)
  const timeMs = parseTimestamp(timestamp)
  if (timeMs === undefined) {
    throw malformedQuery("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  }
  if (parsed.scope.date !== timestamp.slice(0, 8)) {
    throw malformedQuery(
      `Invalid credential date "${parsed.scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    )
  }
  checkLife(timeMs, expires, (options.now ?? Date.now)())
  return {
    kind: 'query',
    ...parsed,
    ...parseSignedHeaders(signedHeaders, 'query'),
    signature: parseSignature(signature),
    timestamp,
    payloadHash:
      query.get('X-Amz-Content-Sha256') ??
      query.get('x-amz-content-sha256') ??
      singleHeader(request, 'x-amz-content-sha256') ??
      unsignedPayload,
    securityToken: query.get('X-Amz-Security-Token'),
  }
}

function checkLife(timeMs: number, expires: string, nowMs: number): void {
  if (!/^-?[0-9]{1,12}$/.test(expires)) throw malformedQuery('X-Amz-Expires should be a number')
  const seconds = Number(expires)
  if (seconds < 0) throw malformedQuery('X-Amz-Expires must be non-negative')
  if (seconds > maxPresignSeconds) {
    throw malformedQuery(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  }
  if (seconds === 0) throw malformedQuery('X-Amz-Expires must be greater than zero')
  if (timeMs - nowMs > maxClockSkewMs) throw new SigV4Error('AccessDenied', 'Request is not valid yet')
  const endMs = timeMs + seconds * 1000
  if (nowMs > endMs) {
    throw new SigV4Error('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': expires,
      Expires: isoSeconds(endMs),
      ServerTime: isoSeconds(nowMs),
    })
  }
}

/**
 * Reads `accessKeyId/yyyymmdd/region/service/aws4_request`; the access key id itself may hold slashes.
 *
 * @throws SigV4Error `AuthorizationHeaderMalformed` or `AuthorizationQueryParametersError`, by `kind`
 */
export function parseCredential(
  credential: string,
  kind: 'header' | 'query',
  options: AuthorizationOptions,
): { readonly accessKeyId: string; readonly scope: CredentialScope } {
  // From the end, without a list of parts: this is on the way of every request.
  const beforeTerminal = slashBefore(credential, credential.length > maxFieldLength ? 0 : credential.length)
  const beforeService = slashBefore(credential, beforeTerminal)
  const beforeRegion = slashBefore(credential, beforeService)
  const beforeDate = slashBefore(credential, beforeRegion)
  const accessKeyId = credential.slice(0, Math.max(beforeDate, 0))
  const date = credential.slice(beforeDate + 1, beforeRegion)
  const region = credential.slice(beforeRegion + 1, beforeService)
  const service = credential.slice(beforeService + 1, beforeTerminal)
  const terminal = credential.slice(beforeTerminal + 1)
  if (accessKeyId === '') {
    const form = 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
    throw malformed(kind, 'Credential', `the Credential is mal-formed; ${form}`)
  }
  if (!isScopeDate(date)) {
    const message = `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`
    throw malformed(kind, 'Credential', message)
  }
  if (!options.regions.includes(region)) {
    const expected = options.regions[0] ?? ''
    throw malformed(kind, 'Credential', `the region '${region}' is wrong; expecting '${expected}'`, {
      Region: expected,
    })
  }
  const services = options.services ?? ['s3']
  if (!services.includes(service)) {
    throw malformed(
      kind,
      'Credential',
      `incorrect service "${service}". This endpoint belongs to "${services[0] ?? ''}".`,
    )
  }
  if (terminal !== 'aws4_request') {
    throw malformed(kind, 'Credential', `incorrect terminal "${terminal}". This endpoint uses "aws4_request".`)
  }
  return { accessKeyId, scope: { date, region, service } }
}

/** Where the last slash before `end` is; -1 if there is none, or none before that. */
function slashBefore(text: string, end: number): number {
  return end <= 0 ? -1 : text.lastIndexOf('/', end - 1)
}

function parseSignedHeaders(
  list: string,
  kind: 'header' | 'query',
): Pick<ParsedAuthorization, 'signedHeaders' | 'signedNames'> {
  const names = list.split(';', maxSignedHeaders + 1)
  const areNames = names.length <= maxSignedHeaders && names.every((name) => name !== '' && name === name.toLowerCase())
  const signedNames = new Set(names)
  if (!areNames || signedNames.size !== names.length) {
    throw malformed(
      kind,
      'SignedHeaders',
      'SignedHeaders must be a list of header names in lower case, separated by ";".',
    )
  }
  return { signedHeaders: names, signedNames }
}

function parseSignature(signature: string): string {
  // A signature of another form cannot match; AWS answers as for any wrong one.
  if (!/^[0-9a-f]{64}$/.test(signature)) throw signatureMismatch()
  return signature
}

/** The one answer to every wrong signature. */
export function signatureMismatch(fields: Readonly<Record<string, string>> = {}): SigV4Error {
  return new SigV4Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    fields,
  )
}

function requestTime(request: SignableRequest): { readonly timestamp: string; readonly timeMs: number } {
  const text = singleHeader(request, 'x-amz-date') ?? singleHeader(request, 'date') ?? ''
  const timeMs = parseTimestamp(text)
  if (timeMs !== undefined) return { timestamp: text, timeMs }
  // Only the RFC 1123 form of `Date`; `Date.parse` alone takes much more.
  const isHttpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (GMT|UTC|\+0000)$/.test(text)
  const parsedMs = isHttpDate ? Date.parse(text) : Number.NaN
  if (Number.isNaN(parsedMs)) {
    throw new SigV4Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  }
  return { timestamp: new Date(parsedMs).toISOString().replace(/[-:]|\.\d{3}/g, ''), timeMs: parsedMs }
}

function singleHeader(request: SignableRequest, name: string): string | undefined {
  const value = request.headers[name]
  return value === undefined || typeof value === 'string' ? value : value.join(',')
}

function skewed(timestamp: string, nowMs: number): SigV4Error {
  return new SigV4Error(
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
    {
      RequestTime: timestamp,
      ServerTime: isoSeconds(nowMs),
      MaxAllowedSkewMilliseconds: String(maxClockSkewMs),
    },
  )
}

function isoSeconds(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`
}

function version2Refused(): SigV4Error {
  return new SigV4Error(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}

function malformedHeader(detail: string): SigV4Error {
  return malformed('header', '', detail)
}

function malformedQuery(message: string): SigV4Error {
  return new SigV4Error('AuthorizationQueryParametersError', message)
}

function malformed(
  kind: 'header' | 'query',
  parameter: string,
  detail: string,
  fields: Readonly<Record<string, string>> = {},
): SigV4Error {
  const [code, prefix]: readonly [SigV4ErrorCode, string] =
    kind === 'header'
      ? ['AuthorizationHeaderMalformed', 'The authorization header is malformed']
      : ['AuthorizationQueryParametersError', `Error parsing the X-Amz-${parameter} parameter`]
  return new SigV4Error(code, `${prefix}; ${detail}`, fields)
}
