/**
 * The operations of object lock, which no bucket has: they answer as Amazon S3 does for a bucket without it.
 *
 * @module
 */

import type { Operation } from './call.ts'
import { s3Error } from './s3-error.ts'

export const getObjectLockConfiguration: Operation = {
  action: 's3:GetBucketObjectLockConfiguration',
  on: 'bucket',
  run: async () => {
    throw s3Error('ObjectLockConfigurationNotFoundError')
  },
}

export const putObjectLockConfiguration: Operation = {
  action: 's3:PutBucketObjectLockConfiguration',
  on: 'bucket',
  run: async ({ bucket }) => {
    if (bucket.versioning === 'enabled') throw s3Error('NotImplemented', 'Object lock is not implemented')
    const message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
    throw s3Error('InvalidBucketState', message)
  },
}

function withoutLock(action: Operation['action']): Operation {
  return {
    action,
    on: 'bucket',
    run: async () => {
      throw s3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration')
    },
  }
}

export const getObjectLegalHold = withoutLock('s3:GetObjectLegalHold')
export const getObjectRetention = withoutLock('s3:GetObjectRetention')
export const putObjectLegalHold = withoutLock('s3:PutObjectLegalHold')
export const putObjectRetention = withoutLock('s3:PutObjectRetention')
