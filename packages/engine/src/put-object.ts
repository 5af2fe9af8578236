/**
 * PutObject (issue 3 sections 3 and 4; spec 1.6.1): encryption decided, body sealed and durable, then one commit.
 *
 * @module
 */

import { keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import type { Snapshot } from '@strongroom/storage'
import { type SealedBody, writeBody } from './body-writer.ts'
import { bucketIdOf, checkBucket } from './bucket-access.ts'
import type { CommitDraft } from './commit-draft.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { PutObjectInput, WrittenObject } from './contract.ts'
import { type NewDataKey, newDataKey } from './data-keys.ts'
import { planEncryption, storedContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import { sealForVersion } from './envelope.ts'
import { checkKey } from './key-registry.ts'
import { decodeObjectHead, type ObjectVersion, type StoredData } from './object-record.ts'
import { encryptionInfoOf, formatEtag } from './presentation.ts'
import { objectKey } from './tables.ts'
import { formatVersionId } from './version-id.ts'
import { fillSlot, openSlot, slotHead } from './version-slot.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Stores an object. @throws EngineError; what the body throws is passed on */
export async function putObject(context: EngineContext, input: PutObjectInput): Promise<WrittenObject> {
  const { requester, bucket, name, encryption } = input
  const bucketId = bucketIdOf(bucket)
  const plan = await planEncryption(context, requester, bucket, name, encryption)
  await checkEarly(context, input, bucketId)
  const target = { requester, bucketId, bucketName: bucket.name, name }
  const fresh = await newDataKey(context, target, plan)
  const objectKeyBytes = Buffer.from(context.random(keySizeBytes))
  const streamKey = Buffer.from(context.random(keySizeBytes))
  try {
    const wantsMd5 = plan.mode === 'none' || plan.mode === 'sse-s3'
    const body = await writeBody(context, input.body, streamKey, wantsMd5)
    const digest = (wantsMd5 ? body.md5 : undefined) ?? context.random(16)
    const sealed: SealedObject = {
      input,
      bucketId,
      body,
      etag: { digest, partCount: 0 },
      data: body.stream
        ? { kind: 'single', ...body.stream, sealedKey: sealKey(objectKeyBytes, streamKey, context.random) }
        : { kind: 'none' },
      clientContext: storedContext(plan),
      fresh,
      objectKey: objectKeyBytes,
    }
    return await commitObject(context, sealed)
  } finally {
    zero(fresh.dataKey, objectKeyBytes, streamKey)
  }
}

interface SealedObject {
  readonly input: PutObjectInput
  readonly bucketId: Uint8Array
  readonly body: SealedBody
  readonly etag: ObjectVersion['etag']
  readonly data: StoredData
  readonly clientContext: Uint8Array | undefined
  readonly fresh: NewDataKey
  readonly objectKey: Uint8Array
}

/** A condition that fails now is not worth a body: the commit looks again. */
async function checkEarly(context: EngineContext, input: PutObjectInput, bucketId: Uint8Array): Promise<void> {
  const { conditions, name } = input
  if (!conditions) return
  await withSnapshot(context, async (snapshot) => {
    const entry = await snapshot.get(objectKey.encode(bucketId, name))
    checkWriteConditions(conditions, entry && decodeObjectHead(context.records.open(entry)))
  })
}

async function commitObject(context: EngineContext, sealed: SealedObject): Promise<WrittenObject> {
  try {
    return await context.commits.run((snapshot, draft) => attempt(context, sealed, snapshot, draft))
  } catch (error) {
    // Refused for certain: nothing names the blob. Other errors leave open whether the commit took place.
    if (error instanceof EngineError) await sealed.body.discard()
    throw error
  }
}

async function attempt(
  context: EngineContext,
  sealed: SealedObject,
  snapshot: Snapshot,
  draft: CommitDraft,
): Promise<WrittenObject> {
  const { input, bucketId, body, etag, data, clientContext, fresh } = sealed
  const { requester, name, metadata, tags = [] } = input
  const target = { bucketId, name }
  const bucketRecord = await checkBucket(context, snapshot, draft, bucketId)
  const { envelopeKey } = fresh
  if ('keyId' in envelopeKey) await checkKey(context, snapshot, draft, envelopeKey.keyId)
  const slot = await openSlot(context, snapshot, draft, target, bucketRecord.versioning)
  checkWriteConditions(input.conditions, slot.current)
  const lastModifiedMs = Math.trunc(context.now())
  const { sizeBytes, checksum } = body
  const head = { ...slotHead(slot), sizeBytes, etag, data, ...(checksum ? { checksum } : undefined) }
  const content = { ...head, ...target, context: clientContext }
  const { storageClass } = metadata
  const record: ObjectVersion = {
    kind: 'object',
    ...head,
    lastModifiedMs,
    ownerAccountId: requester.accountId,
    ...(storageClass === undefined ? undefined : { storageClass }),
    details: { metadata, tags, ...(clientContext ? { context: clientContext } : undefined) },
    tagCount: tags.length,
    envelope: sealForVersion(fresh.dataKey, envelopeKey, content, sealed.objectKey, context.random),
  }
  body.putInto(draft)
  await fillSlot(context, snapshot, draft, target, slot, record, () => true)
  return {
    etag: formatEtag(etag),
    lastModifiedMs,
    sizeBytes,
    ...(bucketRecord.versioning === 'unset' ? undefined : { versionId: formatVersionId(slot) }),
    encryption: encryptionInfoOf(record.envelope, clientContext),
    ...(checksum ? { checksum } : undefined),
  }
}
