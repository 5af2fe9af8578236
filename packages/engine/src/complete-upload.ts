/**
 * CompleteMultipartUpload (spec 1.6.9): the parts that the client names become the part table of an object, in chunks
 * written ahead of the one commit that makes the object and ends the upload.
 *
 * A Complete that is sent again (its answer was lost) gets the same answer as long as the object that it made is current:
 * that object's part table bears the id of the upload.
 *
 * @module
 */

import { prefixEnd } from '@strongroom/storage'
import { CommitDraft } from './commit-draft.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { CompleteUploadInput, CustomerKey, WrittenObject } from './contract.ts'
import { findDataKey } from './data-keys.ts'
import { type EndingUpload, endUpload, removeUpload } from './end-upload.ts'
import { EngineError } from './engine-error.ts'
import { envelopeKeyOf, sealForVersion } from './envelope.ts'
import { findVersion } from './find-version.ts'
import { formatId } from './ids.ts'
import { zeroLayers } from './layer-keys.ts'
import { turnOfOthers } from './name-listing.ts'
import { type NewVersion, putVersion, writtenObjectOf } from './new-version.ts'
import { decodeObjectHead, type StoredData } from './object-record.ts'
import { checkPartList, multipartEtag, type PartSelection, selectParts } from './part-selection.ts'
import { encodePartTable, partTableDigest, type TablePart } from './part-table.ts'
import { formatEtag } from './presentation.ts'
import { includedBitmap } from './reclaimer.ts'
import { manifestKey, objectKey } from './tables.ts'
import {
  checkUploadCustomerKey,
  findUpload,
  openUpload,
  type UploadKeys,
  type UploadPlace,
  uploadPlaceOf,
} from './upload-access.ts'
import type { UploadRecord } from './upload-record.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Makes the object. @throws EngineError; the upload goes on then */
export async function completeUpload(context: EngineContext, input: CompleteUploadInput): Promise<WrittenObject> {
  checkPartList(input.parts)
  const place = uploadPlaceOf(input)
  try {
    return await complete(context, input, place)
  } catch (error) {
    const isGone = error instanceof EngineError && error.code === 'NoSuchUpload'
    const written = isGone ? await completedBefore(context, input, place) : undefined
    if (written) return written
    throw error
  }
}

async function complete(
  context: EngineContext,
  input: CompleteUploadInput,
  place: UploadPlace,
): Promise<WrittenObject> {
  // Everything that can fail without the parts fails before the upload is marked, the KMS above all.
  const { found, key, needsKey } = await withSnapshot(context, async (snapshot) => {
    const upload = await findUpload(context, snapshot, place)
    const isNeeded = isKeyNeeded(context, upload.record, input.customerKey)
    const current = await snapshot.get(objectKey.encode(place.bucketId, place.name))
    checkWriteConditions(input.conditions, current && decodeObjectHead(context.records.open(current)))
    return { found: upload, key: await findDataKey(context, snapshot, upload.record.envelope), needsKey: isNeeded }
  })
  const keys = needsKey ? await openUpload(context, key, input, found) : undefined
  try {
    return await endUpload(context, place, (ending) => finish(context, input, ending, keys))
  } finally {
    zeroLayers(keys?.dataKey, keys?.objectKey)
  }
}

/**
 * Whether the envelope has to be opened. AWS completes an SSE-C upload without checksums without its key (spec 1.6.9, 12 no.
 * 26); the object keeps the envelope of the upload then.
 *
 * @throws EngineError `InvalidRequest`: rows 17 to 19
 */
function isKeyNeeded(
  { settings }: EngineContext,
  { envelope, checksum }: UploadRecord,
  customerKey: CustomerKey | undefined,
): boolean {
  const mayLack = envelope.mode === 'sse-c' && !checksum && settings.compatibility === 'aws'
  if (mayLack && !customerKey) return false
  checkUploadCustomerKey(envelope, customerKey)
  return true
}

