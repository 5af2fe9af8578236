/**
 * The key index both ways: an entry for every version and running upload that needs a key, and no other.
 *
 * @module
 */

import {
  type CommitDraft,
  decodeObjectRecord,
  decodeUploadRecord,
  type Envelope,
  formatId,
  objectKey,
  rangeOf,
  useUploadKey,
  useVersionKey,
  versionKey,
} from '@strongroom/engine'
import type { Entry, Snapshot } from '@strongroom/storage'
import type { RunningUploads } from './holders.ts'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { idText, type PassTally } from './pass-tally.ts'
import { entriesOf } from './walk.ts'

/** Says of an index entry whether it should be there now; the draft checks what that rests on. `undefined`: cannot be said. */
type IsCalledFor = (snapshot: Snapshot, draft: CommitDraft) => Promise<boolean | undefined>

export async function checkKeyIndex(inspection: Inspection, tally: PassTally, uploads: RunningUploads): Promise<void> {
  const expected = new Map([...tally.uses.values()].map(({ key }) => [idText(key), key]))
  for (const tag of [useVersionKey.tag, useUploadKey.tag]) {
    for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(tag)))) {
      if (!tally.isMine(entry.key)) continue
      inspection.count('keyIndex')
      inspection.progress(1)
      if (expected.delete(idText(entry.key))) continue
      await inspection.found({
        kind: 'key-index',
        place: inspection.placeOf(entry),
        problem: 'the key index has an entry for what does not need the key',
        repair: setEntry(entry.key, entry, test(inspection, uploads, entry.key)),
        isExcess: true,
      })
    }
  }
  for (const key of expected.values()) {
    await inspection.found({
      kind: 'key-index',
      place: inspection.placeOf({ key }),
      problem: 'the key index lacks an entry',
      repair: setEntry(key, undefined, test(inspection, uploads, key)),
    })
  }
}

const empty = new Uint8Array(0)

/** Puts or deletes an entry of the index, if the records still say the opposite of it. */
function setEntry(key: Uint8Array, seen: Entry | undefined, isCalledFor: IsCalledFor): Repair {
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, key, seen))) return false
    if ((await isCalledFor(snapshot, draft)) !== (seen === undefined)) return false
    if (seen) draft.delete(key)
    else draft.putRaw(key, empty)
    return true
  }
}

function test(inspection: Inspection, uploads: RunningUploads, key: Uint8Array): IsCalledFor {
  return key[0] === useVersionKey.tag ? versionTest(inspection, key) : uploadTest(inspection, uploads, key)
}

function needs(envelope: Envelope, keyId: Uint8Array, keyVersion: number): boolean {
  if (!('keyId' in envelope)) return false
  return Buffer.compare(envelope.keyId, keyId) === 0 && envelope.keyVersion === keyVersion
}

function versionTest(inspection: Inspection, key: Uint8Array): IsCalledFor {
  const [keyId, keyVersion, bucketId, name, sequence] = useVersionKey.decode(key)
  return async (snapshot, draft) => {
    const versionAt = versionKey.encode(bucketId, name, sequence)
    const currentAt = objectKey.encode(bucketId, name)
    const [version, current] = await snapshot.getMany([versionAt, currentAt])
    draft.check(versionAt, version).check(currentAt, current)
    for (const entry of [version, current]) {
      const record = entry && inspection.tryOpen(entry, decodeObjectRecord)
      if (entry && !record) return undefined
      if (record?.kind !== 'object' || record.sequence !== sequence) continue
      if (needs(record.envelope, keyId, keyVersion)) return true
    }
    return false
  }
}

function uploadTest(inspection: Inspection, uploads: RunningUploads, key: Uint8Array): IsCalledFor {
  const [keyId, keyVersion, , uploadId] = useUploadKey.decode(key)
  const uploadAt = uploads.get(formatId(uploadId))
  return async (snapshot, draft) => {
    // An upload that is gone never comes back.
    if (!uploadAt) return false
    const entry = await snapshot.get(uploadAt)
    draft.check(uploadAt, entry)
    const record = entry && inspection.tryOpen(entry, decodeUploadRecord)
    if (entry && !record) return undefined
    return record !== undefined && needs(record.envelope, keyId, keyVersion)
  }
}
