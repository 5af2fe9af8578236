/**
 * CreateMultipartUpload (spec 1.6.6): fixes the encryption of all parts. The object key and the key under which the keys of
 * the parts are sealed are made here; Complete seals the object key anew, for the version.
 *
 * @module
 */

import { keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import { bucketIdOf, checkBucket } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { CreateUploadInput, UploadInfo } from './contract.ts'
import { type NewDataKey, newDataKey } from './data-keys.ts'
import { planEncryption, storedContext } from './encryption-plan.ts'
import { sealForUpload } from './envelope.ts'
import { asBuffer, idBytes } from './ids.ts'
import { checkKey } from './key-registry.ts'
import { newLayerKeys, zeroLayers } from './layer-keys.ts'
import { uploadInfoOf } from './list-uploads.ts'
import { fitUpload } from './record-store.ts'
import { settle } from './settle.ts'
import { uploadKey } from './tables.ts'
import { checkUploadChecksum } from './upload-checksums.ts'
import type { UploadRecord } from './upload-record.ts'

/** Bytes of an upload id that hold its time in microseconds: uploads of a name are listed in the order of their ids. */
const timeBytes = 7

/** Begins an upload. @throws EngineError as PutObject does, before any body */
export async function createUpload(context: EngineContext, input: CreateUploadInput): Promise<UploadInfo> {
  const { requester, bucket, name } = input
  if (input.checksum) checkUploadChecksum(input.checksum)
  const bucketId = bucketIdOf(bucket)
  const plan = await planEncryption(context, requester, bucket, name, input.encryption)
  const fresh = await newDataKey(context, { requester, bucketId, bucketName: bucket.name, name }, plan)
  const uploadId = newUploadId(context)
  const record = sealRecord(context, input, { bucketId, name, uploadId, context: storedContext(plan) }, fresh)
  const fitted = fitUpload(record, context.random)
  await context.commits.run(async (snapshot, draft) => {
    await checkBucket(context, snapshot, draft, bucketId)
    if ('keyId' in fresh.envelopeKey) await checkKey(context, snapshot, draft, fresh.envelopeKey.keyId)
    const key = uploadKey.encode(bucketId, name, uploadId)
    draft.check(key, undefined).putFitted(key, fitted)
    await settle(context, snapshot, draft, {
      before: [],
      after: [{ kind: 'upload', bucketId, uploadId, record: fitted.record }],
    })
  })
  return uploadInfoOf(name, uploadId, record)
}

function newUploadId(context: EngineContext): Buffer {
  const id = Buffer.from(context.random(idBytes))
  const micros = Math.trunc(context.now() * 1_000)
  id.writeUIntBE(Math.floor(micros / 2 ** 32), 0, timeBytes - 4)
  id.writeUInt32BE(micros % 2 ** 32, timeBytes - 4)
  return id
}

function sealRecord(
  context: EngineContext,
  { metadata, requester, tags = [], checksum }: CreateUploadInput,
  bound: Parameters<typeof sealForUpload>[2],
  fresh: NewDataKey,
): UploadRecord {
  const objectKey = newLayerKeys(context.random, fresh.dataKey)
  const tableKey = asBuffer(context.random(keySizeBytes))
  const { storageClass } = metadata
  try {
    return {
      initiatedAtMs: Math.trunc(context.now()),
      ownerAccountId: requester.accountId,
      ...(checksum ? { checksum } : undefined),
      ...(storageClass === undefined ? undefined : { storageClass }),
      details: { metadata, tags, ...(bound.context ? { context: bound.context } : undefined) },
      envelope: sealForUpload(fresh.dataKey, fresh.envelopeKey, bound, objectKey, context.random),
      sealedTableKey: sealKey(objectKey.outer, tableKey, context.random),
    }
  } finally {
    zeroLayers(fresh.dataKey, objectKey)
    zero(tableKey)
  }
}