async function finish(
  context: EngineContext,
  input: CompleteUploadInput,
  ending: EndingUpload,
  keys: UploadKeys | undefined,
): Promise<WrittenObject> {
  const { record, uploadId } = ending
  const selection = selectParts(input, ending.parts, record.checksum)
  const chunks = await encodeTable(selection.parts)
  await writeTable(context, ending, chunks)
  const data: StoredData = {
    kind: 'manifest',
    id: uploadId,
    partCount: selection.parts.length,
    chunkCount: chunks.length,
    tableDigest: partTableDigest(chunks),
    sealedTableKey: record.sealedTableKey,
  }
  const included = includedBitmap(selection.parts.map((part) => part.number))
  const version = newVersion(context, input, ending, selection, data, keys)
  return context.commits.run(async (snapshot, draft) => {
    await removeUpload(context, snapshot, draft, ending, included)
    return putVersion(context, snapshot, draft, version)
  })
}

/** Parts encoded before other requests have a turn: ten thousand at once would hold everything up. */
const partsPerTurn = 1_000

async function encodeTable(parts: readonly TablePart[]): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for (let start = 0; start < parts.length; start += partsPerTurn) {
    if (start > 0) await turnOfOthers()
    chunks.push(...encodePartTable(parts.slice(start, start + partsPerTurn)))
  }
  return chunks
}

function newVersion(
  context: EngineContext,
  input: CompleteUploadInput,
  { bucketId, name, uploadId, record }: EndingUpload,
  { sizeBytes, etag, checksum }: PartSelection,
  data: StoredData,
  keys: UploadKeys | undefined,
): NewVersion {
  const { envelope, details } = record
  return {
    bucketId,
    name,
    ownerAccountId: record.ownerAccountId,
    content: { sizeBytes, etag, data, ...(checksum ? { checksum } : undefined) },
    details,
    conditions: input.conditions,
    keyId: 'keyId' in envelope ? envelope.keyId : undefined,
    seal: (content) =>
      keys ? sealForVersion(keys.dataKey, envelopeKeyOf(envelope), content, keys.objectKey, context.random) : envelope,
    isFresh: ({ kind, id }) => kind === 'table' && Buffer.compare(id, uploadId) === 0,
  }
}

/** Chunks put or deleted in one commit, beside the check of the upload. */
const chunksPerCommit = 32

/** Writes the chunks of a part table, after those that a Complete which was cut short has left. */
async function writeTable(context: EngineContext, ending: EndingUpload, chunks: readonly Buffer[]): Promise<void> {
  const prefix = manifestKey.prefix(ending.uploadId)
  const commit = async (fill: (draft: CommitDraft) => void) => {
    // Whoever took the upload over meanwhile has marked it anew.
    const draft = new CommitDraft(context.records).check(ending.entry.key, ending.entry)
    fill(draft)
    const { committed } = await context.metadata.commit(draft.toCommit())
    if (!committed) throw new EngineError('OperationAborted')
  }
  const leftOver = () =>
    withSnapshot(context, (snapshot) => snapshot.list({ gte: prefix, lt: prefixEnd(prefix), limit: chunksPerCommit }))
  for (let entries = await leftOver(); entries.length > 0; entries = await leftOver()) {
    const keys = entries.map((entry) => entry.key)
    await commit((draft) => keys.forEach((key) => void draft.delete(key)))
  }
  for (let start = 0; start < chunks.length; start += chunksPerCommit) {
    await commit((draft) => {
      chunks.slice(start, start + chunksPerCommit).forEach((body, index) => {
        draft.putRecord(manifestKey.encode(ending.uploadId, start + index), body)
      })
    })
  }
}

/** The answer to a Complete that took place already, with the same parts. */
async function completedBefore(
  context: EngineContext,
  input: CompleteUploadInput,
  place: UploadPlace,
): Promise<WrittenObject | undefined> {
  const etags = input.parts.map((part) => Buffer.from(part.etag, 'hex'))
  const etag = formatEtag(multipartEtag(etags))
  return withSnapshot(context, async (snapshot) => {
    const found = await findVersion(context, snapshot, place, undefined)
    if (found?.record.kind !== 'object' || found.record.data.kind !== 'manifest') return undefined
    const { data } = found.record
    if (formatId(data.id) !== input.uploadId || formatEtag(found.record.etag) !== etag) return undefined
    const record = await context.records.object(snapshot, found.entry)
    return record.kind === 'object' ? writtenObjectOf(record, input.bucket.versioning !== 'unset') : undefined
  })
}
