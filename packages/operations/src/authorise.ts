/**
 * May the caller do this with the bucket, and is it the bucket they mean?
 *
 * @module
 */

import { type Action, isAuthorised, type Principal } from '@strongroom/accounts'
import type { Bucket } from '@strongroom/engine'
import { checkExpectedOwner } from '@strongroom/s3'
import { s3Error } from './s3-error.ts'

/**
 * @param expectedOwner `x-amz-expected-bucket-owner`, or its form for the source of a copy
 * @throws EngineError `AccessDenied`; S3Error `InvalidBucketOwnerAWSAccountID`
 */
export function authorise(
  principal: Principal,
  action: Action,
  bucket: Bucket,
  expectedOwner: string | undefined,
): void {
  if (!isAuthorised(principal, action, { bucketOwner: bucket.ownerAccountId })) throw s3Error('AccessDenied')
  checkExpectedOwner(expectedOwner, bucket.ownerAccountId)
}
