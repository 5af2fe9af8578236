/**
 * Signing of requests, URLs and streamed bodies, for our own clients, benchmarks and tests. Uses the canonicaliser of the
 * verifier.
 *
 * @module
 */

import { maxPresignSeconds, signatureAlgorithm } from './authorization.ts'
import {
  canonicalRequest,
  emptySha256,
  hmacSha256,
  type SignableHeaders,
  type SignableRequest,
  sha256Hex,
  stringToSign,
} from './canonical-request.ts'
import { ChunkSignatureChain, type ChunkSigning } from './chunk-signature.ts'
import { type CredentialScope, formatScope, formatTimestamp } from './credential-scope.ts'
import { deriveSigningKey } from './signing-key.ts'
import { SigV4Error } from './sigv4-error.ts'
import { encodeUriComponent } from './uri-encoding.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secret: Uint8Array
  readonly securityToken?: string
}

export interface SignOptions {
  readonly credentials: Credentials
  readonly region: string
  /** Default `s3`. */
  readonly service?: string
  /** SHA-256 of the body in hexadecimal or one of the constants of `x-amz-content-sha256`. Default: the hash of nothing. */
  readonly payloadHash?: string
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** Headers to send, and what a streamed body is signed with. */
export interface SignedRequest {
  /** The given headers with `x-amz-date`, `x-amz-content-sha256` and `authorization`; lower case. */
  readonly headers: Record<string, string>
  readonly signature: string
  readonly timestamp: string
  /** `yyyymmdd/region/service/aws4_request` */
  readonly scope: string
}

// Changed or added by HTTP stacks and proxies on the way.
const neverSigned: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'te',
  'trailer',
  'transfer-encoding',
  'user-agent',
])

/** Signs by `Authorization` header. `headers` must hold `host`. */
export function signRequest(request: SignableRequest, options: SignOptions): SignedRequest {
  const timestamp = formatTimestamp((options.now ?? Date.now)())
  const payloadHash = options.payloadHash ?? emptySha256
  const headers = flatten(request.headers)
  headers['x-amz-date'] = timestamp
  headers['x-amz-content-sha256'] = payloadHash
  if (options.credentials.securityToken !== undefined)
    headers['x-amz-security-token'] = options.credentials.securityToken
  const signedHeaders = namesToSign(headers)
  const scope = scopeOf(timestamp, options)
  const canonical = canonicalRequest({ ...request, headers }, signedHeaders, payloadHash)
  const signature = signatureOf(timestamp, scope, canonical, options.credentials.secret)
  const credential = `${options.credentials.accessKeyId}/${formatScope(scope)}`
  headers.authorization = `${signatureAlgorithm} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return { headers, signature, timestamp, scope: formatScope(scope) }
}

/**
 * Signs by query. All `request.headers` are signed and must be sent with the URL. Returns the whole raw query.
 *
 * @param options `expiresSeconds`: 1 to 604,800
 * @throws SigV4Error `AuthorizationQueryParametersError`
 */
export function presign(request: SignableRequest, options: SignOptions & { readonly expiresSeconds: number }): string {
  const { expiresSeconds, credentials } = options
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > maxPresignSeconds) {
    throw new SigV4Error('AuthorizationQueryParametersError', 'expiresSeconds must be a whole number from 1 to 604800')
  }
  const timestamp = formatTimestamp((options.now ?? Date.now)())
  const scope = scopeOf(timestamp, options)
  const headers = flatten(request.headers)
  const signedHeaders = namesToSign(headers)
  const parameters: [string, string][] = [
    ['X-Amz-Algorithm', signatureAlgorithm],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${formatScope(scope)}`],
    ['X-Amz-Date', timestamp],
    ['X-Amz-Expires', String(expiresSeconds)],
    ['X-Amz-SignedHeaders', signedHeaders.join(';')],
  ]
  if (credentials.securityToken !== undefined) parameters.push(['X-Amz-Security-Token', credentials.securityToken])
  const added = parameters.map(([name, value]) => `${name}=${encodeUriComponent(value)}`).join('&')
  const rawQuery = request.rawQuery === '' ? added : `${request.rawQuery}&${added}`
  const payloadHash = options.payloadHash ?? headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD'
  const canonical = canonicalRequest({ ...request, rawQuery, headers }, signedHeaders, payloadHash)
  return `${rawQuery}&X-Amz-Signature=${signatureOf(timestamp, scope, canonical, credentials.secret)}`
}

/** What `encodeChunks` and `AwsChunkedDecoder` need, from a request signed with a `STREAMING-AWS4-…` hash. */
export function chunkSigning(signed: SignedRequest, options: SignOptions): ChunkSigning {
  const signingKey = deriveSigningKey(options.credentials.secret, scopeOf(signed.timestamp, options))
  return { signingKey, timestamp: signed.timestamp, scope: signed.scope, seedSignature: signed.signature }
}

/**
 * Encodes a body as `aws-chunked`.
 *
 * @param chunks payload, one encoded chunk each; empty ones are skipped
 * @param signing `undefined` for the unsigned form
 * @param trailers trailing headers; `undefined` for the form without them
 */
export function* encodeChunks(
  chunks: Iterable<Uint8Array>,
  signing: ChunkSigning | undefined,
  trailers?: Readonly<Record<string, string>>,
): Generator<Uint8Array> {
  const chain = signing === undefined ? undefined : new ChunkSignatureChain(signing)
  const header = (size: number, sha256: () => string): Buffer => {
    const extension = chain === undefined ? '' : `;chunk-signature=${chain.signChunk(sha256())}`
    return Buffer.from(`${size.toString(16)}${extension}\r\n`, 'latin1')
  }
  const lineEnd = Buffer.from('\r\n', 'latin1')
  for (const chunk of chunks) {
    if (chunk.length === 0) continue
    yield header(chunk.length, () => sha256Hex(chunk))
    yield chunk
    yield lineEnd
  }
  let tail = ''
  const last = header(0, () => emptySha256)
  if (trailers !== undefined) {
    const entries = Object.entries(trailers).map(([name, value]) => [name.toLowerCase(), value] as const)
    tail = entries.map(([name, value]) => `${name}:${value}\r\n`).join('')
    const canonical = entries.map(([name, value]) => `${name}:${value}\n`).join('')
    if (chain !== undefined) tail += `x-amz-trailer-signature:${chain.signTrailer(canonical)}\r\n`
  }
  yield Buffer.concat([last, Buffer.from(`${tail}\r\n`, 'latin1')])
  chain?.close()
}

function scopeOf(timestamp: string, options: SignOptions): CredentialScope {
  return { date: timestamp.slice(0, 8), region: options.region, service: options.service ?? 's3' }
}

function signatureOf(timestamp: string, scope: CredentialScope, canonical: string, secret: Uint8Array): string {
  const key = deriveSigningKey(secret, scope)
  try {
    return hmacSha256(key, stringToSign(timestamp, formatScope(scope), canonical)).toString('hex')
  } finally {
    key.fill(0)
  }
}

function flatten(headers: SignableHeaders): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = typeof value === 'string' ? value : value.join(',')
  }
  return flat
}

function namesToSign(headers: Readonly<Record<string, string>>): string[] {
  return Object.keys(headers)
    .filter((name) => !neverSigned.has(name))
    .sort()
}
