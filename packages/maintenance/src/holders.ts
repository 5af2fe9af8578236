/**
 * All records that anything is derived from, as what the engine's one function of derived changes takes: what it sums up
 * over them is what counters, key index and reference counts have to be (DESIGN 4).
 *
 * @module
 */

import {
  decodeGarbageRecord,
  decodeObjectRecord,
  decodePartRecord,
  decodePartTableChunk,
  decodeUploadRecord,
  formatId,
  garbageTableKey,
  garbageUploadKey,
  type Holder,
  isIncluded,
  manifestKey,
  objectKey,
  type PartRecord,
  parseId,
  partKey,
  rangeOf,
  tableKey,
  type UploadRecord,
  uploadKey,
  versionKey,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import type { Inspection } from './inspection.ts'
import { tableSegments } from './leftover-parts.ts'
import { entriesOf } from './walk.ts'

/** Running uploads, by id in hex: the keys of their records. */
export type RunningUploads = Map<string, Uint8Array>

/**
 * Goes over all holders. A record that does not open conceals what it refers to; its finding comes from another phase.
 *
 * @param uploads is filled on the way
 */
export async function* allHolders(inspection: Inspection, uploads: RunningUploads): AsyncGenerator<Holder, void> {
  yield* objectHolders(inspection, 'current')
  yield* objectHolders(inspection, 'version')
  yield* uploadHolders(inspection, uploads)
  yield* endedUploadHolders(inspection, uploads)
  yield* tableHolders(inspection)
}

/** The record at an entry, where damage has been found, or is going to be. */
function opened<T>(inspection: Inspection, entry: Entry, decode: (body: Buffer) => T): T | undefined {
  const record = inspection.tryOpen(entry, decode)
  if (record === undefined) inspection.conceal()
  return record
}

const rangeOfTag = (tag: number) => rangeOf(Buffer.of(tag))

async function* objectHolders(inspection: Inspection, kind: 'current' | 'version'): AsyncGenerator<Holder, void> {
  const table = kind === 'current' ? objectKey : versionKey
  for await (const entry of entriesOf(inspection.snapshot, rangeOfTag(table.tag))) {
    inspection.progress(1)
    const record = opened(inspection, entry, decodeObjectRecord)
    if (!record) continue
    const [bucketId, name] = table.decode(entry.key)
    yield { kind, bucketId, name, record }
  }
}

async function* uploadHolders(inspection: Inspection, uploads: RunningUploads): AsyncGenerator<Holder, void> {
  for await (const entry of entriesOf(inspection.snapshot, rangeOfTag(uploadKey.tag))) {
    inspection.progress(1)
    const [bucketId, , uploadId] = uploadKey.decode(entry.key)
    uploads.set(formatId(uploadId), entry.key)
    const record = opened(inspection, entry, decodeUploadRecord)
    if (record) yield { kind: 'upload', bucketId, uploadId, record }
    for await (const part of partsOf(inspection, uploadId)) yield partHolder(bucketId, record, part)
  }
}

function partHolder(bucketId: Uint8Array, upload: UploadRecord | undefined, record: PartRecord): Holder {
  // Without its upload's record a part still refers to its data.
  if (!upload) return { kind: 'leftover-part', segments: record.segments }
  return { kind: 'part', bucketId, envelope: upload.envelope, record }
}

interface NumberedPart extends PartRecord {
  readonly number: number
}

async function* partsOf(inspection: Inspection, uploadId: Uint8Array): AsyncGenerator<NumberedPart, void> {
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(partKey.prefix(uploadId)))) {
    const [, number] = partKey.decode(entry.key)
    const record = opened(inspection, entry, decodePartRecord)
    if (record) yield { ...record, number }
  }
}

/** Parts of uploads that ended hold their data, unless it went into an object. */
async function* endedUploadHolders(
  inspection: Inspection,
  uploads: ReadonlyMap<string, unknown>,
): AsyncGenerator<Holder, void> {
  const { gte, lt } = rangeOfTag(partKey.tag)
  for (let from = gte; ; ) {
    const [entry] = await inspection.snapshot.list({ gte: from, lt, limit: 1 })
    if (!entry) return
    const [uploadId] = partKey.decode(entry.key)
    from = rangeOf(partKey.prefix(uploadId)).lt
    if (uploads.has(formatId(uploadId))) continue
    const isLeftOver = await leftOverTest(inspection, uploadId)
    for await (const part of partsOf(inspection, uploadId)) {
      if (isLeftOver(part)) yield { kind: 'leftover-part', segments: part.segments }
    }
  }
}

async function leftOverTest(inspection: Inspection, uploadId: Uint8Array): Promise<(part: NumberedPart) => boolean> {
  const garbage = await inspection.snapshot.get(garbageUploadKey.encode(uploadId))
  const record = garbage && opened(inspection, garbage, decodeGarbageRecord)
  if (record) return ({ number }) => !isIncluded(record.includedParts, number)
  const inTable = await tableSegments(inspection, inspection.snapshot, uploadId)
  return ({ segments: [first] }) => first !== undefined && inTable?.has(formatId(first.blobId)) === false
}

/** Part tables that are referred to, or of which something is left to be given back. */
async function* tableHolders(inspection: Inspection): AsyncGenerator<Holder, void> {
  for (const table of [tableKey, garbageTableKey]) {
    for await (const { key } of entriesOf(inspection.snapshot, rangeOfTag(table.tag))) {
      const [id] = table.decode(key)
      // Counted and noted as garbage at once: a finding, and one table all the same.
      const isSeen = table === garbageTableKey && (await inspection.snapshot.get(tableKey.encode(id)))
      if (!isSeen) yield* chunkHolders(inspection, id)
    }
  }
  for (const hex of inspection.unrecordedTables) {
    const id = parseId(hex, hex.length / 2)
    const recorded = id && (await inspection.snapshot.getMany([tableKey.encode(id), garbageTableKey.encode(id)]))
    if (recorded?.every((entry) => entry === undefined)) yield* chunkHolders(inspection, id ?? Buffer.alloc(0))
  }
}

async function* chunkHolders(inspection: Inspection, id: Uint8Array): AsyncGenerator<Holder, void> {
  if (inspection.wrongTables.has(formatId(id))) return
  for await (const chunk of entriesOf(inspection.snapshot, rangeOf(manifestKey.prefix(id)))) {
    inspection.progress(1)
    const parts = opened(inspection, chunk, decodePartTableChunk)
    if (parts) yield { kind: 'table', parts }
  }
}
