/**
 * UploadPartCopy (spec 1.6.8, DESIGN 6): a part from another object. Where the range covers whole stored parts, and the upload
 * promises no digest that they lack, the part shares their blobs: their keys are sealed anew under the upload's.
 *
 * @module
 */

import { checksumOf, combineCrc, unsealKey, zero } from '@strongroom/crypto'
import type { Snapshot } from '@strongroom/storage'
import { readBody } from './body-reader.ts'
import type { EngineContext } from './context.ts'
import type { ChecksumAlgorithm, ObjectChecksum, UploadedPart, UploadPartCopyInput } from './contract.ts'
import {
  copyFrom,
  findSource,
  md5Of,
  type OpenContent,
  openSource,
  passOn,
  resealKey,
  retaining,
  sourceVersionOf,
} from './copy-source.ts'
import { findDataKey } from './data-keys.ts'
import { EngineError } from './engine-error.ts'
import type { ObjectVersion } from './object-record.ts'
import { hasMd5Etags } from './part-etag.ts'
import { checkPartNumber, checkPartSize, putPart, uploadedPartOf } from './put-part.ts'
import { type ByteSpan, tableOf } from './read-plan.ts'
import { checkUploadCustomerKey, type FoundUpload, findUpload, openTableKey, uploadPlaceOf } from './upload-access.ts'
import { storePart } from './upload-part.ts'
import type { PartRecord, Segment } from './upload-record.ts'
import { withSnapshot } from './with-snapshot.ts'

/**
 * Most segments that a part shares. Together with those of a part that it replaces they have to fit one commit; a copy of
 * more reads the data.
 */
const maxSharedSegments = 15

type CopiedPart = UploadedPart & { readonly sourceVersionId?: string }

/** Copies a part. @throws EngineError */
export function uploadPartCopy(context: EngineContext, input: UploadPartCopyInput): Promise<CopiedPart> {
  checkPartNumber(input.partNumber)
  return copyFrom(() => copyOnce(context, input))
}

/** What is copied: a span of a version, opened. */
interface OpenSpan {
  readonly record: ObjectVersion
  readonly span: ByteSpan
  readonly upload: FoundUpload
  /** Under which the keys of the upload's parts are sealed. */
  readonly tableKey: Uint8Array
  /** Absent for an empty span: nothing is to be opened. */
  readonly sourceKey: Uint8Array | undefined
}

/** A part that shares its data, or the data to be read, and under which key the part's is to be sealed. */
interface PreparedPart {
  readonly upload: FoundUpload
  readonly record: ObjectVersion
  readonly span: ByteSpan
  /** The caller zeroes it. */
  readonly tableKey: Buffer
  readonly part: PartRecord | OpenContent
}

async function copyOnce(context: EngineContext, input: UploadPartCopyInput): Promise<CopiedPart> {
  const prepared = await withSnapshot(context, (snapshot) => prepare(context, snapshot, input))
  try {
    const part = await storePrepared(context, input.partNumber, prepared)
    return { ...part, ...sourceVersionOf(input.source, prepared.record) }
  } finally {
    zero(prepared.tableKey)
  }
}

async function prepare(context: EngineContext, snapshot: Snapshot, input: UploadPartCopyInput): Promise<PreparedPart> {
  const upload = await findUpload(context, snapshot, uploadPlaceOf(input))
  checkUploadCustomerKey(upload.record.envelope, input.customerKey)
  const record = await findSource(context, snapshot, input.source)
  const span = spanOf(input.range, record.sizeBytes)
  checkPartSize(span.length)
  // An empty object has nothing to open; but the wrong client's key is refused all the same.
  const needsKey = span.length > 0 || record.envelope.mode === 'sse-c'
  const opened = needsKey ? await openSource(context, snapshot, input.requester, input.source, record) : undefined
  const key = await findDataKey(context, snapshot, upload.record.envelope)
  const tableKey = await openTableKey(context, key, input, upload).catch((error: unknown) => {
    if (opened) zero(opened)
    throw error
  })
  try {
    const sourceKey = span.length > 0 ? opened : undefined
    const shared = await sharedPart(context, snapshot, { record, span, upload, tableKey, sourceKey })
    const part = shared ?? (await readBody(context, snapshot, record, sourceKey ?? Buffer.alloc(0), span))
    return { upload, record, span, tableKey, part }
  } catch (error) {
    zero(tableKey)
    throw error
  } finally {
    if (opened) zero(opened)
  }
}

async function storePrepared(
  context: EngineContext,
  number: number,
  { upload, span, tableKey, part }: PreparedPart,
): Promise<UploadedPart> {
  if ('segments' in part) {
    await context.commits.run(
      retaining(async (snapshot, draft) => {
        await putPart(context, snapshot, draft, upload, number, part)
      }),
    )
    context.figures.copiesShared += 1
    return uploadedPartOf(number, part, upload.record)
  }
  const stored = await passOn(part, (content) => {
    const algorithm = upload.record.checksum?.algorithm
    const body = { sizeBytes: span.length, content, ...(algorithm ? { checksum: { algorithm } } : undefined) }
    return storePart(context, upload, number, body, tableKey)
  })
  context.figures.copiesRewritten += 1
  return stored
}

