/**
 * Reference counts of blobs and inline data, and inline data that nothing refers to. Inline data has an implicit count of 1,
 * and a record only from 2 on.
 *
 * @module
 */

import { blobKey, dataKey, formatId, garbageBlobKey, rangeOf } from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { idText, type PassTally } from './pass-tally.ts'
import { type CountedTables, checkCounts, checkGarbage, checkMissing } from './reference-counts.ts'
import { entriesOf } from './walk.ts'

const blobs: CountedTables = { counts: blobKey, garbage: garbageBlobKey, what: 'the blob' }

export async function checkBlobCounts(inspection: Inspection, tally: PassTally): Promise<void> {
  const hasInlineData = async (id: Uint8Array) => (await inspection.snapshot.get(dataKey.encode(id))) !== undefined
  await checkCounts(inspection, blobs, tally, tally.streams, hasInlineData)
  await checkGarbage(inspection, blobs, tally, tally.streams)
  await checkMissing(
    inspection,
    blobs,
    tally.streams,
    ({ reference, count }) => reference.kind === 'file' || count > 1,
    (id) => inspection.unrecordedBlobs.add(formatId(id)),
  )
}

/** Inline data that nothing refers to. */
export async function checkInlineData(inspection: Inspection, tally: PassTally): Promise<void> {
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(dataKey.tag)))) {
    const [id] = dataKey.decode(entry.key)
    if (!tally.isMine(id)) continue
    inspection.count('inlineData')
    inspection.progress(1)
    if (tally.streams.has(idText(id))) continue
    const count = await inspection.snapshot.get(blobKey.encode(id))
    await inspection.found({
      kind: 'leftover-data',
      place: inspection.placeOf(entry),
      problem: 'nothing refers to this data',
      repair: removeInline(entry, count),
      isExcess: true,
    })
  }
}

function removeInline(data: Entry, count: Entry | undefined): Repair {
  const [id] = dataKey.decode(data.key)
  const countAt = blobKey.encode(id)
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, data.key, data))) return false
    if (!(await isUnchanged(snapshot, draft, countAt, count))) return false
    draft.delete(data.key)
    if (count) draft.delete(countAt)
    return true
  }
}
