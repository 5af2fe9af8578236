/**
 * Phase `uploads`: running uploads with their parts, and parts of uploads that are gone.
 *
 * @module
 */

import {
  decodeGarbageRecord,
  decodePartRecord,
  decodeUploadRecord,
  encodeGarbageRecord,
  formatId,
  garbageUploadKey,
  includedBitmap,
  maxParts,
  partKey,
  rangeOf,
  type Segment,
  tableKey,
  type UploadRecord,
  uploadKey,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import { checkKeyOf, checkOverflow, checkStream } from './check-details.ts'
import { checkBucketOf } from './check-objects.ts'
import type { Place } from './findings.ts'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { tableSegments } from './leftover-parts.ts'
import { isWhole } from './stored-table.ts'
import { entriesOf } from './walk.ts'

/** See the module's comment. */
export async function checkUploads(inspection: Inspection): Promise<void> {
  const running = new Set<string>()
  let bucketId: Uint8Array | undefined
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(uploadKey.tag)))) {
    const [ofBucket, , uploadId] = uploadKey.decode(entry.key)
    running.add(formatId(uploadId))
    if (!bucketId || Buffer.compare(bucketId, ofBucket) !== 0) {
      bucketId = ofBucket
      await checkBucketOf(inspection, bucketId)
    }
    await checkUpload(inspection, entry, uploadId)
  }
  await checkEndedUploads(inspection, running)
}

async function checkUpload(inspection: Inspection, entry: Entry, uploadId: Uint8Array): Promise<void> {
  inspection.count('uploads')
  inspection.progress(1)
  const record: UploadRecord | undefined = await inspection.open(entry, decodeUploadRecord)
  const place = inspection.placeOf(entry)
  if (record?.overflow) await checkOverflow(inspection, place, record.overflow)
  if (record) await checkKeyOf(inspection, place, record.envelope)
  for await (const part of entriesOf(inspection.snapshot, rangeOf(partKey.prefix(uploadId)))) {
    await checkPart(inspection, place, part)
  }
}

async function checkPart(inspection: Inspection, uploadPlace: Place, entry: Entry): Promise<void> {
  inspection.count('parts')
  inspection.progress(1)
  const record = await inspection.open(entry, decodePartRecord)
  if (!record) return
  const [, partNumber] = partKey.decode(entry.key)
  const place = { ...uploadPlace, table: 'part', partNumber }
  if (partNumber < 1 || partNumber > maxParts || !isWhole(record)) {
    await inspection.found({ kind: 'damaged-part', place, problem: 'its number or its sizes make no sense' })
  }
  for (const segment of record.segments) {
    await inspection.pool.add(() => checkStream(inspection, { entry, place }, segment, segment.sizeBytes))
  }
}

/** What is left of uploads that ended is noted as garbage, as long as it is there. */
async function checkEndedUploads(inspection: Inspection, running: ReadonlySet<string>): Promise<void> {
  const { gte, lt } = rangeOf(Buffer.of(partKey.tag))
  for (let from = gte; ; ) {
    const [entry] = await inspection.snapshot.list({ gte: from, lt, limit: 1 })
    if (!entry) return
    const [uploadId] = partKey.decode(entry.key)
    from = rangeOf(partKey.prefix(uploadId)).lt
    if (running.has(formatId(uploadId))) continue
    const garbage = await inspection.snapshot.get(garbageUploadKey.encode(uploadId))
    if (!garbage) {
      await inspection.found({
        kind: 'leftover-parts',
        place: { table: 'part', uploadId: formatId(uploadId) },
        problem: 'there are parts, and no such upload',
        repair: noteAsGarbage(inspection, uploadId),
      })
    } else if (inspection.tryOpen(garbage, decodeGarbageRecord)) {
      inspection.count('endedUploads')
    }
  }
}

/** Notes the parts as garbage, but for those whose data went into the object that the upload made. */
function noteAsGarbage(inspection: Inspection, uploadId: Uint8Array): Repair {
  return async (snapshot, draft) => {
    const key = garbageUploadKey.encode(uploadId)
    const tableAt = tableKey.encode(uploadId)
    const inTable = await tableSegments(inspection, snapshot, uploadId)
    if (!inTable || !(await isUnchanged(snapshot, draft, key, undefined))) return false
    draft.check(tableAt, await snapshot.get(tableAt))
    const included: number[] = []
    for await (const entry of entriesOf(snapshot, rangeOf(partKey.prefix(uploadId)))) {
      const record = inspection.tryOpen(entry, decodePartRecord)
      if (!record) return false
      if (isIncludedIn(inTable, record.segments)) included.push(partKey.decode(entry.key)[1])
    }
    const includedParts = included.length > 0 ? includedBitmap(included) : Buffer.alloc(0)
    draft.putRecord(key, encodeGarbageRecord({ sinceMs: Math.trunc(inspection.options.now()), includedParts }))
    return true
  }
}

/** Whether a part is the one in the table, and not one that had its number before. */
function isIncludedIn(table: ReadonlySet<string>, segments: readonly Segment[]): boolean {
  const [first] = segments
  return first !== undefined && table.has(formatId(first.blobId))
}
