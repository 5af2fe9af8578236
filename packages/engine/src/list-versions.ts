/**
 * ListObjectVersions: every version of every name, delete markers included, newest first per name. Names come from the
 * current versions, which stand in `object/…` whatever they are; the versions of a name are one range of `version/…`. An
 * object from before versioning was enabled has its record in `object/…` only.
 *
 * @module
 */

import { prefixEnd, type Snapshot } from '@strongroom/storage'
import { bucketIdOf } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { Listed, ListedPage, ListVersionsInput, VersionSummary } from './contract.ts'
import { summaryOf } from './list-objects.ts'
import { commonPrefixOf, nameOfObjectKey, objectTableChunks, pageOf, turnOfOthers } from './name-listing.ts'
import { decodeObjectHead, type ObjectRecordHead, standardStorageClass } from './object-record.ts'
import { objectKey, versionKey } from './tables.ts'
import { formatVersionId, parseVersionId } from './version-id.ts'

type ListingContext = Pick<EngineContext, 'metadata' | 'records'>

interface Listing {
  readonly context: ListingContext
  readonly snapshot: Snapshot
  readonly bucketId: Uint8Array
  readonly limit: number
  readonly items: Listed<VersionSummary>[]
}

/** Versions read at once. */
const versionChunk = 500

/**
 * A page of versions, delete markers and common prefixes.
 *
 * @throws EngineError `InvalidArgument` for an impossible version id marker
 */
export async function listVersions(
  context: ListingContext,
  input: ListVersionsInput,
): Promise<ListedPage<VersionSummary>> {
  const { bucket, limit, keyMarker, versionIdMarker } = input
  if (limit <= 0) return { items: [], truncated: false }
  const marker = versionIdMarker === undefined ? undefined : parseVersionId(versionIdMarker)
  const snapshot = context.metadata.snapshot()
  try {
    const bucketId = bucketIdOf(bucket)
    const listing: Listing = { context, snapshot, bucketId, limit, items: [] }
    // A marker below a common prefix stands for the whole prefix, which was given out already.
    const isWithin = keyMarker?.startsWith(input.prefix) && commonPrefixOf(keyMarker, input) === undefined
    if (keyMarker !== undefined && marker !== undefined && isWithin) await addOlder(listing, keyMarker, marker)
    await addNames(listing, input)
    return pageOf(listing.items, limit)
  } finally {
    snapshot.release()
  }
}

async function addNames(listing: Listing, input: ListVersionsInput): Promise<void> {
  const { context, snapshot, bucketId, limit, items } = listing
  if (items.length > limit) return
  const range = { prefix: input.prefix, delimiter: input.delimiter, after: input.keyMarker }
  for await (const chunk of objectTableChunks(snapshot, bucketId, range, limit + 1 - items.length)) {
    for (const item of chunk.items) {
      if (item.kind === 'prefix') {
        items.push({ kind: 'prefix', prefix: nameOfObjectKey(item.prefix) })
      } else {
        const current = decodeObjectHead(context.records.open(item.entry))
        await addVersions(listing, nameOfObjectKey(item.entry.key), current, undefined)
      }
      if (items.length > limit) return
    }
  }
}

/** The versions of the marker's name that are older than the marker's version. */
async function addOlder(listing: Listing, name: string, marker: number | null): Promise<void> {
  const entry = await listing.snapshot.get(objectKey.encode(listing.bucketId, name))
  if (!entry) return
  const current = decodeObjectHead(listing.context.records.open(entry))
  // If the null version is gone meanwhile, so is its place: the name is listed again rather than in part.
  const nullSequence = current.isNull ? current.sequence : current.nullSequence
  await addVersions(listing, name, current, marker ?? nullSequence)
}

/** The versions of a name, newest first; only those below `before`. */
async function addVersions(
  listing: Listing,
  name: string,
  current: ObjectRecordHead,
  before: number | undefined,
): Promise<void> {
  const { context, snapshot, bucketId, limit, items } = listing
  if (!current.inVersions) {
    if (before === undefined || current.sequence < before) items.push(itemOf(name, current, true))
    return
  }
  const lt = prefixEnd(versionKey.prefix(bucketId, name))
  let below = before ?? Number.MAX_SAFE_INTEGER
  while (below > 0 && items.length <= limit) {
    const wanted = Math.min(versionChunk, limit + 1 - items.length)
    const entries = await snapshot.list({ gte: versionKey.encode(bucketId, name, below - 1), lt, limit: wanted })
    for (const entry of entries) {
      const head = decodeObjectHead(context.records.open(entry))
      items.push(itemOf(name, head, head.sequence === current.sequence))
      below = head.sequence
    }
    if (entries.length < wanted) return
    await turnOfOthers()
  }
}

function itemOf(name: string, head: ObjectRecordHead, isLatest: boolean): Listed<VersionSummary> {
  const versionId = formatVersionId(head)
  if (head.kind === 'object') {
    return { kind: 'item', item: { ...summaryOf(name, head), versionId, isLatest, deleteMarker: false } }
  }
  const { lastModifiedMs, ownerAccountId } = head
  const nothing = { etag: '', sizeBytes: 0, storageClass: standardStorageClass }
  const item = { name, ...nothing, lastModifiedMs, ownerAccountId, versionId, isLatest, deleteMarker: true }
  return { kind: 'item', item }
}
