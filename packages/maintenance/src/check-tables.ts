/**
 * Reference counts of part tables, and pieces of tables or details that nothing names.
 *
 * @module
 */

import { formatId, garbageTableKey, garbageUploadKey, manifestKey, rangeOf, tableKey } from '@strongroom/engine'
import type { RunningUploads } from './holders.ts'
import type { Inspection, Repair } from './inspection.ts'
import { idText, type PassTally } from './pass-tally.ts'
import { type CountedTables, checkCounts, checkGarbage, checkMissing } from './reference-counts.ts'

const tables: CountedTables = { counts: tableKey, garbage: garbageTableKey, what: 'the part table' }

export async function checkTableCounts(inspection: Inspection, tally: PassTally): Promise<void> {
  const sums = new Map([...tally.chunked].filter(([, sum]) => sum.reference.kind === 'table'))
  await checkCounts(inspection, tables, tally, sums, async () => false)
  await checkGarbage(inspection, tables, tally, sums)
  await checkMissing(
    inspection,
    tables,
    sums,
    () => true,
    () => {},
  )
}

/** Every piece belongs to a table, to details, or to an upload that is being completed. */
export async function checkChunks(inspection: Inspection, tally: PassTally, uploads: RunningUploads): Promise<void> {
  const ofBuckets = new Set(
    [...inspection.buckets.values()].flatMap(({ overflow }) => (overflow ? [formatId(overflow.id)] : [])),
  )
  const { gte, lt } = rangeOf(Buffer.of(manifestKey.tag))
  for (let from = gte; ; ) {
    const [entry] = await inspection.snapshot.list({ gte: from, lt, limit: 1 })
    if (!entry) return
    const [id] = manifestKey.decode(entry.key)
    const range = rangeOf(manifestKey.prefix(id))
    from = range.lt
    if (!tally.isMine(id)) continue
    inspection.progress(1)
    const hex = formatId(id)
    if (tally.chunked.has(idText(id)) || uploads.has(hex) || ofBuckets.has(hex)) continue
    if (await isRecorded(inspection, id)) continue
    const repair = removeChunks(range)
    const isRepaired = await inspection.found({
      kind: 'leftover-chunks',
      place: inspection.placeOf(entry),
      problem: 'no record names these pieces of a part table or of details',
      repair,
      isExcess: true,
    })
    if (isRepaired) while (await inspection.mend(repair)) inspection.progress(0)
  }
}

/** Whether a table is counted or on its way out, alone or with the upload that was to become it. */
async function isRecorded({ snapshot }: Inspection, id: Uint8Array): Promise<boolean> {
  const keys = [tableKey.encode(id), garbageTableKey.encode(id), garbageUploadKey.encode(id)]
  return (await snapshot.getMany(keys)).some((entry) => entry !== undefined)
}

const chunksPerCommit = 80

/** Ids are never used twice: what nothing names now nothing is going to name. False if there are none left. */
function removeChunks(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Repair {
  return async (snapshot, draft) => {
    const entries = await snapshot.list({ ...range, limit: chunksPerCommit })
    for (const { key } of entries) draft.delete(key)
    return entries.length > 0
  }
}
