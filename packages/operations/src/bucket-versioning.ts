/**
 * GetBucketVersioning and PutBucketVersioning.
 *
 * @module
 */

import { formatVersioning, parseVersioning } from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'
import { readDocument } from './document.ts'

export const getBucketVersioning: Operation = {
  action: 's3:GetBucketVersioning',
  on: 'bucket',
  run: async ({ bucket }) => xmlReply(formatVersioning(bucket.versioning)),
}

export const putBucketVersioning: Operation = {
  action: 's3:PutBucketVersioning',
  on: 'bucket',
  run: async (call) => {
    const versioning = parseVersioning(await readDocument(call))
    await call.context.engine.changeBucket(call.bucket, { versioning })
    return { status: 200 }
  },
}
