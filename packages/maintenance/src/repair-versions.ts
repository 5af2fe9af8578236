/**
 * Mending the records of a name: the current version from the newest one, a version from the current one.
 *
 * @module
 */

import {
  bucketKey,
  decodeObjectRecord,
  encodeObjectRecord,
  objectKey,
  rangeOf,
  versionKey,
  versionOf,
} from '@strongroom/engine'
import type { Entry, Snapshot } from '@strongroom/storage'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import type { Target } from './name-groups.ts'
import { entriesOf } from './walk.ts'

/** Puts the newest version in the current one's place. */
export function rebuildCurrent(
  inspection: Inspection,
  { bucketId, name }: Target,
  seen: Entry | undefined,
  newest: Entry,
): Repair {
  return async (snapshot, draft) => {
    const key = objectKey.encode(bucketId, name)
    const bucketAt = bucketKey.encode(bucketId)
    const bucket = await snapshot.get(bucketAt)
    if (!bucket || !(await isUnchanged(snapshot, draft, key, seen))) return false
    if (!(await isUnchanged(snapshot, draft, newest.key, newest))) return false
    const record = decodeObjectRecord(inspection.records.open(newest))
    const nullVersions = await nullVersionsOf(inspection, snapshot, { bucketId, name })
    const [other, ...more] = nullVersions?.filter(({ sequence }) => sequence !== record.sequence) ?? []
    if (!nullVersions || more.length > 0 || (other && record.isNull)) return false
    if (other) draft.check(other.entry.key, other.entry)
    const current = { ...versionOf(record), ...(other ? { nullSequence: other.sequence } : undefined) }
    draft.check(bucketAt, bucket).putRecord(key, encodeObjectRecord(current))
    return true
  }
}

/** Makes the current version name the null version that there is, or none. */
export function correctNull(inspection: Inspection, { bucketId, name }: Target, seen: Entry): Repair {
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, objectKey.encode(bucketId, name), seen))) return false
    const record = inspection.tryOpen(seen, decodeObjectRecord)
    const nullVersions = await nullVersionsOf(inspection, snapshot, { bucketId, name })
    if (!record?.inVersions || !nullVersions) return false
    const [other, ...more] = nullVersions.filter(({ sequence }) => sequence !== record.sequence)
    if (more.length > 0 || (other && record.isNull)) return false
    if (other) draft.check(other.entry.key, other.entry)
    const { nullSequence: _, ...rest } = record
    draft.putRecord(
      seen.key,
      encodeObjectRecord({ ...rest, ...(other ? { nullSequence: other.sequence } : undefined) }),
    )
    return true
  }
}

interface NullVersion {
  readonly entry: Entry
  readonly sequence: number
}

/** Versions with the id `null`; `undefined` if that cannot be said of one of them. */
async function nullVersionsOf(
  inspection: Inspection,
  snapshot: Snapshot,
  { bucketId, name }: Target,
): Promise<NullVersion[] | undefined> {
  const found: NullVersion[] = []
  for await (const entry of entriesOf(snapshot, rangeOf(versionKey.prefix(bucketId, name)))) {
    const record = inspection.tryOpen(entry, decodeObjectRecord)
    if (!record) return undefined
    if (record.isNull) found.push({ entry, sequence: record.sequence })
  }
  return found
}

/** Puts the current version among the versions, where its record is missing or does not open. */
export function restoreVersion(
  inspection: Inspection,
  { bucketId, name }: Target,
  current: Entry | undefined,
  sequence: number,
  seen: Entry | undefined,
): Repair {
  return async (snapshot, draft) => {
    const key = versionKey.encode(bucketId, name, sequence)
    if (!current || !(await isUnchanged(snapshot, draft, current.key, current))) return false
    if (!(await isUnchanged(snapshot, draft, key, seen))) return false
    const record = inspection.tryOpen(current, decodeObjectRecord)
    if (!record?.inVersions || record.sequence !== sequence) return false
    draft.putRecord(key, encodeObjectRecord(versionOf(record)))
    return true
  }
}
