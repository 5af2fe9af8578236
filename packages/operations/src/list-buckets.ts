/**
 * ListBuckets: the buckets of the caller's account.
 *
 * @module
 */

import { formatListBuckets, parseListBuckets } from '@strongroom/s3'
import { type Call, type Operation, type Reply, xmlReply } from './call.ts'

export const listBuckets: Operation = { action: 's3:ListAllMyBuckets', on: 'service', run }

async function run({ context, query, principal }: Call): Promise<Reply> {
  const parameters = parseListBuckets(query)
  const { accountId } = principal
  const { prefix, after, limit, region } = parameters
  const isElsewhere = region !== undefined && region !== context.region
  const listed = isElsewhere
    ? { buckets: [], truncated: false }
    : await context.engine.listBuckets({
        accountId,
        limit,
        ...(prefix === undefined ? {} : { prefix }),
        ...(after === undefined ? {} : { after }),
      })
  return xmlReply(formatListBuckets(accountId, parameters, listed, context.region))
}
