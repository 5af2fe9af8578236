/**
 * MinIO's KMS routes, `/minio/kms/v1/…` and the older ones of its admin API, as `mc admin kms` uses them:
 * server-side-encryption.md 7.1, 7.4. Whatever MinIO's admin clients sign comes here; S3 never signs that way.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Accounts, Principal } from '@strongroom/accounts'
import { type Connection, HttpError, type RequestIds, readBody, type TrustedProxies } from '@strongroom/http'
import { isKeyName } from '@strongroom/kms'
import { headerRecord, type RequestLog } from '@strongroom/operations'
import { describeError, formatError } from '@strongroom/s3'
import { parseAuthorization, parseQuery, SigningKeyCache, sha256Hex, verifySignature } from '@strongroom/sigv4'
import type { FinishedRequest } from '../edge/s3-bridge.ts'
import {
  createKey,
  type KmsCall,
  type KmsCallContext,
  KmsCallError,
  keyStatus,
  kmsStatus,
  kmsVersion,
  listKeys,
  unsupported,
} from './kms-calls.ts'

export interface KmsApiOptions extends Omit<KmsCallContext, 'requester'> {
  readonly accounts: Pick<Accounts, 'lookup'>
  readonly region: string
  readonly requestIds: RequestIds
  readonly proxies: TrustedProxies
  /** A request has come; its headers are there. */
  onBegin(): void
  onEnd(request: FinishedRequest): void
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** A fault of ours. */
  onUnexpectedError(error: unknown, requestId: string): void
}

/** What its routes are called in the access log and the metrics: as in MinIO's policies. */
export const kmsApiOperations = [
  'kms:CreateKey',
  'kms:ListKeys',
  'kms:KeyStatus',
  'kms:Status',
  'kms:Version',
  'kms:API',
  'kms:Metrics',
] as const

interface KmsRoute {
  readonly operation: (typeof kmsApiOperations)[number]
  readonly method: 'GET' | 'POST'
  readonly call: KmsCall
  /** The query parameter that it is about. */
  readonly parameter?: string
  /** Without it there is no such route. */
  readonly isRequired?: true
}

const create: KmsRoute = {
  operation: 'kms:CreateKey',
  method: 'POST',
  call: createKey,
  parameter: 'key-id',
  isRequired: true,
}
const list: KmsRoute = {
  operation: 'kms:ListKeys',
  method: 'GET',
  call: listKeys,
  parameter: 'pattern',
  isRequired: true,
}
const status: KmsRoute = { operation: 'kms:KeyStatus', method: 'GET', call: keyStatus, parameter: 'key-id' }

const routes: ReadonlyMap<string, KmsRoute> = new Map<string, KmsRoute>([
  ['/minio/kms/v1/key/create', create],
  ['/minio/kms/v1/key/list', list],
  ['/minio/kms/v1/key/status', status],
  ['/minio/kms/v1/status', { operation: 'kms:Status', method: 'GET', call: kmsStatus }],
  ['/minio/kms/v1/version', { operation: 'kms:Version', method: 'GET', call: kmsVersion }],
  ['/minio/kms/v1/apis', { operation: 'kms:API', method: 'GET', call: unsupported }],
  ['/minio/kms/v1/metrics', { operation: 'kms:Metrics', method: 'GET', call: unsupported }],
  ['/minio/admin/v3/kms/status', { operation: 'kms:Status', method: 'POST', call: kmsStatus }],
  ['/minio/admin/v3/kms/key/create', create],
  ['/minio/admin/v3/kms/key/status', status],
])

