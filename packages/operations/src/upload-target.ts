/**
 * What the calls on a running upload have in common.
 *
 * @module
 */

import type { UploadTarget } from '@strongroom/engine'
import { parseCustomerKey, parsePartNumber } from '@strongroom/s3'
import type { BucketCall } from './call.ts'

/** The upload that a request is about. The caller zeroes the customer key in it. */
export function uploadTarget(call: BucketCall): UploadTarget {
  const { requester, bucket, name, query, headers, request } = call
  const customerKey = parseCustomerKey(headers, request.secure)
  const uploadId = query.get('uploadId') ?? ''
  return { requester, bucket, name, uploadId, ...(customerKey === undefined ? {} : { customerKey }) }
}

/** @throws S3Error `InvalidArgument` */
export function partNumberOf({ query }: BucketCall): number {
  return parsePartNumber(query.get('partNumber') ?? '')
}
