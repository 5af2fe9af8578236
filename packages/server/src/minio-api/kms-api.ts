/**
 * MinIO's KMS routes, `/minio/kms/v1/…` and the older ones of its admin API, as `mc admin kms` uses them:
 * server-side-encryption.md 7.1, 7.4. Whatever MinIO's admin clients sign comes here; S3 never signs that way.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Accounts, Principal } from '@strongroom/accounts'
import { HttpError, type RequestIds, readBody } from '@strongroom/http'
import { headerRecord } from '@strongroom/operations'
import { describeError, formatError } from '@strongroom/s3'
import { parseAuthorization, parseQuery, SigningKeyCache, sha256Hex, verifySignature } from '@strongroom/sigv4'
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
  /** A fault of ours. */
  onUnexpectedError(error: unknown, requestId: string): void
}

interface KmsRoute {
  readonly method: 'GET' | 'POST'
  readonly call: KmsCall
  /** The query parameter that it is about. */
  readonly parameter?: string
  /** Without it there is no such route. */
  readonly isRequired?: true
}

const create: KmsRoute = { method: 'POST', call: createKey, parameter: 'key-id', isRequired: true }
const status: KmsRoute = { method: 'GET', call: keyStatus, parameter: 'key-id' }

const routes: ReadonlyMap<string, KmsRoute> = new Map<string, KmsRoute>([
  ['/minio/kms/v1/key/create', create],
  ['/minio/kms/v1/key/list', { method: 'GET', call: listKeys, parameter: 'pattern', isRequired: true }],
  ['/minio/kms/v1/key/status', status],
  ['/minio/kms/v1/status', { method: 'GET', call: kmsStatus }],
  ['/minio/kms/v1/version', { method: 'GET', call: kmsVersion }],
  ['/minio/kms/v1/apis', { method: 'GET', call: unsupported }],
  ['/minio/kms/v1/metrics', { method: 'GET', call: unsupported }],
  ['/minio/admin/v3/kms/status', { method: 'POST', call: kmsStatus }],
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
}

/** A request on its way. */
interface Exchange {
  readonly request: IncomingMessage
  readonly path: string
  readonly rawQuery: string
  readonly query: ReadonlyMap<string, string>
  readonly requestId: string
}

export type KmsApi = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Answers requests for which `isAdminRequest` holds. */
export function createKmsApi(options: KmsApiOptions): KmsApi {
  const signingKeys = new SigningKeyCache()
  return async (request, response) => {
    const requestId = options.requestIds.next()
    const [path = '', rawQuery = ''] = (request.url ?? '').split(/\?(.*)/s)
    let answer: Answer
    try {
      const exchange = { request, path, rawQuery, query: parseQuery(rawQuery), requestId }
      answer = await answerTo(exchange, options, signingKeys)
    } catch (error) {
      answer = failure(error, { path, requestId }, options)
    }
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
  }
}

async function answerTo(exchange: Exchange, options: KmsApiOptions, signingKeys: SigningKeyCache): Promise<Answer> {
  const { request, path, query } = exchange
  const route = routes.get(path)
  const isMissing =
    route === undefined ||
    request.method !== route.method ||
    (route.isRequired === true && route.parameter !== undefined && !query.has(route.parameter))
  if (isMissing) return unrouted(exchange, options)
  const principal = await authenticate(exchange, options, signingKeys)
  // Keys are the deployment's: its first account administers them.
  if (!principal.isRootAccount) return errorJson({ status: 403, ...denied }, exchange, options)
  const requester = { accountId: principal.accountId, isRootAccount: true }
  const parameter = (route.parameter === undefined ? undefined : query.get(route.parameter)) ?? ''
  const result = await route.call({ ...options, requester }, parameter)
  return { status: 200, contentType: 'application/json', body: result === undefined ? '' : JSON.stringify(result) }
}

async function authenticate(
  { request, path, rawQuery, query }: Exchange,
  { accounts, region }: KmsApiOptions,
  signingKeys: SigningKeyCache,
): Promise<Principal> {
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
  const body = await readBody(request, maxBodyBytes)
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
  return { status, contentType: 'application/json', body: `${JSON.stringify(body)}\n` }
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
  const described = { status: 400, code: 'BadRequest', message, fields: {}, headers: {}, isUnexpected: false }
  const { hostId } = options.requestIds
  return { status: 400, contentType: 'application/xml', body: formatError(described, { requestId, hostId }) }
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
