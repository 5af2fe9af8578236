/**
 * Public access block and object ownership of a bucket. Nobody but the owner's account reaches a bucket at all, so every
 * promise that these settings make is kept; what they change is the answer to who asks for a public access control list.
 *
 * @module
 */

import {
  formatOwnershipControls,
  formatPublicAccessBlock,
  parseOwnershipControls,
  parsePublicAccessBlock,
} from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'
import { readDocument } from './document.ts'
import { s3Error } from './s3-error.ts'

export const getPublicAccessBlock: Operation = {
  action: 's3:GetBucketPublicAccessBlock',
  on: 'bucket',
  run: async ({ bucket }) => {
    if (bucket.publicAccessBlock === undefined) throw s3Error('NoSuchPublicAccessBlockConfiguration')
    return xmlReply(formatPublicAccessBlock(bucket.publicAccessBlock))
  },
}

export const putPublicAccessBlock: Operation = {
  action: 's3:PutBucketPublicAccessBlock',
  on: 'bucket',
  run: async (call) => {
    const publicAccessBlock = parsePublicAccessBlock(await readDocument(call))
    await call.context.engine.changeBucket(call.bucket, { publicAccessBlock })
    return { status: 200 }
  },
}

export const deletePublicAccessBlock: Operation = {
  action: 's3:PutBucketPublicAccessBlock',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    await context.engine.changeBucket(bucket, { publicAccessBlock: undefined })
    return { status: 204 }
  },
}

export const getBucketOwnershipControls: Operation = {
  action: 's3:GetBucketOwnershipControls',
  on: 'bucket',
  run: async ({ bucket }) => {
    if (bucket.objectOwnership === undefined) throw s3Error('OwnershipControlsNotFoundError')
    return xmlReply(formatOwnershipControls(bucket.objectOwnership))
  },
}

export const putBucketOwnershipControls: Operation = {
  action: 's3:PutBucketOwnershipControls',
  on: 'bucket',
  run: async (call) => {
    const objectOwnership = parseOwnershipControls(await readDocument(call))
    await call.context.engine.changeBucket(call.bucket, { objectOwnership })
    return { status: 200 }
  },
}

export const deleteBucketOwnershipControls: Operation = {
  action: 's3:PutBucketOwnershipControls',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    await context.engine.changeBucket(bucket, { objectOwnership: undefined })
    return { status: 204 }
  },
}
