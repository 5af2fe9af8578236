/**
 * CreateBucket.
 *
 * @module
 */

import { EngineError } from '@strongroom/engine'
import { checkAclHeaders, parseCreateBucket, parseCreateBucketHeaders } from '@strongroom/s3'
import type { Call, Operation, Reply } from './call.ts'
import { readDocument } from './document.ts'

export const createBucket: Operation = { action: 's3:CreateBucket', on: 'service', run }

/** The one region where making one's own bucket again succeeds, for the sake of its oldest clients. */
const oldestRegion = 'us-east-1'

async function run(call: Call): Promise<Reply> {
  const { context, headers, requester, bucketName: name } = call
  checkAclHeaders(headers)
  const { objectOwnership } = parseCreateBucketHeaders(headers)
  const { tags } = parseCreateBucket(await readDocument(call), context.region)
  try {
    // In one go: who is told of a failure asks again, and is then told that the bucket is there.
    await context.engine.createBucket({
      requester,
      name,
      ...(objectOwnership === undefined ? {} : { objectOwnership }),
      ...(tags !== undefined && tags.length > 0 ? { tags } : {}),
    })
  } catch (error) {
    const isOwn = error instanceof EngineError && error.code === 'BucketAlreadyOwnedByYou'
    if (!isOwn || context.region !== oldestRegion) throw error
  }
  return { status: 200, headers: { location: `/${name}` } }
}
