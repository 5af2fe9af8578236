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
import type { Listed, ListedPage, ListObjectsInput, NextPage, ObjectSummary } from './contract.ts'
import {
  commonPrefixOf,
  nameOfObjectKey,
  objectTableChunks,
  objectTableKey,
  pageOf,
  successor,
  turnOfOthers,
} from './name-listing.ts'
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

/** Names whose current version is a delete marker that one page goes over at most: it ends early then. */
const usualMaxHidden = 10_000

export interface ListObjectsOptions {
  /** Default 10,000. */
  readonly maxHidden?: number
}

interface Scan {
  readonly records: RecordStore
  readonly snapshot: Snapshot
  readonly input: ListObjectsInput
  readonly bucketId: Uint8Array
  readonly items: Listed<ObjectSummary>[]
  /** Delete markers that may still be gone over. */
  hiddenLeft: number
}

/**
 * A page of current versions and common prefixes. Names whose current version is a delete marker are not there; behind very
 * many of them a page ends early.
 */
export async function listObjects(
  context: ListingContext,
  input: ListObjectsInput,
  { maxHidden = usualMaxHidden }: ListObjectsOptions = {},
): Promise<ListedPage<ObjectSummary>> {
  if (input.limit <= 0) return { items: [], truncated: false }
  const snapshot = context.metadata.snapshot()
  try {
    const bucketId = bucketIdOf(input.bucket)
    const scan: Scan = { records: context.records, snapshot, input, bucketId, items: [], hiddenLeft: maxHidden }
    const next = (await scanBegunPrefix(scan)) ?? (await scanNames(scan))
    return next ? { items: scan.items, truncated: true, next } : pageOf(scan.items, input.limit)
  } finally {
    snapshot.release()
  }
}

/** The rest of the common prefix in which the page before ended. */
async function scanBegunPrefix(scan: Scan): Promise<NextPage | undefined> {
  const { input, bucketId } = scan
  const { after, isWithinPrefix } = input
  if (!isWithinPrefix || after === undefined || !after.startsWith(input.prefix)) return undefined
  const prefix = commonPrefixOf(after, input)
  if (prefix === undefined) return undefined
  return await scanPrefix(scan, objectTableKey(bucketId, prefix), successor(objectTableKey(bucketId, after)))
}

async function scanNames(scan: Scan): Promise<NextPage | undefined> {
  const { records, snapshot, input, bucketId, items } = scan
  const { limit } = input
  if (items.length > limit) return undefined
  const mayHide = input.bucket.versioning !== 'unset'
  for await (const chunk of objectTableChunks(snapshot, bucketId, input, limit + 1 - items.length)) {
    for (const item of chunk.items) {
      if (item.kind === 'entry') {
        const { entry } = item
        const summary = decodeObjectSummary(records.open(entry), nameOfObjectKey(entry.key))
        if (summary) items.push({ kind: 'item', item: summary })
        else scan.hiddenLeft -= 1
      } else if (mayHide) {
        const next = await scanPrefix(scan, item.prefix, item.prefix)
        if (next) return next
      } else {
        items.push({ kind: 'prefix', prefix: nameOfObjectKey(item.prefix) })
      }
      if (items.length > limit) return undefined
      if (scan.hiddenLeft <= 0) {
        return { after: nameOfObjectKey(item.kind === 'entry' ? item.entry.key : item.prefix), isWithinPrefix: false }
      }
    }
  }
  return undefined
}

/** Adds a common prefix if a name below it, from `gte` on, has a current version that is no delete marker. */
async function scanPrefix(scan: Scan, prefix: Uint8Array, from: Uint8Array): Promise<NextPage | undefined> {
  const { records, snapshot, items } = scan
  const lt = prefixEnd(prefix)
  let gte = from
  // Mostly the first name is one.
  for (let limit = 1; ; limit = 200) {
    const entries = await snapshot.list({ gte, lt, limit })
    if (entries.some((entry) => decodeObjectHead(records.open(entry)).kind === 'object')) {
      items.push({ kind: 'prefix', prefix: nameOfObjectKey(prefix) })
      return undefined
    }
    scan.hiddenLeft -= entries.length
    const last = entries.at(-1)
    if (!last || entries.length < limit) return undefined
    if (scan.hiddenLeft <= 0) return { after: nameOfObjectKey(last.key), isWithinPrefix: true }
    gte = successor(last.key)
    await turnOfOthers()
  }
}
