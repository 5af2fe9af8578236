/**
 * One request through all that comes before and after its operation. The order of checks is in README.md.
 *
 * @module
 */

import { isAuthorised } from '@strongroom/accounts'
import {
  checkCustomerKeyTransport,
  checkKmsTransport,
  isKmsMethod,
  parseRequestTarget,
  type RequestTarget,
  resolveOperation,
  type S3Operation,
  sseHeaders,
} from '@strongroom/s3'
import { ClaimCache, parseQuery, SigningKeyCache, withHoistedHeaders } from '@strongroom/sigv4'
import { type Authenticated, type AuthenticateOptions, authenticate } from './authenticate.ts'
import { authorise } from './authorise.ts'
import type { Call, Context, Operation, Reply } from './call.ts'
import { DocumentBudget } from './document-budget.ts'
import { errorReply } from './errors.ts'
import { operations } from './operations.ts'
import { postObject } from './post-object.ts'
import type { RequestHeaders, RequestLog, S3Handler, S3Request, S3Response } from './request.ts'
import { s3Error } from './s3-error.ts'

export interface S3HandlerOptions extends Omit<Context, 'compatibility' | 'defaultEncryption' | 'documents' | 'now'> {
  /** Further regions that a signature may name; `''` admits MinIO's admin clients. Default none. */
  readonly otherRegions?: readonly string[]
  /** Domains under which buckets are sub-domains, lower case. Default none. */
  readonly domains?: readonly string[]
  /** Default `aws`. */
  readonly compatibility?: Context['compatibility']
  /** The engine's own setting. Default `sse-s3`. */
  readonly defaultEncryption?: Context['defaultEncryption']
  /** Bytes that documents above 64 KiB may take at a time, over all requests; half of them for one account. Default 64 MiB. */
  readonly documentBytes?: number
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

const usualDocumentBytes = 64 * 1024 * 1024

/** What the handler keeps between requests. */
export interface HandlerState {
  readonly context: Context
  readonly domains: readonly string[]
  readonly authentication: AuthenticateOptions
}

/**
 * Makes the function that answers S3 requests.
 *
 * @example
 * const handle = createS3Handler({ engine, accounts, region: 'us-east-1', onUnexpectedError })
 * const { status, headers, body, log } = await handle(request)
 */
export function createS3Handler(options: S3HandlerOptions): S3Handler {
  const { engine, accounts, region, onUnexpectedError } = options
  const { compatibility = 'aws', defaultEncryption = 'sse-s3', now = Date.now } = options
  const documents = new DocumentBudget(options.documentBytes ?? usualDocumentBytes)
  const state: HandlerState = {
    context: { engine, accounts, region, compatibility, defaultEncryption, documents, now, onUnexpectedError },
    domains: options.domains ?? [],
    authentication: {
      accounts,
      signingKeys: new SigningKeyCache(),
      authorization: { regions: [region, ...(options.otherRegions ?? [])], now, claims: new ClaimCache() },
    },
  }
  return async (request) => {
    const log: RequestLog = {}
    let reply: Reply
    try {
      reply = await answer(state, request, log)
    } catch (error) {
      reply = errorReply(error, request, log, onUnexpectedError)
    }
    return finish(reply, request, log)
  }
}

async function answer(state: HandlerState, request: S3Request, log: RequestLog): Promise<Reply> {
  const target = parseRequestTarget(request.rawPath, request.headers.host, state.domains)
  const [bucketName, name] = namesOf(target)
  if (bucketName !== '') log.bucket = bucketName
  if (name !== '') log.name = name
  const query = parseQuery(request.rawQuery)
  const headers = withHoistedHeaders(request.headers, query)
  const operation = resolveOperation({ method: request.method, target, query, headers })
  log.operation = operation
  checkCustomerKeyTransport(headers, request.secure)
  if (takesKms.has(operation) && isKmsMethod(headers[sseHeaders.sse])) {
    checkKmsTransport({ secure: request.secure, signed: claimsVersion4(headers, query) })
  }
  if (operation === 'PostObject') return await postObject({ state, request, bucketName, log })
  const authenticated = await authenticate(request, query, state.authentication)
  if (authenticated === undefined) throw s3Error('AccessDenied')
  try {
    const call = callOf(state.context, request, operation, authenticated, { query, headers, bucketName, log })
    return await run(operations[operation], call, name)
  } finally {
    authenticated.payload.signing?.signingKey.fill(0)
  }
}

function callOf(
  context: Context,
  request: S3Request,
  operation: S3Operation,
  { principal, payload }: Authenticated,
  { query, headers, bucketName, log }: Pick<Call, 'query' | 'headers' | 'bucketName' | 'log'>,
): Call {
  const { accountId, accessKeyId, isRootAccount } = principal
  log.accountId = accountId
  log.accessKeyId = accessKeyId
  const requester = { accountId, isRootAccount }
  return { context, request, operation, query, headers, principal, requester, payload, bucketName, log }
}

async function run(operation: Operation, call: Call, name: string): Promise<Reply> {
  if (operation.on === 'service') {
    if (!isAuthorised(call.principal, operation.action, {})) throw s3Error('AccessDenied')
    return await operation.run(call)
  }
  const bucket = await call.context.engine.bucket(call.bucketName)
  authorise(call.principal, operation.action, bucket, call.headers['x-amz-expected-bucket-owner'])
  // Spelled out: a spread of this many fields is the most expensive step of a small request.
  const { context, request, query, headers, principal, requester, payload, bucketName, log } = call
  return await operation.run({
    context,
    request,
    operation: call.operation,
    query,
    headers,
    principal,
    requester,
    payload,
    bucketName,
    log,
    bucket,
    name,
  })
}

/** Operations whose headers may ask for SSE-KMS (server-side-encryption.md 1.2). */
const takesKms: ReadonlySet<S3Operation> = new Set<S3Operation>(['CopyObject', 'CreateMultipartUpload', 'PutObject'])

/** Row 3 is told apart from a missing or an old signature before that is judged. */
function claimsVersion4(headers: RequestHeaders, query: ReadonlyMap<string, string>): boolean {
  return headers.authorization?.startsWith('AWS4-') === true || query.has('X-Amz-Algorithm')
}

function namesOf(target: RequestTarget): readonly [bucketName: string, name: string] {
  if (target.level === 'service') return ['', '']
  return [target.bucket, target.level === 'object' ? target.name : '']
}

function finish(reply: Reply, request: S3Request, log: RequestLog): S3Response {
  const headers: Record<string, string> = {
    server: 'Strongroom',
    'x-amz-request-id': request.requestId,
    'x-amz-id-2': request.hostId,
    ...reply.headers,
  }
  const length = reply.contentLength ?? bodyLength(reply)
  if (length !== undefined) headers['content-length'] = String(length)
  const { status, body } = reply
  return { status, headers, ...(body === undefined ? {} : { body }), log }
}

function bodyLength({ body, status }: Reply): number | undefined {
  if (body === undefined) return status === 200 ? 0 : undefined
  if (typeof body === 'string') return Buffer.byteLength(body)
  return body instanceof Uint8Array ? body.length : undefined
}
