/**
 * Phase `references`: everything derived from records, against what the engine's one function of derived changes sums up to
 * over all of them: reference counts, data and pieces without a record, the key index, counters, garbage.
 *
 * @module
 */

import { decodeGarbageRecord, formatId, garbageUploadKey, rangeOf } from '@strongroom/engine'
import { checkBlobCounts, checkInlineData } from './check-blob-counts.ts'
import { checkCounters } from './check-counters.ts'
import { checkKeyIndex } from './check-key-index.ts'
import { checkChunks, checkTableCounts } from './check-tables.ts'
import { allHolders, type RunningUploads } from './holders.ts'
import { type Inspection, isUnchanged } from './inspection.ts'
import { PassTally } from './pass-tally.ts'
import { entriesOf } from './walk.ts'

const defaultReferencesPerPass = 500_000

/** Passes over the records, from what the phases before have counted: each stream, table and index entry is one sum. */
export function passesFor(inspection: Inspection): number {
  const { referencesPerPass = defaultReferencesPerPass } = inspection.options
  const sums = ['objects', 'versions', 'uploads', 'parts', 'storedStreams']
  const expected = sums.reduce((total, what) => total + inspection.counted(what), 0)
  return Math.max(1, Math.ceil(expected / referencesPerPass))
}

/** See the module's comment. */
export async function checkReferences(inspection: Inspection): Promise<void> {
  const passes = passesFor(inspection)
  for (let pass = 0; pass < passes; pass += 1) {
    const tally = new PassTally(pass, passes)
    const uploads: RunningUploads = new Map()
    for await (const holder of allHolders(inspection, uploads)) tally.contribute(holder, 1)
    await checkBlobCounts(inspection, tally)
    await checkInlineData(inspection, tally)
    await checkTableCounts(inspection, tally)
    await checkChunks(inspection, tally, uploads)
    await checkKeyIndex(inspection, tally, uploads)
    if (pass > 0) continue
    await checkCounters(inspection, tally)
    await checkUploadGarbage(inspection, uploads)
  }
}

/** An upload that runs is no garbage. */
async function checkUploadGarbage(inspection: Inspection, uploads: RunningUploads): Promise<void> {
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(garbageUploadKey.tag)))) {
    inspection.count('garbage')
    await inspection.open(entry, decodeGarbageRecord)
    const uploadAt = uploads.get(formatId(garbageUploadKey.decode(entry.key)[0]))
    if (!uploadAt) continue
    const upload = await inspection.snapshot.get(uploadAt)
    await inspection.found({
      kind: 'garbage-in-use',
      place: inspection.placeOf({ key: uploadAt }),
      problem: 'the upload is noted as garbage, and runs',
      async repair(snapshot, draft) {
        if (!(await isUnchanged(snapshot, draft, uploadAt, upload))) return false
        if (!(await isUnchanged(snapshot, draft, entry.key, entry))) return false
        draft.delete(entry.key)
        return true
      },
    })
  }
}
