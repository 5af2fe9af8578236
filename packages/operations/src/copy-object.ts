/**
 * CopyObject (server-side-encryption.md 1.6.5).
 *
 * @module
 */

import {
  addChecksumHeaders,
  checkObjectLockHeaders,
  formatCopyResult,
  parseChecksumAlgorithm,
  parseDirective,
  parseObjectMetadata,
  parseStorageClass,
  parseTaggingHeader,
  parseWriteConditions,
} from '@strongroom/s3'
import { checkAcl } from './acl.ts'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { copySource } from './copy-source.ts'
import { showEncryption, withCustomerKeys, writeEncryption } from './object-encryption.ts'

export const copyObject: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  const { headers, bucket, name, requester } = call
  checkAcl(headers, bucket)
  checkObjectLockHeaders(headers)
  const encryption = writeEncryption(call)
  return await withCustomerKeys([encryption], async () => {
    const source = await copySource(call)
    return await withCustomerKeys([source.customerKey], async () => {
      const algorithm = parseChecksumAlgorithm(headers['x-amz-checksum-algorithm'])
      const conditions = parseWriteConditions(headers, call.context.compatibility)
      const copied = await call.context.engine.copyObject({
        requester,
        source,
        bucket,
        name,
        encryption,
        ...described(call),
        ...(algorithm === undefined ? {} : { checksumAlgorithm: algorithm }),
        ...(conditions === undefined ? {} : { conditions }),
      })
      const answer: Record<string, string> = {}
      showEncryption(call, answer, copied.encryption)
      addChecksumHeaders(answer, copied.checksum)
      if (copied.versionId !== undefined) answer['x-amz-version-id'] = call.log.versionId = copied.versionId
      if (copied.sourceVersionId !== undefined) answer['x-amz-copy-source-version-id'] = copied.sourceVersionId
      return xmlReply(formatCopyResult('CopyObjectResult', copied), answer)
    })
  })
}

/** Metadata, tags and storage class as far as the directives have them replaced. */
function described({ headers }: BucketCall) {
  const storageClass = headers['x-amz-storage-class']
  const replacesMetadata = parseDirective(headers, 'metadata') === 'REPLACE'
  const replacesTags = parseDirective(headers, 'tagging') === 'REPLACE'
  // Parsed in either case: a malformed header is an error even where it has no effect.
  const tags = parseTaggingHeader(headers['x-amz-tagging'])
  if (storageClass !== undefined) parseStorageClass(storageClass)
  return {
    ...(replacesMetadata ? { metadata: parseObjectMetadata(headers) } : {}),
    ...(storageClass === undefined || replacesMetadata ? {} : { storageClass }),
    ...(replacesTags ? { tags: tags ?? [] } : {}),
  }
}
