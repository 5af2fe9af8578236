/**
 * ListObjects (issue: names in UTF-8 byte order, delimiters by seeks): one range scan over the current versions. Needs no
 * key from the KMS.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { prefixEnd } from '@strongroom/storage'
import { bucketIdOf } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { Listed, ListedPage, ListObjectsInput, ObjectSummary } from './contract.ts'
import { nameOfObjectKey, objectTableChunks, pageOf, successor, turnOfOthers } from './name-listing.ts'
import { decodeObjectHead, decodeObjectSummary, type ObjectVersionHead, standardStorageClass } from './object-record.ts'
import { formatEtag } from './presentation.ts'
import type { RecordStore } from './record-store.ts'

type ListingContext = Pick<EngineContext, 'metadata' | 'records'>

/** What a listing shows of a version. */
export function summaryOf(name: string, head: ObjectVersionHead): ObjectSummary {
  const summary = {
    name,
    etag: formatEtag(head.etag),
    sizeBytes: head.sizeBytes,
    lastModifiedMs: head.lastModifiedMs,
    storageClass: head.storageClass ?? standardStorageClass,
    ownerAccountId: head.ownerAccountId,
  }
  return head.checksum ? { ...summary, checksum: head.checksum } : summary
}

/** A page of current versions and common prefixes. Names whose current version is a delete marker are not there. */
export async function listObjects(
  context: ListingContext,
  input: ListObjectsInput,
): Promise<ListedPage<ObjectSummary>> {
  const { bucket, limit } = input
  if (limit <= 0) return { items: [], truncated: false }
  const snapshot = context.metadata.snapshot()
  try {
    const bucketId = bucketIdOf(bucket)
    const mayHide = bucket.versioning !== 'unset'
    const items: Listed<ObjectSummary>[] = []
    for await (const chunk of objectTableChunks(snapshot, bucketId, input, limit + 1)) {
      for (const item of chunk.items) {
        if (item.kind === 'entry') {
          const { entry } = item
          const summary = decodeObjectSummary(context.records.open(entry), nameOfObjectKey(entry.key))
          if (summary) items.push({ kind: 'item', item: summary })
        } else if (!mayHide || (await holdsObject(context.records, snapshot, item.prefix))) {
          items.push({ kind: 'prefix', prefix: nameOfObjectKey(item.prefix) })
        }
        if (items.length > limit) return pageOf(items, limit)
      }
    }
    return pageOf(items, limit)
  } finally {
    snapshot.release()
  }
}

/** Whether a name below a common prefix has a current version that is no delete marker. Mostly the first one has. */
async function holdsObject(records: RecordStore, snapshot: Snapshot, prefix: Uint8Array): Promise<boolean> {
  const lt = prefixEnd(prefix)
  let gte = prefix
  for (let limit = 1; ; limit = 200) {
    const entries = await snapshot.list({ gte, lt, limit })
    if (entries.some((entry) => decodeObjectHead(records.open(entry)).kind === 'object')) return true
    const last = entries.at(-1)
    if (!last || entries.length < limit) return false
    gte = successor(last.key)
    await turnOfOthers()
  }
}
