/**
 * The commit that puts a part in its place: of an upload that still takes parts, over the part that had the number before,
 * whose blobs it gives back.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { UploadedPart } from './contract.ts'
import type { Holder, Reference } from './contributions.ts'
import { EngineError } from './engine-error.ts'
import { formatId } from './ids.ts'
import { encryptionInfoOf } from './presentation.ts'
import { settle } from './settle.ts'
import { partKey } from './tables.ts'
import { checkUpload, type FoundUpload, maxPartNumber, type UploadPlace } from './upload-access.ts'
import { decodePartRecord, encodePartRecord, type PartRecord, type UploadRecord } from './upload-record.ts'

/** Largest part: 5 GiB. */
export const maxPartBytes = 5 * 2 ** 30

/** @throws EngineError `InvalidArgument` */
export function checkPartNumber(number: number): void {
  if (Number.isInteger(number) && number >= 1 && number <= maxPartNumber) return
  throw new EngineError('InvalidArgument', {
    message: `Part number must be an integer between 1 and ${maxPartNumber}, inclusive`,
    fields: { ArgumentName: 'partNumber', ArgumentValue: String(number) },
  })
}

/** @throws EngineError `EntityTooLarge` */
export function checkPartSize(sizeBytes: number): void {
  if (sizeBytes <= maxPartBytes) return
  throw new EngineError('EntityTooLarge', {
    fields: { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(maxPartBytes) },
  })
}

/** Puts a part's record and settles what follows from that. */
export async function putPart(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  place: UploadPlace,
  number: number,
  record: PartRecord,
  isFresh?: (reference: Reference) => boolean,
): Promise<FoundUpload> {
  const upload = await checkUpload(context, snapshot, draft, place)
  const { bucketId, uploadId } = place
  const { envelope } = upload.record
  const key = partKey.encode(uploadId, number)
  const old = await snapshot.get(key)
  const holder = (part: PartRecord): Holder => ({ kind: 'part', bucketId, envelope, record: part })
  const before = old ? [holder(decodePartRecord(context.records.open(old)))] : []
  draft.check(key, old).putRecord(key, encodePartRecord(record))
  await settle(context, snapshot, draft, { before, after: [holder(record)], ...(isFresh ? { isFresh } : undefined) })
  return upload
}

/** What is shown of a part. */
export function uploadedPartOf(number: number, part: PartRecord, upload: UploadRecord): UploadedPart {
  return {
    number,
    etag: formatId(part.etag),
    sizeBytes: part.sizeBytes,
    lastModifiedMs: part.lastModifiedMs,
    ...(part.checksum ? { checksum: part.checksum } : undefined),
    encryption: encryptionInfoOf(upload.envelope, upload.details.context),
  }
}
