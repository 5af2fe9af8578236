/**
 * GetBucketTagging, PutBucketTagging and DeleteBucketTagging.
 *
 * @module
 */

import { formatTagging, parseTagging } from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'
import { readDocument } from './document.ts'
import { s3Error } from './s3-error.ts'

export const getBucketTagging: Operation = {
  action: 's3:GetBucketTagging',
  on: 'bucket',
  run: async ({ bucket }) => {
    if (bucket.tags === undefined) throw s3Error('NoSuchTagSet')
    return xmlReply(formatTagging(bucket.tags))
  },
}

export const putBucketTagging: Operation = {
  action: 's3:PutBucketTagging',
  on: 'bucket',
  run: async (call) => {
    const tags = parseTagging(await readDocument(call), 'bucket')
    await call.context.engine.changeBucket(call.bucket, { tags })
    return { status: 204 }
  },
}

export const deleteBucketTagging: Operation = {
  action: 's3:PutBucketTagging',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    await context.engine.changeBucket(bucket, { tags: undefined })
    return { status: 204 }
  },
}
