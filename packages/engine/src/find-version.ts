/**
 * Finding the version that a request means.
 *
 * @module
 */

import type { Entry, Snapshot } from '@strongroom/storage'
import type { EngineContext } from './context.ts'
import { EngineError } from './engine-error.ts'
import type { DeleteMarker, ObjectRecord, ObjectVersion } from './object-record.ts'
import { objectKey, versionKey } from './tables.ts'
import { formatVersionId, parseVersionId } from './version-id.ts'
import type { NameTarget } from './version-slot.ts'

/** A version, and where it was found. */
export interface FoundVersion {
  /** Details may be in overflow chunks still. */
  readonly record: ObjectRecord
  readonly entry: Entry
  readonly isCurrent: boolean
  /** The entry of `object/…`, which says what is current. */
  readonly currentEntry: Entry
}

/**
 * The version of a name that has this id; without an id the current one.
 *
 * @returns undefined if there is none
 * @throws EngineError `InvalidArgument` for what can be no id
 */
export async function findVersion(
  context: EngineContext,
  snapshot: Snapshot,
  target: NameTarget,
  versionId: string | undefined,
): Promise<FoundVersion | undefined> {
  const wanted = versionId === undefined ? undefined : parseVersionId(versionId)
  const currentEntry = await snapshot.get(objectKey.encode(target.bucketId, target.name))
  // While a name has versions, one of them is current.
  if (!currentEntry) return undefined
  const current = context.records.decodedObject(currentEntry)
  const isCurrent = wanted === undefined || (wanted === null ? current.isNull : isVersion(current, wanted))
  if (isCurrent) return { record: current, entry: currentEntry, isCurrent, currentEntry }
  const sequence = wanted ?? current.nullSequence
  if (sequence === undefined) return undefined
  const entry = await snapshot.get(versionKey.encode(target.bucketId, target.name, sequence))
  const record = entry && context.records.decodedObject(entry)
  // The null version goes by that name only.
  if (!entry || !record || (wanted !== null && record.isNull)) return undefined
  return { record, entry, isCurrent: false, currentEntry }
}

function isVersion(record: ObjectRecord, sequence: number): boolean {
  return record.sequence === sequence && !record.isNull
}

/** An object's version that can be read. */
export interface ReadableVersion extends FoundVersion {
  readonly record: ObjectVersion
}

/**
 * As {@link findVersion}, for reading: with details, and neither absence nor a delete marker will do.
 *
 * @throws EngineError `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker named by its id
 */
export async function readableVersion(
  context: EngineContext,
  snapshot: Snapshot,
  target: NameTarget,
  versionId: string | undefined,
): Promise<ReadableVersion> {
  const found = await findVersion(context, snapshot, target, versionId)
  if (!found) {
    if (versionId === undefined) throw new EngineError('NoSuchKey', { fields: { Key: target.name } })
    throw new EngineError('NoSuchVersion', { fields: { Key: target.name, VersionId: versionId } })
  }
  if (found.record.kind === 'delete-marker') throw markerError(found.record, target, versionId)
  const record = found.record.overflow ? await context.records.object(snapshot, found.entry) : found.record
  if (record.kind === 'delete-marker') throw markerError(record, target, versionId)
  return { ...found, record }
}

function markerError(marker: DeleteMarker, target: NameTarget, versionId: string | undefined): EngineError {
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': formatVersionId(marker) }
  if (versionId === undefined) return new EngineError('NoSuchKey', { fields: { Key: target.name }, headers })
  const lastModified = new Date(marker.lastModifiedMs).toUTCString()
  return new EngineError('MethodNotAllowed', {
    fields: { Method: 'GET', ResourceType: 'DeleteMarker' },
    headers: { ...headers, 'last-modified': lastModified, allow: 'DELETE' },
  })
}
