/**
 * What the calls on a running upload have in common.
 *
 * @module
 */

import type { UploadTarget } from '@strongroom/engine'
import { checkKmsTransport, parseCustomerKey, parsePartNumber } from '@strongroom/s3'
import type { BucketCall } from './call.ts'

/** The upload that a request is about. The caller zeroes the customer key in it. */
export function uploadTarget(call: BucketCall): UploadTarget {
  const { requester, bucket, name, query, headers, request } = call
  const customerKey = parseCustomerKey(headers, request.secure)
  const uploadId = query.get('uploadId') ?? ''
  return { requester, bucket, name, uploadId, ...(customerKey === undefined ? {} : { customerKey }) }
}

/**
 * Row 2 for parts, which name no encryption of their own: those of an upload under SSE-KMS are not taken over plain HTTP.
 * Costs a look at the upload's record, and that only on connections without TLS.
 *
 * @throws S3Error `InvalidArgument`; EngineError `NoSuchUpload`
 */
export async function checkPartTransport(call: BucketCall, target: UploadTarget): Promise<void> {
  if (call.request.secure) return
  const { upload } = await call.context.engine.listParts({ ...target, after: 0, limit: 0 })
  if ('keyId' in upload.encryption) checkKmsTransport({ secure: false, signed: true })
}

/** @throws S3Error `InvalidArgument` */
export function partNumberOf({ query }: BucketCall): number {
  return parsePartNumber(query.get('partNumber') ?? '')
}
