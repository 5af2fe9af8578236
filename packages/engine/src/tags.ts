/**
 * Object tagging. Needs no key: tags are no part of what the object key is bound to.
 *
 * @module
 */

import { bucketIdOf, checkBucket } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { Engine, Tags } from './contract.ts'
import type { Holder } from './contributions.ts'
import { readableVersion } from './find-version.ts'
import { encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { fitObject, withDetails } from './record-store.ts'
import { settle } from './settle.ts'
import { objectKey, versionKey } from './tables.ts'
import { formatVersionId } from './version-id.ts'
import { versionOf } from './version-slot.ts'
import { withSnapshot } from './with-snapshot.ts'

/** @throws EngineError `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` */
export function getTags(
  context: EngineContext,
  { bucket, name, versionId }: Parameters<Engine['getTags']>[0],
): Promise<{ readonly tags: Tags; readonly versionId?: string }> {
  return withSnapshot(context, async (snapshot) => {
    const target = { bucketId: bucketIdOf(bucket), name }
    const { record } = await readableVersion(context, snapshot, target, versionId)
    const { tags } = record.details
    return bucket.versioning === 'unset' ? { tags } : { tags, versionId: formatVersionId(record) }
  })
}

/** Replaces the tags of a version; none removes them. @throws EngineError as {@link getTags} */
export function putTags(
  context: EngineContext,
  { bucket, name, versionId, tags }: Parameters<Engine['putTags']>[0],
): Promise<{ readonly versionId?: string }> {
  const target = { bucketId: bucketIdOf(bucket), name }
  return context.commits.run(async (snapshot, draft) => {
    const { versioning } = await checkBucket(context, snapshot, draft, target.bucketId)
    const { record, entry, currentEntry, isCurrent } = await readableVersion(context, snapshot, target, versionId)
    draft.check(currentEntry.key, currentEntry).check(entry.key, entry)
    const changed = withDetails(record, { ...record.details, tags })
    const fitted = fitObject(changed, context.random)
    for (const chunk of fitted.chunks) draft.putRecord(chunk.key, chunk.body)
    const before: Holder[] = []
    const after: Holder[] = []
    const put = (kind: 'current' | 'version', old: ObjectVersion, stored: ObjectVersion) => {
      const key =
        kind === 'current'
          ? objectKey.encode(target.bucketId, name)
          : versionKey.encode(target.bucketId, name, stored.sequence)
      draft.putRecord(key, encodeObjectRecord(stored))
      before.push({ kind, ...target, record: old })
      after.push({ kind, ...target, record: stored })
    }
    const stored: ObjectVersion = { ...changed, ...(fitted.record.kind === 'object' ? fitted.record : undefined) }
    if (isCurrent) put('current', record, stored)
    if (record.inVersions) put('version', versionOf(record), versionOf(stored))
    await settle(context, snapshot, draft, { before, after })
    return versioning === 'unset' ? {} : { versionId: formatVersionId(record) }
  })
}
