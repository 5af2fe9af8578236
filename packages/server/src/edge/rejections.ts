/**
 * The answers to what never became a request, as S3 clients read answers: an error document with the ids of the request.
 * Statuses and texts are those of the HTTP edge (`http/src/rejections.ts`).
 *
 * @module
 */
import type { FormatRejection, RejectionCode, RequestIds } from '@strongroom/http'
import { formatError, type S3ErrorCode } from '@strongroom/s3'

const codes: Readonly<Record<RejectionCode, S3ErrorCode>> = {
  'malformed-request': 'BadRequest',
  'headers-too-large': 'RequestHeaderSectionTooLarge',
  'missing-host': 'BadRequest',
  'invalid-host': 'BadRequest',
  'unsupported-transfer-encoding': 'NotImplemented',
  'unsupported-version': 'BadRequest',
  'unsupported-method': 'MethodNotAllowed',
  'expectation-failed': 'BadRequest',
  'header-timeout': 'RequestTimeout',
  'handler-failed': 'InternalError',
}

/** Makes a {@link FormatRejection} for S3 clients. */
export function s3Rejections({ next, hostId }: RequestIds): FormatRejection {
  return (rejection, status, message) => {
    const requestId = next()
    const error = { status, code: codes[rejection], message, fields: {}, headers: {}, isUnexpected: false }
    return {
      status,
      contentType: 'application/xml',
      headers: { 'x-amz-request-id': requestId, 'x-amz-id-2': hostId },
      body: formatError(error, { requestId, hostId }),
    }
  }
}
