/**
 * UploadPart (server-side-encryption.md 1.6.7).
 *
 * @module
 */

import { addChecksumHeaders, quoteEtag } from '@strongroom/s3'
import type { BucketCall, Operation, Reply } from './call.ts'
import { refusePartEncryption, showEncryption, withCustomerKeys } from './object-encryption.ts'
import { checkPartTransport, partNumberOf, uploadTarget } from './upload-target.ts'
import { writeBody } from './write-body.ts'

export const uploadPart: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  refusePartEncryption(call)
  const partNumber = partNumberOf(call)
  const target = uploadTarget(call)
  return await withCustomerKeys([target.customerKey], async () => {
    await checkPartTransport(call, target)
    const body = await writeBody(call)
    const part = await call.context.engine.uploadPart({ ...target, partNumber, body })
    const answer: Record<string, string> = { etag: quoteEtag(part.etag) }
    showEncryption(call, answer, part.encryption)
    addChecksumHeaders(answer, part.checksum)
    // The type is the upload's, not the part's.
    delete answer['x-amz-checksum-type']
    return { status: 200, headers: answer }
  })
}