/** @throws EngineError `InvalidArgument` for a range that is not inside the source */
function spanOf(range: UploadPartCopyInput['range'], sizeBytes: number): ByteSpan {
  if (!range) return { offset: 0, length: sizeBytes }
  const { first, last } = range
  if (first <= last && last < sizeBytes) return { offset: first, length: last - first + 1 }
  throw new EngineError('InvalidArgument', {
    message: `Range specified is not valid for source object of size: ${sizeBytes}`,
    fields: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: `bytes=${first}-${last}` },
  })
}

/** Whole stored streams that make up a span, and what is known of them. */
interface StoredRun {
  readonly segments: readonly Segment[]
  readonly md5: Uint8Array | undefined
  /** Of the algorithm asked for. */
  readonly checksum: ObjectChecksum | undefined
  /** The key that the segments' keys are sealed under. The caller zeroes it. */
  readonly streamsKey: Buffer
}

/** The record of a part that shares its data, or `undefined` if the data has to be read. */
async function sharedPart(
  context: EngineContext,
  snapshot: Snapshot,
  opened: OpenSpan,
): Promise<PartRecord | undefined> {
  const { upload, span, tableKey } = opened
  const algorithm = upload.record.checksum?.algorithm
  const run = await storedRun(context, snapshot, opened, algorithm)
  if (!run) return undefined
  try {
    const wantsMd5 = hasMd5Etags(upload)
    const lacksDigest = (wantsMd5 && !run.md5) || (algorithm !== undefined && !run.checksum)
    if (lacksDigest || run.segments.length > maxSharedSegments) return undefined
    return {
      lastModifiedMs: Math.trunc(context.now()),
      sizeBytes: span.length,
      etag: (wantsMd5 ? run.md5 : undefined) ?? context.random(16),
      ...(run.checksum ? { checksum: run.checksum } : undefined),
      segments: run.segments.map((segment) => ({
        ...segment,
        sealedKey: resealKey(run.streamsKey, segment.sealedKey, tableKey, context.random),
      })),
    }
  } finally {
    zero(run.streamsKey)
  }
}

async function storedRun(
  context: EngineContext,
  snapshot: Snapshot,
  { record, span, sourceKey }: OpenSpan,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<StoredRun | undefined> {
  const { data, sizeBytes } = record
  if (!sourceKey || data.kind === 'none') return emptyRun(algorithm)
  if (data.kind === 'single') {
    if (span.length !== sizeBytes) return undefined
    const { kind: _, ...stream } = data
    const checksum = checksumOfRun([record], algorithm)
    return { segments: [{ ...stream, sizeBytes }], md5: md5Of(record), checksum, streamsKey: Buffer.from(sourceKey) }
  }
  const table = await tableOf(context, snapshot, record)
  const first = table?.offsets.lastIndexOf(span.offset) ?? -1
  const end = table?.offsets.indexOf(span.offset + span.length) ?? -1
  if (!table || first < 0 || end <= first) return undefined
  const parts = table.parts.slice(first, end)
  const segments = parts.flatMap((part) => part.segments)
  const streamsKey = unsealKey(sourceKey, data.sealedTableKey)
  // The entity tags of parts are not kept: there is no MD5 of a run.
  return { segments, md5: undefined, checksum: checksumOfRun(parts, algorithm), streamsKey }
}

function emptyRun(algorithm: ChecksumAlgorithm | undefined): StoredRun {
  const nothing = Buffer.alloc(0)
  const value = algorithm && checksumOf(algorithm, nothing).toString('base64')
  const checksum = algorithm && value ? ({ algorithm, type: 'FULL_OBJECT', value } as const) : undefined
  return { segments: [], md5: checksumOf('MD5', nothing), checksum, streamsKey: Buffer.alloc(0) }
}

/** The checksum of consecutive streams from theirs, where they have it and it combines. */
function checksumOfRun(
  parts: readonly { readonly sizeBytes: number; readonly checksum?: ObjectChecksum }[],
  algorithm: ChecksumAlgorithm | undefined,
): ObjectChecksum | undefined {
  if (algorithm === undefined) return undefined
  let whole: Uint8Array | undefined
  for (const { checksum, sizeBytes } of parts) {
    if (checksum?.algorithm !== algorithm || checksum.type !== 'FULL_OBJECT') return undefined
    const value = Buffer.from(checksum.value, 'base64')
    if (whole === undefined) whole = value
    else if (algorithm === 'SHA1' || algorithm === 'SHA256') return undefined
    else whole = combineCrc(algorithm, whole, value, sizeBytes)
  }
  return whole && { algorithm, type: 'FULL_OBJECT', value: Buffer.from(whole).toString('base64') }
}
