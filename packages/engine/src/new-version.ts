/**
 * The commit of a new version of an object, whatever made it: bucket, key and conditions checked on a fresh snapshot, the
 * object key sealed for the place that the version gets there.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { checkBucket } from './bucket-access.ts'
import type { CommitDraft } from './commit-draft.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { AccountId, WriteConditions, WrittenObject } from './contract.ts'
import type { Reference } from './contributions.ts'
import type { Details } from './details.ts'
import type { BoundContent } from './envelope.ts'
import type { Envelope } from './envelope-record.ts'
import { checkKey } from './key-registry.ts'
import type { ObjectVersion } from './object-record.ts'
import { encryptionInfoOf, formatEtag } from './presentation.ts'
import { formatVersionId } from './version-id.ts'
import { fillSlot, type NameTarget, openSlot, slotHead } from './version-slot.ts'

/** What a new version is going to be. */
export interface NewVersion extends NameTarget {
  readonly ownerAccountId: AccountId
  readonly content: Pick<ObjectVersion, 'sizeBytes' | 'etag' | 'data' | 'checksum'>
  readonly details: Details
  readonly conditions?: WriteConditions | undefined
  /** The EK that it is going to depend on, if any: 16 bytes. */
  readonly keyId?: Uint8Array | undefined
  /** Seals the object key for the version. */
  readonly seal: (content: BoundContent) => Envelope
  /** Tells the data that this commit is the first to refer to. */
  readonly isFresh?: (reference: Reference) => boolean
}

/**
 * Fills a draft with everything that the new version means. The data itself is the caller's to put.
 *
 * @throws EngineError `PreconditionFailed`, `NoSuchBucket`, `KMS.NotFoundException`…
 */
export async function putVersion(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  version: NewVersion,
): Promise<WrittenObject> {
  const { bucketId, name, content, details } = version
  const target = { bucketId, name }
  const { versioning } = await checkBucket(context, snapshot, draft, bucketId)
  if (version.keyId) await checkKey(context, snapshot, draft, version.keyId)
  const slot = await openSlot(context, snapshot, draft, target, versioning)
  checkWriteConditions(version.conditions, slot.current)
  const { sequence, isNull } = slot
  const { sizeBytes, etag, data, checksum } = content
  const { storageClass } = details.metadata
  const bound = { sequence, isNull, sizeBytes, etag, data, bucketId, name, context: details.context }
  const record: ObjectVersion = {
    kind: 'object',
    ...slotHead(slot),
    sizeBytes,
    etag,
    data,
    ...(checksum === undefined ? undefined : { checksum }),
    lastModifiedMs: Math.trunc(context.now()),
    ownerAccountId: version.ownerAccountId,
    ...(storageClass === undefined ? undefined : { storageClass }),
    details,
    tagCount: details.tags.length,
    envelope: version.seal(checksum === undefined ? bound : { ...bound, checksum }),
  }
  await fillSlot(context, snapshot, draft, target, slot, record, version.isFresh)
  return writtenObjectOf(record, versioning !== 'unset')
}

/** What a write answers about a version. */
export function writtenObjectOf(record: ObjectVersion, hasVersions: boolean): WrittenObject {
  const { etag, lastModifiedMs, sizeBytes, checksum, envelope, details } = record
  return {
    etag: formatEtag(etag),
    lastModifiedMs,
    sizeBytes,
    ...(hasVersions ? { versionId: formatVersionId(record) } : undefined),
    encryption: encryptionInfoOf(envelope, details.context),
    ...(checksum ? { checksum } : undefined),
  }
}
