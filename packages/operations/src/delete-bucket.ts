/**
 * DeleteBucket. Unfinished uploads do not keep a bucket, as on AWS: they are aborted when they are all that is left.
 *
 * @module
 */

import { EngineError } from '@strongroom/engine'
import type { BucketCall, Operation } from './call.ts'

export const deleteBucket: Operation = {
  action: 's3:DeleteBucket',
  on: 'bucket',
  run: async (call) => {
    const { context, bucket } = call
    try {
      await context.engine.deleteBucket(bucket)
    } catch (error) {
      const isNotEmpty = error instanceof EngineError && error.code === 'BucketNotEmpty'
      if (!isNotEmpty || !(await abortUploads(call))) throw error
      await context.engine.deleteBucket(await context.engine.bucket(bucket.name))
    }
    return { status: 204 }
  },
}

/** Aborts every upload of a bucket without objects; `false` if it has objects or versions. */
async function abortUploads({ context, requester, bucket: { name } }: BucketCall): Promise<boolean> {
  const { engine } = context
  const bucket = await engine.bucket(name)
  const versions = await engine.listVersions({ bucket, prefix: '', limit: 1 })
  if (versions.items.length > 0) return false
  for (let hasMore = true; hasMore; ) {
    const page = await engine.listUploads({ bucket, prefix: '', limit: 1000 })
    for (const listed of page.items) {
      if (listed.kind === 'item') await abort(engine, { requester, bucket, ...listed.item })
    }
    hasMore = page.truncated
  }
  return true
}

async function abort(
  engine: BucketCall['context']['engine'],
  {
    requester,
    bucket,
    name,
    uploadId,
  }: Pick<BucketCall, 'requester' | 'bucket' | 'name'> & { readonly uploadId: string },
): Promise<void> {
  try {
    await engine.abortUpload({ requester, bucket, name, uploadId })
  } catch (error) {
    // Completed or aborted meanwhile: gone is what it was to be. If it was completed, the bucket is not empty, and says so.
    if (!(error instanceof EngineError && error.code === 'NoSuchUpload')) throw error
  }
}
