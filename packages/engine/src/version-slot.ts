/**
 * Where a new version of a name goes, and what it displaces (issue 3 section 3, docs/formats/metadata-records.md). Every write
 * of a version or delete marker goes through here: PUT, copy, Complete, DELETE.
 *
 * - `object/…` always holds the current version. In a bucket whose versioning was ever enabled every version also stands in
 *   `version/…`; a version from before that moves there when it is displaced.
 * - The version whose id is `null` is replaced by the next write while versioning is suspended. The current record says
 *   where it is.
 *
 * @module
 */

import type { Entry, Snapshot } from '@strongroom/storage'
import type { BucketRecord } from './bucket-record.ts'
import { corrupt } from './codec.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { Holder, Reference } from './contributions.ts'
import {
  type DeleteMarker,
  decodeObjectRecord,
  encodeObjectRecord,
  type ObjectRecord,
  type ObjectVersion,
} from './object-record.ts'
import { fitObject } from './record-store.ts'
import { settle } from './settle.ts'
import { objectKey, versionKey } from './tables.ts'

/** A name in a bucket. */
export interface NameTarget {
  readonly bucketId: Uint8Array
  readonly name: string
}

/** The place of a version that is about to be written. */
export interface VersionSlot {
  /** What is current now; details may be in overflow chunks still. */
  readonly current: ObjectRecord | undefined
  readonly currentEntry: Entry | undefined
  /** The place of the new version in the order of versions; part of what its object key is bound to. */
  readonly sequence: number
  readonly isNull: boolean
  readonly inVersions: boolean
  readonly nullSequence: number | undefined
}

/** Reads what is current, and has the commit check that it still is. */
export async function openSlot(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  versioning: BucketRecord['versioning'],
): Promise<VersionSlot> {
  const key = objectKey.encode(target.bucketId, target.name)
  const entry = await snapshot.get(key)
  draft.check(key, entry)
  const current = entry && decodeObjectRecord(context.records.open(entry))
  const earliest = context.nextSequence()
  const isNull = versioning !== 'enabled'
  return {
    current,
    currentEntry: entry,
    // The clocks of nodes never decide which version is newer (DESIGN 4).
    sequence: current ? Math.max(earliest, current.sequence + 1) : earliest,
    isNull,
    inVersions: versioning !== 'unset',
    nullSequence: isNull ? undefined : current?.isNull ? current.sequence : current?.nullSequence,
  }
}

/** What every record in a slot has in common. */
export function slotHead(
  slot: VersionSlot,
): Pick<ObjectVersion, 'sequence' | 'isNull' | 'inVersions' | 'nullSequence'> {
  const { sequence, isNull, inVersions, nullSequence } = slot
  return { sequence, isNull, inVersions, ...(nullSequence === undefined ? undefined : { nullSequence }) }
}

/**
 * Puts a version into its slot, moves or removes what it displaces, and settles what follows from that.
 *
 * @param record made with {@link slotHead}
 * @param isFresh tells the data that this commit is the first to refer to
 */
export async function fillSlot<T extends ObjectVersion | DeleteMarker>(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  slot: VersionSlot,
  record: T,
  isFresh?: (reference: Reference) => boolean,
): Promise<void> {
  const fitted = fitObject(record, context.random)
  const before: Holder[] = []
  const after: Holder[] = [{ kind: 'current', ...target, record: fitted.record }]
  draft.putFitted(objectKey.encode(target.bucketId, target.name), fitted)
  if (slot.inVersions) {
    const version = versionOf(fitted.record)
    draft.putRecord(versionKey.encode(target.bucketId, target.name, version.sequence), encodeObjectRecord(version))
    after.push({ kind: 'version', ...target, record: version })
  }
  if (slot.current) await displace(context, snapshot, draft, target, slot, slot.current, before, after)
  await settle(context, snapshot, draft, { before, after, ...(isFresh ? { isFresh } : undefined) })
}

/** A record as it stands in `version/…`. */
export function versionOf<T extends ObjectRecord>(record: T): T {
  const { nullSequence: _, ...rest } = { ...record, inVersions: true }
  return rest as T
}

async function displace(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  slot: VersionSlot,
  current: ObjectRecord,
  before: Holder[],
  after: Holder[],
): Promise<void> {
  before.push({ kind: 'current', ...target, record: current })
  if (slot.isNull) {
    // The new version is the null version: it takes the place of the old one, wherever that is.
    const replaced = current.isNull ? (current.inVersions ? current.sequence : undefined) : current.nullSequence
    if (replaced !== undefined) before.push(await removeVersion(context, snapshot, draft, target, replaced))
    return
  }
  if (current.inVersions) return
  const moved = versionOf(current)
  draft.putRecord(versionKey.encode(target.bucketId, target.name, moved.sequence), encodeObjectRecord(moved))
  after.push({ kind: 'version', ...target, record: moved })
}

/** Deletes the record `version/…/sequence`; the result says what it contributed. */
export async function removeVersion(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  target: NameTarget,
  sequence: number,
): Promise<Holder> {
  const key = versionKey.encode(target.bucketId, target.name, sequence)
  const entry = await snapshot.get(key)
  if (!entry) return corrupt('a version that the current record speaks of is missing')
  draft.check(key, entry).delete(key)
  return { kind: 'version', ...target, record: decodeObjectRecord(context.records.open(entry)) }
}
