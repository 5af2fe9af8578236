/**
 * DeleteObject (issue 3 section 3): removes, or in a versioned bucket makes a delete marker or removes the version named.
 * Needs no key.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { bucketIdOf, checkBucket } from './bucket-access.ts'
import type { CommitDraft } from './commit-draft.ts'
import { checkDeleteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { DeletedObject, DeleteObjectInput } from './contract.ts'
import type { Holder } from './contributions.ts'
import { type FoundVersion, findVersion } from './find-version.ts'
import { type DeleteMarker, decodeObjectRecord, encodeObjectRecord, type ObjectRecord } from './object-record.ts'
import { settle } from './settle.ts'
import { objectKey, rangeOf, versionKey } from './tables.ts'
import { formatVersionId } from './version-id.ts'
import { fillSlot, type NameTarget, openSlot, removeVersion, slotHead } from './version-slot.ts'

/** Deletes an object or a version; what is not there is deleted already. @throws EngineError `PreconditionFailed` */
export async function deleteObject(context: EngineContext, input: DeleteObjectInput): Promise<DeletedObject> {
  const target = { bucketId: bucketIdOf(input.bucket), name: input.name }
  return context.commits.run(async (snapshot, draft) => {
    const { versioning } = await checkBucket(context, snapshot, draft, target.bucketId)
    const found = await findVersion(context, snapshot, target, input.versionId)
    checkDeleteConditions(input.conditions, found?.record)
    if (input.versionId === undefined && versioning !== 'unset') {
      return putMarker(context, snapshot, draft, target, input.bucket.ownerAccountId, versioning)
    }
    if (found) await removeFound(context, snapshot, draft, target, found)
    const deleteMarker = input.versionId !== undefined && found?.record.kind === 'delete-marker'
    return { deleteMarker, ...(input.versionId === undefined ? undefined : { versionId: input.versionId }) }
  })
}

async function putMarker(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  ownerAccountId: string,
  versioning: 'enabled' | 'suspended',
): Promise<DeletedObject> {
  const slot = await openSlot(context, snapshot, draft, target, versioning)
  const lastModifiedMs = Math.trunc(context.now())
  const marker: DeleteMarker = { kind: 'delete-marker', ...slotHead(slot), lastModifiedMs, ownerAccountId }
  await fillSlot(context, snapshot, draft, target, slot, marker)
  return { deleteMarker: true, versionId: formatVersionId(slot) }
}

/** Takes a version out of its name; if it is the current one, the newest of the others becomes current. */
async function removeFound(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  found: FoundVersion,
): Promise<void> {
  const key = objectKey.encode(target.bucketId, target.name)
  draft.check(key, found.currentEntry)
  const current = found.isCurrent ? found.record : context.records.decodedObject(found.currentEntry)
  const before: Holder[] = []
  const after: Holder[] = []
  if (found.record.inVersions || !found.isCurrent) {
    before.push(await removeVersion(context, snapshot, draft, target, found.record.sequence))
  }
  const nullSequence = found.record.isNull ? undefined : current.nullSequence
  const successor = found.isCurrent
    ? await promoted(context, snapshot, draft, target, current, nullSequence)
    : withNullSequence(current, nullSequence)
  const isChanged = found.isCurrent || current.nullSequence !== nullSequence
  if (isChanged) {
    before.push({ kind: 'current', ...target, record: current })
    if (successor) {
      draft.putRecord(key, encodeObjectRecord(successor))
      after.push({ kind: 'current', ...target, record: successor })
    } else {
      draft.delete(key)
    }
  }
  await settle(context, snapshot, draft, { before, after })
}

/** The newest version but `current`, as a current record. */
async function promoted(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  current: ObjectRecord,
  nullSequence: number | undefined,
): Promise<ObjectRecord | undefined> {
  if (!current.inVersions) return undefined
  const range = rangeOf(versionKey.prefix(target.bucketId, target.name))
  const entries = await snapshot.list({ ...range, limit: 2 })
  for (const entry of entries) {
    const record = decodeObjectRecord(context.records.open(entry))
    if (record.sequence === current.sequence) continue
    // A removal of this one does not touch the current record, so it has to be checked itself.
    draft.check(entry.key, entry)
    return withNullSequence(record, record.isNull ? undefined : nullSequence)
  }
  return undefined
}

function withNullSequence(record: ObjectRecord, nullSequence: number | undefined): ObjectRecord {
  const { nullSequence: _, ...rest } = record
  return nullSequence === undefined ? rest : { ...rest, nullSequence }
}
