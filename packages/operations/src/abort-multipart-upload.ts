/**
 * AbortMultipartUpload. Needs no key.
 *
 * @module
 */

import type { Operation } from './call.ts'

export const abortMultipartUpload: Operation = {
  action: 's3:AbortMultipartUpload',
  on: 'bucket',
  run: async ({ context, requester, bucket, name, query }) => {
    await context.engine.abortUpload({ requester, bucket, name, uploadId: query.get('uploadId') ?? '' })
    return { status: 204 }
  },
}
