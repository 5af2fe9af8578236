/**
 * GetObjectAttributes (server-side-encryption.md 1.6.4): the customer's key is needed and checked.
 *
 * @module
 */

import {
  formatAttributes,
  formatHttpDate,
  parseAttributesRequest,
  parseCustomerKey,
  parseVersionId,
  refuseEncryptionHeaders,
} from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { logEncryption, withCustomerKeys } from './object-encryption.ts'

export const getObjectAttributes: Operation = { action: 's3:GetObjectAttributes', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  const { context, headers, query, requester, bucket, name, log } = call
  refuseEncryptionHeaders(headers)
  const customerKey = parseCustomerKey(headers, call.request.secure)
  return await withCustomerKeys([customerKey], async () => {
    const wanted = parseAttributesRequest(headers)
    const { maxParts, partNumberMarker } = wanted
    const versionId = parseVersionId(query)
    const found = await context.engine.getObjectAttributes({
      requester,
      bucket,
      name,
      maxParts,
      partNumberMarker,
      ...(versionId === undefined ? {} : { versionId }),
      ...(customerKey === undefined ? {} : { customerKey }),
    })
    const { head } = found
    logEncryption(log, head.encryption)
    const answer: Record<string, string> = { 'last-modified': formatHttpDate(head.lastModifiedMs) }
    if (head.versionId !== undefined) answer['x-amz-version-id'] = log.versionId = head.versionId
    return xmlReply(formatAttributes(wanted, found), answer)
  })
}
