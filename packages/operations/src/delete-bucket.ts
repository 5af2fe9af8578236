/**
 * DeleteBucket.
 *
 * @module
 */

import type { Operation } from './call.ts'

export const deleteBucket: Operation = {
  action: 's3:DeleteBucket',
  on: 'bucket',
  run: async ({ context, bucket }) => {
    await context.engine.deleteBucket(bucket)
    return { status: 204 }
  },
}
