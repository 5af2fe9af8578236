/**
 * CompleteMultipartUpload (server-side-encryption.md 1.6.9). Encryption headers are let pass: `mc` sends them.
 *
 * @module
 */

import {
  formatCompleteResult,
  maxCompleteDocumentBytes,
  parseChecksumType,
  parseComplete,
  parseCompleteChecksum,
  parseInteger,
  parseWriteConditions,
} from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { pause, withDocument } from './document.ts'
import { requestLocation } from './location.ts'
import { showEncryption, withCustomerKeys } from './object-encryption.ts'
import { uploadTarget } from './upload-target.ts'

export const completeMultipartUpload: Operation = { action: 's3:PutObject', on: 'bucket', run }

async function run(call: BucketCall): Promise<Reply> {
  const { headers, request, bucket, name } = call
  const target = uploadTarget(call)
  return await withCustomerKeys([target.customerKey], async () => {
    const conditions = parseWriteConditions(headers, call.context.compatibility)
    // A checksum header is that of the object, not of the document.
    const checksum = parseCompleteChecksum(headers)
    const checksumType = parseChecksumType(headers['x-amz-checksum-type'])
    const size = headers['x-amz-mp-object-size']
    const options = { limitBytes: maxCompleteDocumentBytes, digest: 'none' } as const
    const parts = await withDocument(call, options, (document) => parseComplete(document, pause))
    const written = await call.context.engine.completeUpload({
      ...target,
      parts,
      ...(conditions === undefined ? {} : { conditions }),
      ...(checksum === undefined ? {} : { checksum: checksum.value }),
      ...(checksumType === undefined ? {} : { checksumType }),
      ...(size === undefined ? {} : { sizeBytes: parseInteger(size, 'x-amz-mp-object-size') }),
    })
    const answer: Record<string, string> = {}
    showEncryption(call, answer, written.encryption)
    if (written.versionId !== undefined) answer['x-amz-version-id'] = call.log.versionId = written.versionId
    const location = requestLocation(request)
    return xmlReply(formatCompleteResult({ ...written, location, bucket: bucket.name, name }), answer)
  })
}
