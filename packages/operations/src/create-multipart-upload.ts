/**
 * CreateMultipartUpload (server-side-encryption.md 1.6.6).
 *
 * @module
 */

import {
  checkObjectLockHeaders,
  formatInitiateResult,
  parseObjectMetadata,
  parseTaggingHeader,
  parseUploadChecksum,
} from '@strongroom/s3'
import { checkAcl } from './acl.ts'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { showEncryption, withCustomerKeys, writeEncryption } from './object-encryption.ts'

export const createMultipartUpload: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  const { headers, bucket, name, requester } = call
  checkAcl(headers, bucket)
  checkObjectLockHeaders(headers)
  const encryption = writeEncryption(call)
  return await withCustomerKeys([encryption], async () => {
    const metadata = parseObjectMetadata(headers)
    const tags = parseTaggingHeader(headers['x-amz-tagging'])
    const checksum = parseUploadChecksum(headers)
    const upload = await call.context.engine.createUpload({
      requester,
      bucket,
      name,
      encryption,
      metadata,
      ...(tags === undefined ? {} : { tags }),
      ...(checksum === undefined ? {} : { checksum }),
    })
    const answer: Record<string, string> = {}
    showEncryption(call, answer, upload.encryption)
    if (upload.checksum !== undefined) {
      answer['x-amz-checksum-algorithm'] = upload.checksum.algorithm
      answer['x-amz-checksum-type'] = upload.checksum.type
    }
    return xmlReply(formatInitiateResult(bucket.name, name, upload.uploadId), answer)
  })
}