/** Whether a request is for this API. */
export const isAdminRequest = ({ url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>): boolean =>
  (url.startsWith('/minio/kms/') || url.startsWith('/minio/admin/')) && hasAdminScope(headers.authorization ?? '')

const credentialField = 'Credential='
const adminCredential = /[^/\s,]+\/\d{8}\/\/s3\/aws4_request/y

/** The region is empty: so sign MinIO's admin clients, and nobody else. Looks once: nobody has signed anything yet. */
function hasAdminScope(authorization: string): boolean {
  const at = authorization.indexOf(credentialField)
  if (at < 0 || !/^AWS4-HMAC-SHA256\s/.test(authorization)) return false
  adminCredential.lastIndex = at + credentialField.length
  return adminCredential.test(authorization)
}

const maxBodyBytes = 65_536

interface Answer {
  readonly status: number
  readonly body: string
  readonly contentType: string
  readonly errorCode?: string
}

/** A request on its way. */
interface Exchange {
  readonly request: IncomingMessage
  readonly path: string
  readonly rawQuery: string
  readonly requestId: string
  /** Filled on the way. */
  readonly log: RequestLog
  bytesIn: number
}

export type KmsApi = (request: IncomingMessage, response: ServerResponse, connection: Connection) => Promise<void>

/** Answers requests for which `isAdminRequest` holds. */
export function createKmsApi(options: KmsApiOptions): KmsApi {
  const signingKeys = new SigningKeyCache()
  return async (request, response, connection) => {
    const startedAt = options.now()
    options.onBegin()
    const { remoteAddress } = options.proxies.resolve(connection, request.headers)
    const exchange = exchangeOf(request, options.requestIds.next())
    const { requestId, log } = exchange
    const answer = await answerTo(exchange, options, signingKeys).catch((error: unknown) =>
      failure(error, exchange, options),
    )
    response
      .writeHead(answer.status, {
        ...(answer.body === '' ? {} : { 'content-type': answer.contentType }),
        'content-length': Buffer.byteLength(answer.body),
        'cache-control': 'no-store',
        server: 'Strongroom',
        'x-amz-request-id': requestId,
        'x-amz-id-2': options.requestIds.hostId,
      })
      .end(answer.body)
    if (answer.errorCode !== undefined) log.errorCode = answer.errorCode
    const durationMs = options.now() - startedAt
    options.onEnd({
      requestId,
      method: request.method ?? '',
      target: request.url ?? '',
      status: answer.status,
      bytesIn: exchange.bytesIn,
      bytesOut: Buffer.byteLength(answer.body),
      durationMs,
      ttfbMs: durationMs,
      remoteAddress,
      log,
    })
  }
}

function exchangeOf(request: IncomingMessage, requestId: string): Exchange {
  const [path = '', rawQuery = ''] = (request.url ?? '').split(/\?(.*)/s)
  return { request, path, rawQuery, requestId, log: {}, bytesIn: 0 }
}

async function answerTo(exchange: Exchange, options: KmsApiOptions, signingKeys: SigningKeyCache): Promise<Answer> {
  const { request, path, rawQuery, log } = exchange
  const query = parseQuery(rawQuery)
  const route = routes.get(path)
  const isMissing =
    route === undefined ||
    request.method !== route.method ||
    (route.isRequired === true && route.parameter !== undefined && !query.has(route.parameter))
  if (isMissing) return unrouted(exchange, options)
  log.operation = route.operation
  const parameter = (route.parameter === undefined ? undefined : query.get(route.parameter)) ?? ''
  const principal = await authenticate(exchange, query, options, signingKeys)
  if (route.parameter === 'key-id' && isKeyName(parameter)) log.keyId = parameter
  // Keys are the deployment's: its first account administers them.
  if (!principal.isRootAccount) return errorJson({ status: 403, ...denied }, exchange, options)
  const requester = { accountId: principal.accountId, isRootAccount: true }
  const result = await route.call({ ...options, requester }, parameter)
  return { status: 200, contentType: 'application/json', body: result === undefined ? '' : JSON.stringify(result) }
}

async function authenticate(
  exchange: Exchange,
  query: ReadonlyMap<string, string>,
  { accounts, region }: KmsApiOptions,
  signingKeys: SigningKeyCache,
): Promise<Principal> {
  const { request, path, rawQuery, log } = exchange
  const signed = { method: request.method ?? '', rawPath: path, rawQuery, headers: headerRecord(request.rawHeaders) }
  const claim = parseAuthorization(signed, query, { regions: [region, ''] })
  if (claim === undefined || claim.kind !== 'header') throw new KmsApiError(403, denied.code, denied.message)
  // No temporary credentials are given out.
  const credential = claim.securityToken === undefined ? await accounts.lookup(claim.accessKeyId) : undefined
  if (credential === undefined) throw new KmsApiError(403, 'InvalidAccessKeyId', unknownAccessKey)
  try {
    verifySignature(claim, signed, signingKeys.get(claim.accessKeyId, credential.secret, claim.scope))
  } finally {
    credential.secret.fill(0)
  }
  log.accountId = credential.principal.accountId
  log.accessKeyId = credential.principal.accessKeyId
  const body = await readBody(request, maxBodyBytes)
  exchange.bytesIn = body.length
  if (claim.payloadHash !== 'UNSIGNED-PAYLOAD' && sha256Hex(body) !== claim.payloadHash) {
    throw new KmsApiError(400, 'XAmzContentSHA256Mismatch', badHash)
  }
  return credential.principal
}

const unknownAccessKey = 'The Access Key Id you provided does not exist in our records.'
const badHash = "The provided 'x-amz-content-sha256' header does not match what was computed."
const denied = { code: 'AccessDenied', message: 'Access Denied.' } as const

/** An error of this API itself. */
class KmsApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

interface ErrorFacts {
  readonly status: number
  readonly code: string
  readonly message: string
}

function errorJson(
  { status, code, message }: ErrorFacts,
  { path, requestId }: Pick<Exchange, 'path' | 'requestId'>,
  { requestIds }: Pick<KmsApiOptions, 'requestIds'>,
): Answer {
  const body = { Code: code, Message: message, Resource: path, RequestId: requestId, HostId: requestIds.hostId }
  return { status, contentType: 'application/json', body: `${JSON.stringify(body)}\n`, errorCode: code }
}

const internal = (text: string): ErrorFacts => ({
  status: 500,
  code: 'InternalError',
  message: `We encountered an internal error, please try again.${text === '' ? '' : ` (${text})`}`,
})

/** As MinIO: whatever the KMS refuses is an internal error with its text, so that `mc` does not repeat it for a minute. */
function failure(error: unknown, at: Pick<Exchange, 'path' | 'requestId'>, options: KmsApiOptions): Answer {
  if (error instanceof KmsCallError) return errorJson(internal(error.message), at, options)
  if (error instanceof KmsApiError) return errorJson(error, at, options)
  if (error instanceof HttpError)
    return errorJson({ status: 400, code: 'BadRequest', message: error.message }, at, options)
  const described = describeError(error)
  if (!described.isUnexpected) return errorJson(described, at, options)
  options.onUnexpectedError(error, at.requestId)
  return errorJson(internal(''), at, options)
}

/** 426 makes newer admin clients ask again with the version that is there. */
function unrouted({ request, path, requestId }: Exchange, options: KmsApiOptions): Answer {
  if (path.startsWith('/minio/admin/')) {
    const version = /^\/minio\/admin\/(v\d+)\//.exec(path)?.[1] ?? ''
    const code = 'XMinioAdminVersionMismatch'
    return errorJson({ status: 426, code, message: versionText(version) }, { path, requestId }, options)
  }
  const message = `An unsupported API call for method: ${request.method} at '${path}'`
  const errorCode = 'BadRequest'
  const described = { status: 400, code: errorCode, message, fields: {}, headers: {}, isUnexpected: false }
  const { hostId } = options.requestIds
  return { status: 400, contentType: 'application/xml', body: formatError(described, { requestId, hostId }), errorCode }
}

function versionText(version: string): string {
  if (version === 'v1' || version === 'v2') {
    return `Server expects client requests with 'admin' API version 'v3', found '${version}', please upgrade the client to latest releases`
  }
  if (version !== 'v3' && version !== '') {
    return `Unexpected client 'admin' API version found '${version}', expected 'v3', please downgrade the client to older releases`
  }
  return "This 'admin' API is not supported by server in 'mode-server-xl-single'"
}
