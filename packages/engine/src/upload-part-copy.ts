/**
 * UploadPartCopy (spec 1.6.8, DESIGN 6): a part from another object. Where the range covers whole stored parts, and the upload
 * promises no digest that they lack, the part shares their blobs: their keys are sealed anew under the upload's.
 *
 * @module
 */

import { checksumOf, combineCrc, unsealKey, zero } from '@strongroom/crypto'
import type { Snapshot } from '@strongroom/storage'
import { type BodySource, findBody, openBody } from './body-reader.ts'
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
import type { KeyHandle } from './key-registry.ts'
import { type LayerKeys, zeroLayers } from './layer-keys.ts'
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

/** What a copy needs of the state in which it found its source and its upload. */
interface FoundPart {
  readonly upload: FoundUpload
  readonly record: ObjectVersion
  readonly span: ByteSpan
  readonly uploadKey: KeyHandle | undefined
  readonly sourceKey: KeyHandle | undefined
  /** The stored streams to share, or the data to be read: to be opened or released. */
  readonly data: StoredRun | BodySource
}

/** A part that shares its data, or the data to be read, and under which keys the part's are to be sealed. */
interface PreparedPart extends Pick<FoundPart, 'upload' | 'span'> {
  /** The caller zeroes them. */
  readonly keys: LayerKeys
  readonly part: PartRecord | OpenContent
}

async function copyOnce(context: EngineContext, input: UploadPartCopyInput): Promise<CopiedPart> {
  const found = await withSnapshot(context, (snapshot) => find(context, snapshot, input))
  // The snapshot is released: the KMS may take its time.
  try {
    const prepared = await prepare(context, input, found)
    try {
      const part = await storePrepared(context, input.partNumber, prepared)
      return { ...part, ...sourceVersionOf(input.source, found.record) }
    } finally {
      zeroLayers(prepared.keys)
    }
  } finally {
    if ('release' in found.data) found.data.release()
  }
}

async function find(context: EngineContext, snapshot: Snapshot, input: UploadPartCopyInput): Promise<FoundPart> {
  const upload = await findUpload(context, snapshot, uploadPlaceOf(input))
  checkUploadCustomerKey(upload.record.envelope, input.customerKey)
  const record = await findSource(context, snapshot, input.source)
  const span = spanOf(input.range, record.sizeBytes)
  checkPartSize(span.length)
  const uploadKey = await findDataKey(context, snapshot, upload.record.envelope)
  const sourceKey = await findDataKey(context, snapshot, record.envelope)
  const run = await sharedRun(context, snapshot, upload, record, span)
  // Last: what was found has to be opened or released.
  const data = run ?? (await findBody(context, snapshot, record, span))
  return { upload, record, span, uploadKey, sourceKey, data }
}

async function prepare(context: EngineContext, input: UploadPartCopyInput, found: FoundPart): Promise<PreparedPart> {
  const { upload, record, span, data } = found
  // An empty span has nothing to open; but the wrong client's key is refused all the same.
  const needsKey = span.length > 0 || record.envelope.mode === 'sse-c'
  const opened = needsKey
    ? await openSource(context, found.sourceKey, input.requester, input.source, record)
    : undefined
  try {
    const keys = await openTableKey(context, found.uploadKey, input, upload)
    try {
      const part =
        'release' in data ? await openBody(context, data, opened ?? noKeys) : share(context, found, data, opened, keys)
      return { upload, span, keys, part }
    } catch (error) {
      zeroLayers(keys)
      throw error
    }
  } finally {
    zeroLayers(opened)
  }
}

/** For what has nothing to open. */
const noKeys: LayerKeys = { outer: Buffer.alloc(0) }

async function storePrepared(
  context: EngineContext,
  number: number,
  { upload, span, keys, part }: PreparedPart,
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
    return storePart(context, upload, number, body, keys)
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
}

/** The stored streams that a part can share, or `undefined` if the data has to be read. */
async function sharedRun(
  context: EngineContext,
  snapshot: Snapshot,
  upload: FoundUpload,
  record: ObjectVersion,
  span: ByteSpan,
): Promise<StoredRun | undefined> {
  const algorithm = upload.record.checksum?.algorithm
  const run = await storedRun(context, snapshot, record, span, algorithm)
  if (!run || run.segments.length > maxSharedSegments) return undefined
  const lacksDigest = (hasMd5Etags(upload) && !run.md5) || (algorithm !== undefined && !run.checksum)
  // The keys of inner layers are derived from those of one object or upload: streams of another do not fit in.
  const hasInner = [upload.record.envelope, record.envelope].some(({ mode }) => mode === 'dsse-kms')
  return lacksDigest || (hasInner && run.segments.length > 0) ? undefined : run
}

/** The record of a part that shares its data. @param opened the source's object key; all keys stay the caller's */
function share(
  context: EngineContext,
  { upload, span, record }: FoundPart,
  run: StoredRun,
  opened: LayerKeys | undefined,
  keys: LayerKeys,
): PartRecord {
  const { data } = record
  const streamsKey =
    data.kind === 'manifest' && opened ? unsealKey(opened.outer, data.sealedTableKey) : Buffer.from(opened?.outer ?? [])
  try {
    return {
      lastModifiedMs: Math.trunc(context.now()),
      sizeBytes: span.length,
      etag: (hasMd5Etags(upload) ? run.md5 : undefined) ?? context.random(16),
      ...(run.checksum ? { checksum: run.checksum } : undefined),
      segments: run.segments.map((segment) => ({
        ...segment,
        sealedKey: resealKey(streamsKey, segment.sealedKey, keys.outer, context.random),
      })),
    }
  } finally {
    zero(streamsKey)
  }
}

async function storedRun(
  context: EngineContext,
  snapshot: Snapshot,
  record: ObjectVersion,
  span: ByteSpan,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<StoredRun | undefined> {
  const { data, sizeBytes } = record
  if (span.length === 0 || data.kind === 'none') return emptyRun(algorithm)
  if (data.kind === 'single') {
    if (span.length !== sizeBytes) return undefined
    const { kind: _, ...stream } = data
    const checksum = checksumOfRun([record], algorithm)
    return { segments: [{ ...stream, sizeBytes }], md5: md5Of(record), checksum }
  }
  const table = await tableOf(context, snapshot, record)
  const first = table?.offsets.lastIndexOf(span.offset) ?? -1
  const end = table?.offsets.indexOf(span.offset + span.length) ?? -1
  if (!table || first < 0 || end <= first) return undefined
  const parts = table.parts.slice(first, end)
  const segments = parts.flatMap((part) => part.segments)
  // The entity tags of parts are not kept: there is no MD5 of a run.
  return { segments, md5: undefined, checksum: checksumOfRun(parts, algorithm) }
}

function emptyRun(algorithm: ChecksumAlgorithm | undefined): StoredRun {
  const nothing = Buffer.alloc(0)
  const value = algorithm && checksumOf(algorithm, nothing).toString('base64')
  const checksum = algorithm && value ? ({ algorithm, type: 'FULL_OBJECT', value } as const) : undefined
  return { segments: [], md5: checksumOf('MD5', nothing), checksum }
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
