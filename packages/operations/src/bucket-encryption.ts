/**
 * GetBucketEncryption, PutBucketEncryption and DeleteBucketEncryption (server-side-encryption.md 2.1, 2.2, AWS column).
 *
 * @module
 */

import type { BucketEncryption } from '@strongroom/engine'
import { formatBucketEncryption, parseBucketEncryption } from '@strongroom/s3'
import { type Context, type Operation, xmlReply } from './call.ts'
import { readDocument } from './document.ts'
import { s3Error } from './s3-error.ts'

export const getBucketEncryption: Operation = {
  action: 's3:GetEncryptionConfiguration',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    const encryption = bucket.encryption ?? deploymentRule(context)
    if (encryption === undefined) throw s3Error('ServerSideEncryptionConfigurationNotFoundError')
    return xmlReply(formatBucketEncryption(encryption))
  },
}

export const putBucketEncryption: Operation = {
  action: 's3:PutEncryptionConfiguration',
  on: 'bucket',
  run: async (call) => {
    // Whether the key exists is not asked: AWS and Ceph take the document, and a write says so (12 no. 24).
    const document = await readDocument(call)
    // No body is no rule (2.2), not a missing body as elsewhere.
    if (document.length === 0) throw s3Error('MalformedXML')
    const encryption = parseBucketEncryption(document)
    await call.context.engine.changeBucket(call.bucket, { encryption })
    return { status: 200 }
  },
}

export const deleteBucketEncryption: Operation = {
  action: 's3:PutEncryptionConfiguration',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    await context.engine.changeBucket(bucket, { encryption: undefined })
    return { status: 204 }
  },
}

/** What counts where no rule was set; Ceph shows only what was set (12 no. 23). */
function deploymentRule({ compatibility, defaultEncryption }: Context): BucketEncryption | undefined {
  if (compatibility === 'ceph' || defaultEncryption === 'none') return undefined
  const algorithm = defaultEncryption === 'sse-kms' ? 'aws:kms' : 'AES256'
  return { algorithm, bucketKeyEnabled: false, blocksSseC: false }
}
