/**
 * The source of CopyObject and UploadPartCopy: where it is, whether it may be read, with which key and on which conditions.
 *
 * @module
 */

import type { CopySource } from '@strongroom/engine'
import { parseCopySource, parseCopySourceConditions, parseCopySourceKey } from '@strongroom/s3'
import { authorise } from './authorise.ts'
import type { BucketCall } from './call.ts'
import { checkReadTransport } from './object-encryption.ts'

/** The caller zeroes the customer key in it. */
export async function copySource(call: BucketCall): Promise<CopySource> {
  const { headers, principal, request } = call
  const reference = parseCopySource(headers['x-amz-copy-source'] ?? '')
  const isSameBucket = reference.bucket === call.bucket.name
  const bucket = isSameBucket ? call.bucket : await call.context.engine.bucket(reference.bucket)
  const action = reference.versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
  authorise(principal, action, bucket, headers['x-amz-source-expected-bucket-owner'])
  const { name, versionId } = reference
  const object = { bucket, name, ...(versionId === undefined ? {} : { versionId }) }
  const conditions = parseCopySourceConditions(headers)
  const customerKey = parseCopySourceKey(headers, request.secure)
  if (customerKey === undefined) await checkReadTransport(call, object)
  return {
    ...object,
    ...(customerKey === undefined ? {} : { customerKey }),
    ...(conditions === undefined ? {} : { conditions }),
  }
}
