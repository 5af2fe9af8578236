/**
 * Making, finding, changing and deleting buckets (issue 3 section 3).
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { bucketIdOf, bucketOf, bucketRecordOf, isBeingDeleted } from './bucket-access.ts'
import { type BucketRecord, encodeBucketRecord, encodeBucketTags } from './bucket-record.ts'
import { corrupt } from './codec.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { Bucket, BucketChange, Engine } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { idBytes } from './ids.ts'
import { maxBodyBytes, splitOverflow } from './record-store.ts'
import {
  bucketKey,
  bucketNameKey,
  manifestKey,
  objectKey,
  ownedBucketKey,
  rangeOf,
  uploadKey,
  versionKey,
} from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Makes a bucket with all that is asked for, or none. @throws EngineError `BucketAlreadyOwnedByYou`, `BucketAlreadyExists` */
export async function createBucket(
  context: EngineContext,
  { requester, name, objectOwnership, tags }: Parameters<Engine['createBucket']>[0],
): Promise<Bucket> {
  const id = Buffer.from(context.random(idBytes))
  await context.commits.run(async (snapshot, draft) => {
    const nameAt = bucketNameKey.encode(name)
    const taken = await snapshot.get(nameAt)
    if (taken) {
      const entry = await snapshot.get(bucketKey.encode(taken.value))
      const isOwn = entry !== undefined && bucketRecordOf(context, entry).ownerAccountId === requester.accountId
      throw new EngineError(isOwn ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', { fields: { BucketName: name } })
    }
    const nowMs = Math.trunc(context.now())
    const record: BucketRecord = {
      name,
      ownerAccountId: requester.accountId,
      createdAtMs: nowMs,
      state: 'active',
      stateSinceMs: nowMs,
      versioning: 'unset',
      ...(objectOwnership ? { objectOwnership } : undefined),
    }
    draft.check(nameAt, undefined).putRaw(nameAt, id)
    draft.putRaw(ownedBucketKey.encode(requester.accountId, name), id)
    putChanged(context, draft, bucketKey.encode(id), record, { tags })
  })
  return bucket(context, name)
}

/** @throws EngineError `NoSuchBucket` */
export async function bucket(context: EngineContext, name: string): Promise<Bucket> {
  return withSnapshot(context, async (snapshot) => {
    // A bucket keeps its name for life, so a remembered id is right if its record is still there.
    const remembered = context.bucketIds.get(name)
    const known = remembered && (await snapshot.get(bucketKey.encode(remembered)))
    if (known) return bucketOf(context, snapshot, known)
    const id = await snapshot.get(bucketNameKey.encode(name))
    const entry = id && (await snapshot.get(bucketKey.encode(id.value)))
    if (!id || !entry) throw new EngineError('NoSuchBucket', { fields: { BucketName: name } })
    // The entry of the name is not sealed: one that leads to another bucket must not pass that one's objects off as these.
    if (bucketRecordOf(context, entry).name !== name) corrupt('the name of a bucket leads to another one')
    context.bucketIds.set(name, Buffer.from(id.value))
    return bucketOf(context, snapshot, entry)
  })
}

/** The buckets of an account, by name. */
export async function listBuckets(
  context: EngineContext,
  { accountId, prefix = '', after, limit }: Parameters<Engine['listBuckets']>[0],
): Promise<{ readonly buckets: readonly Bucket[]; readonly truncated: boolean }> {
  return withSnapshot(context, async (snapshot) => {
    const { gte, lt } = rangeOf(ownedBucketKey.encode(accountId, prefix))
    const from = after === undefined ? gte : Buffer.concat([ownedBucketKey.encode(accountId, after), Buffer.of(0)])
    const start = Buffer.compare(from, gte) > 0 ? from : gte
    if (Buffer.compare(start, lt) >= 0) return { buckets: [], truncated: false }
    const owned = await snapshot.list({ gte: start, lt, limit: limit + 1 })
    const entries = await snapshot.getMany(owned.slice(0, limit).map((entry) => bucketKey.encode(entry.value)))
    const buckets: Bucket[] = []
    for (const [index, entry] of entries.entries()) {
      const at = owned[index]
      if (!entry || !at) continue
      const bucket = await bucketOf(context, snapshot, entry)
      // Not sealed either: only the bucket's record says whose it is.
      const own = ownedBucketKey.encode(bucket.ownerAccountId, bucket.name)
      if (Buffer.compare(own, at.key) === 0) buckets.push(bucket)
    }
    return { buckets, truncated: owned.length > limit }
  })
}

/** Changes one setting of a bucket, whatever else changed meanwhile. @throws EngineError `NoSuchBucket` */
export async function changeBucket(context: EngineContext, target: Bucket, change: BucketChange): Promise<Bucket> {
  const id = bucketIdOf(target)
  const key = bucketKey.encode(id)
  await context.commits.run(async (snapshot, draft) => {
    const entry = await snapshot.get(key)
    if (!entry) throw new EngineError('NoSuchBucket')
    const record = bucketRecordOf(context, entry)
    if (isBeingDeleted(context, record)) throw new EngineError('OperationAborted')
    draft.check(key, entry)
    putChanged(context, draft, key, { ...record, state: 'active' }, change)
  })
  return withSnapshot(context, async (snapshot) => {
    const entry = await snapshot.get(key)
    if (!entry) throw new EngineError('NoSuchBucket')
    return bucketOf(context, snapshot, entry)
  })
}

function putChanged(
  context: EngineContext,
  draft: CommitDraft,
  key: Uint8Array,
  record: BucketRecord,
  change: BucketChange,
): void {
  if ('versioning' in change) {
    draft.putRecord(key, encodeBucketRecord({ ...record, versioning: change.versioning }))
    return
  }
  if ('encryption' in change) {
    const { encryption: _, ...rest } = record
    draft.putRecord(key, encodeBucketRecord(change.encryption ? { ...rest, encryption: change.encryption } : rest))
    return
  }
  if ('publicAccessBlock' in change) {
    const { publicAccessBlock: _, ...rest } = record
    const { publicAccessBlock } = change
    draft.putRecord(key, encodeBucketRecord(publicAccessBlock ? { ...rest, publicAccessBlock } : rest))
    return
  }
  if ('objectOwnership' in change) {
    const { objectOwnership: _, ...rest } = record
    const { objectOwnership } = change
    draft.putRecord(key, encodeBucketRecord(objectOwnership ? { ...rest, objectOwnership } : rest))
    return
  }
  const { tags: _tags, overflow: _overflow, ...rest } = record
  deleteOverflow(draft, record)
  const { tags } = change
  const body = encodeBucketRecord(tags ? { ...rest, tags } : rest)
  if (body.length <= maxBodyBytes || !tags) {
    draft.putRecord(key, body)
    return
  }
  const split = splitOverflow(encodeBucketTags(tags), context.random)
  draft.putRecord(key, encodeBucketRecord({ ...rest, overflow: split.overflow }))
  for (const chunk of split.chunks) draft.putRecord(chunk.key, chunk.body)
}

/**
 * Deletes an empty bucket. First the record says `deleting`, so that nothing lands any more; only then is it looked
 * whether anything is there: a listing alone could be overtaken (DESIGN 4).
 *
 * @throws EngineError `BucketNotEmpty`, `NoSuchBucket`, `OperationAborted`
 */
export async function deleteBucket(context: EngineContext, target: Bucket): Promise<void> {
  const id = bucketIdOf(target)
  const key = bucketKey.encode(id)
  await setState(context, id, 'deleting')
  const emptyAt = await withSnapshot(context, async (snapshot) => {
    const entry = await snapshot.get(key)
    const isEmpty = entry !== undefined && (await holdsNothing(snapshot, id))
    return isEmpty ? entry.version : undefined
  })
  if (emptyAt === undefined) {
    await setState(context, id, 'active')
    throw new EngineError('BucketNotEmpty', { fields: { BucketName: target.name } })
  }
  await context.commits.run(async (snapshot, draft) => {
    const entry = await snapshot.get(key)
    // Somebody took the deletion for dead and put the record back, and what the listing said may be true no more.
    if (entry?.version !== emptyAt) throw new EngineError('OperationAborted')
    const record = bucketRecordOf(context, entry)
    draft.check(key, entry).delete(key).delete(bucketNameKey.encode(record.name))
    draft.delete(ownedBucketKey.encode(record.ownerAccountId, record.name))
    deleteOverflow(draft, record)
  })
  context.bucketIds.delete(target.name)
}

function deleteOverflow(draft: CommitDraft, { overflow }: BucketRecord): void {
  if (!overflow) return
  for (let chunk = 0; chunk < overflow.chunkCount; chunk += 1) draft.delete(manifestKey.encode(overflow.id, chunk))
}

function setState(context: EngineContext, id: Uint8Array, state: BucketRecord['state']): Promise<void> {
  const key = bucketKey.encode(id)
  return context.commits.run(async (snapshot, draft) => {
    const entry = await snapshot.get(key)
    if (!entry) throw new EngineError('NoSuchBucket')
    const record = bucketRecordOf(context, entry)
    const body = encodeBucketRecord({ ...record, state, stateSinceMs: Math.trunc(context.now()) })
    draft.check(key, entry).putRecord(key, body)
  })
}

async function holdsNothing(snapshot: Snapshot, bucketId: Uint8Array): Promise<boolean> {
  for (const table of [objectKey, versionKey, uploadKey]) {
    const found = await snapshot.list({ ...rangeOf(table.prefix(bucketId)), limit: 1 })
    if (found.length > 0) return false
  }
  return true
}
