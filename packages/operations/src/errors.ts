/**
 * The answer to a request that failed, whoever found the fault.
 *
 * @module
 */

import { EngineError } from '@strongroom/engine'
import { describeError, type ErrorResponse, formatError } from '@strongroom/s3'
import { SigV4Error } from '@strongroom/sigv4'
import type { Reply, UnexpectedErrorListener } from './call.ts'
import type { RequestLog, S3Request } from './request.ts'
import { s3Error } from './s3-error.ts'

/** Status, headers and document for `error`. HEAD and 304 get no document. */
export function errorReply(
  error: unknown,
  request: S3Request,
  log: RequestLog,
  onUnexpectedError: UnexpectedErrorListener,
): Reply {
  const response = describeError(
    error instanceof SigV4Error ? s3Error(error.code, error.message, error.fields, error) : error,
  )
  log.errorCode = response.code
  if (isFault(error, response)) onUnexpectedError(error, { requestId: request.requestId, ...log })
  const headers = { ...response.headers, ...(error instanceof EngineError ? error.headers : undefined) }
  if (request.method === 'HEAD' || response.status === 304) return { status: response.status, headers }
  const { requestId, hostId, rawPath: resource } = request
  const body = formatError(response, { requestId, hostId, bucket: log.bucket, name: log.name, resource })
  return { status: response.status, headers: { ...headers, 'content-type': 'application/xml' }, body }
}

/**
 * Whether an operator has to hear of it: an error that nobody expects, or a store or a key service that failed and of which
 * the client learns only that it may come again.
 */
export function isFault(
  error: unknown,
  { isUnexpected, status }: Pick<ErrorResponse, 'isUnexpected' | 'status'>,
): boolean {
  return isUnexpected || (faultStatuses.has(status) && error instanceof Error && error.cause !== undefined)
}

const faultStatuses: ReadonlySet<number> = new Set([500, 503, 507])
