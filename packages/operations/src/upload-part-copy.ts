/**
 * UploadPartCopy (server-side-encryption.md 1.6.8).
 *
 * @module
 */

import { formatCopyResult, parseCopySourceRange } from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { copySource } from './copy-source.ts'
import { refusePartEncryption, showEncryption, withCustomerKeys } from './object-encryption.ts'
import { checkPartTransport, partNumberOf, uploadTarget } from './upload-target.ts'

export const uploadPartCopy: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  refusePartEncryption(call)
  const partNumber = partNumberOf(call)
  const range = parseCopySourceRange(call.headers['x-amz-copy-source-range'])
  const target = uploadTarget(call)
  return await withCustomerKeys([target.customerKey], async () => {
    await checkPartTransport(call, target)
    const source = await copySource(call)
    return await withCustomerKeys([source.customerKey], async () => {
      const input = { ...target, partNumber, source, ...(range === undefined ? {} : { range }) }
      const part = await call.context.engine.uploadPartCopy(input)
      const answer: Record<string, string> = {}
      showEncryption(call, answer, part.encryption)
      if (part.sourceVersionId !== undefined) answer['x-amz-copy-source-version-id'] = part.sourceVersionId
      return xmlReply(formatCopyResult('CopyPartResult', part), answer)
    })
  })
}
