/**
 * DeleteObject. Needs no key, and takes no encryption headers (server-side-encryption.md 1.6.13).
 *
 * @module
 */

import { parseDeleteConditions, parseVersionId } from '@strongroom/s3'
import type { BucketCall, Operation, Reply } from './call.ts'

export const deleteObject: Operation = { action: 's3:DeleteObject', on: 'bucket', run }

async function run({ context, headers, query, bucket, name, log }: BucketCall): Promise<Reply> {
  const versionId = parseVersionId(query)
  const conditions = parseDeleteConditions(headers, context.compatibility)
  const deleted = await context.engine.deleteObject({
    bucket,
    name,
    ...(versionId === undefined ? {} : { versionId }),
    ...(conditions === undefined ? {} : { conditions }),
  })
  const answer: Record<string, string> = {}
  if (deleted.versionId !== undefined) answer['x-amz-version-id'] = log.versionId = deleted.versionId
  if (deleted.deleteMarker) answer['x-amz-delete-marker'] = 'true'
  return { status: 204, headers: answer }
}
