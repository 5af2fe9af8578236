/**
 * Reading bucket records, and checking in a commit that a bucket still takes writes.
 *
 * @module
 */

import type { Entry, Snapshot } from '@strongroom/storage'
import { type BucketRecord, decodeBucketRecord, decodeBucketTags, encodeBucketRecord } from './bucket-record.ts'
import { corrupt } from './codec.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { Bucket } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId, idBytes, parseId } from './ids.ts'
import { bucketKey } from './tables.ts'

/** A deletion that takes longer than this was cut short: whoever meets it puts the record back. */
const deletionLimitMs = 60_000

/** Whether a deletion of the bucket or key is under way. */
export function isBeingDeleted(
  context: Pick<EngineContext, 'now'>,
  record: { readonly state: string; readonly stateSinceMs: number },
): boolean {
  return record.state === 'deleting' && context.now() - record.stateSinceMs < deletionLimitMs
}

/** A decoded bucket record and what was made of it. */
interface CachedBucket {
  readonly record: BucketRecord
  bucket?: Bucket
}

/** Ids of the buckets that are at hand: every request needs its bucket's several times. */
const bucketIds = new WeakMap<Bucket, Buffer>()

/** A bucket's id as bytes, which are not to be changed. */
export function bucketIdOf(bucket: Bucket): Buffer {
  const known = bucketIds.get(bucket)
  if (known) return known
  const id = parseId(bucket.id, idBytes) ?? corrupt('not the id of a bucket')
  bucketIds.set(bucket, id)
  return id
}

/** The record at `entry`; its tags may be in overflow chunks. */
export function bucketRecordOf(context: EngineContext, entry: Entry): BucketRecord {
  return cachedBucket(context, entry).record
}

/** The bucket as the contract has it. */
export async function bucketOf(context: EngineContext, snapshot: Snapshot, entry: Entry): Promise<Bucket> {
  const cached = cachedBucket(context, entry)
  if (cached.bucket) return cached.bucket
  const { name, ownerAccountId, createdAtMs, versioning, encryption, tags, overflow } = cached.record
  const { publicAccessBlock, objectOwnership } = cached.record
  const allTags = overflow ? decodeBucketTags(await context.records.overflow(snapshot, overflow)) : tags
  const [id] = bucketKey.decode(entry.key)
  cached.bucket = {
    id: formatId(id),
    name,
    ownerAccountId,
    createdAtMs,
    versioning,
    ...(encryption ? { encryption } : undefined),
    ...(allTags ? { tags: allTags } : undefined),
    ...(publicAccessBlock ? { publicAccessBlock } : undefined),
    ...(objectOwnership ? { objectOwnership } : undefined),
    recordVersion: entry.version,
  }
  return cached.bucket
}

/**
 * The bucket's record as it is now, checked by the commit: nothing lands in a bucket that is gone or going.
 *
 * @throws EngineError `NoSuchBucket`, `OperationAborted` while it is being deleted
 */
export async function checkBucket(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  bucketId: Uint8Array,
): Promise<BucketRecord> {
  const key = bucketKey.encode(bucketId)
  const entry = await snapshot.get(key)
  if (!entry) throw new EngineError('NoSuchBucket')
  const record = bucketRecordOf(context, entry)
  draft.check(key, entry)
  if (record.state === 'active') return record
  if (isBeingDeleted(context, record)) throw new EngineError('OperationAborted')
  // Putting the record back in this very commit: should the deletion still be alive, its own check of the record fails.
  const active: BucketRecord = { ...record, state: 'active', stateSinceMs: Math.trunc(context.now()) }
  draft.putRecord(key, encodeBucketRecord(active))
  return active
}

function cachedBucket(context: EngineContext, entry: Entry): CachedBucket {
  return context.records.cached<CachedBucket>(entry, (body) => ({ record: decodeBucketRecord(body) }))
}
