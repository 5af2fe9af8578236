/**
 * ListParts and ListMultipartUploads (server-side-encryption.md 1.6.10). Neither needs the KMS.
 *
 * @module
 */

import { formatListParts, formatListUploads, parseListParts, parseListUploads } from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'
import { withCustomerKeys } from './object-encryption.ts'
import { uploadTarget } from './upload-target.ts'

export const listParts: Operation = {
  action: 's3:ListMultipartUploadParts',
  on: 'bucket',
  run: async (call) => {
    const parameters = parseListParts(call.query)
    const target = uploadTarget(call)
    return await withCustomerKeys([target.customerKey], async () => {
      const listed = await call.context.engine.listParts({ ...target, ...parameters })
      return xmlReply(formatListParts(call.bucket.name, parameters, listed))
    })
  },
}

export const listMultipartUploads: Operation = {
  action: 's3:ListBucketMultipartUploads',
  on: 'bucket',
  run: async ({ context, bucket, query }) => {
    const parameters = parseListUploads(query)
    const { prefix, delimiter, limit, keyMarker, uploadIdMarker } = parameters
    const page = await context.engine.listUploads({
      bucket,
      prefix,
      limit,
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(keyMarker === undefined ? {} : { keyMarker }),
      ...(uploadIdMarker === undefined ? {} : { uploadIdMarker }),
    })
    return xmlReply(formatListUploads(bucket.name, parameters, page))
  },
}
