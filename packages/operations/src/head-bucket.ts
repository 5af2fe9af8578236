/**
 * HeadBucket and GetBucketLocation: is it there, and where.
 *
 * @module
 */

import { formatLocation } from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'

export const headBucket: Operation = {
  action: 's3:ListBucket',
  on: 'bucket',
  run: async ({ context }) => ({
    status: 200,
    headers: { 'x-amz-bucket-region': context.region, 'x-amz-access-point-alias': 'false' },
  }),
}

export const getBucketLocation: Operation = {
  action: 's3:GetBucketLocation',
  on: 'bucket',
  run: async ({ context }) => xmlReply(formatLocation(context.region)),
}
