/**
 * PutObject (server-side-encryption.md 1.6.1).
 *
 * @module
 */

import {
  addChecksumHeaders,
  checkObjectLockHeaders,
  parseObjectMetadata,
  parseTaggingHeader,
  parseWriteConditions,
  quoteEtag,
} from '@strongroom/s3'
import { checkAcl } from './acl.ts'
import type { BucketCall, Operation, Reply } from './call.ts'
import { showEncryption, withCustomerKeys, writeEncryption } from './object-encryption.ts'
import { writeBody } from './write-body.ts'

export const putObject: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  const { headers, bucket, name, requester } = call
  checkAcl(headers, bucket)
  checkObjectLockHeaders(headers)
  const encryption = writeEncryption(call)
  return await withCustomerKeys([encryption], async () => {
    const metadata = parseObjectMetadata(headers)
    const tags = parseTaggingHeader(headers['x-amz-tagging'])
    const conditions = parseWriteConditions(headers, call.context.compatibility)
    const body = await writeBody(call)
    const written = await call.context.engine.putObject({
      requester,
      bucket,
      name,
      body,
      encryption,
      metadata,
      ...(tags === undefined ? {} : { tags }),
      ...(conditions === undefined ? {} : { conditions }),
    })
    const answer: Record<string, string> = { etag: quoteEtag(written.etag) }
    showEncryption(call, answer, written.encryption)
    addChecksumHeaders(answer, written.checksum)
    if (written.versionId !== undefined) answer['x-amz-version-id'] = call.log.versionId = written.versionId
    return { status: 200, headers: answer }
  })
}
