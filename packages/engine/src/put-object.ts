/**
 * PutObject (issue 3 sections 3 and 4; spec 1.6.1): encryption decided, body sealed and durable, then one commit.
 *
 * @module
 */

import { keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import { type SealedBody, writeBody } from './body-writer.ts'
import { bucketIdOf } from './bucket-access.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { PutObjectInput, WrittenObject } from './contract.ts'
import { type NewDataKey, newDataKey } from './data-keys.ts'
import { planEncryption, storedContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import { sealForVersion } from './envelope.ts'
import { asBuffer } from './ids.ts'
import { type LayerKeys, newLayerKeys, zeroLayers } from './layer-keys.ts'
import { type NewVersion, putVersion } from './new-version.ts'
import { decodeObjectHead, type ObjectVersion, type StoredData } from './object-record.ts'
import { objectKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Stores an object. @throws EngineError; what the body throws is passed on */
export async function putObject(context: EngineContext, input: PutObjectInput): Promise<WrittenObject> {
  const { requester, bucket, name, encryption } = input
  const bucketId = bucketIdOf(bucket)
  const plan = await planEncryption(context, requester, bucket, name, encryption)
  if (input.conditions) await checkEarly(context, input, bucketId)
  const target = { requester, bucketId, bucketName: bucket.name, name }
  const fresh = await newDataKey(context, target, plan)
  const keys = newLayerKeys(context.random, fresh.dataKey)
  const streamKey = asBuffer(context.random(keySizeBytes))
  try {
    const wantsMd5 = plan.mode === 'none' || plan.mode === 'sse-s3'
    const body = await writeBody(context, input.body, streamKey, wantsMd5, keys.inner)
    const digest = (wantsMd5 ? body.md5 : undefined) ?? context.random(16)
    const sealed: SealedObject = {
      input,
      bucketId,
      body,
      etag: { digest, partCount: 0 },
      data: body.stream
        ? { kind: 'single', ...body.stream, sealedKey: sealKey(keys.outer, streamKey, context.random) }
        : { kind: 'none' },
      clientContext: storedContext(plan),
      fresh,
      objectKey: keys,
    }
    return await commitObject(context, sealed)
  } finally {
    zeroLayers(fresh.dataKey, keys)
    zero(streamKey)
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
  readonly objectKey: LayerKeys
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
    const version = versionOf(context, sealed)
    return await context.commits.run((snapshot, draft) => {
      sealed.body.putInto(draft)
      return putVersion(context, snapshot, draft, version)
    })
  } catch (error) {
    // Refused for certain: nothing names the blob. Other errors leave open whether the commit took place.
    if (error instanceof EngineError) await sealed.body.discard()
    throw error
  }
}

function versionOf(context: EngineContext, sealed: SealedObject): NewVersion {
  const { input, bucketId, body, etag, data, clientContext, fresh } = sealed
  const { sizeBytes, checksum } = body
  const { dataKey, envelopeKey } = fresh
  return {
    bucketId,
    name: input.name,
    ownerAccountId: input.requester.accountId,
    content: { sizeBytes, etag, data, ...(checksum ? { checksum } : undefined) },
    details: {
      metadata: input.metadata,
      tags: input.tags ?? [],
      ...(clientContext ? { context: clientContext } : undefined),
    },
    conditions: input.conditions,
    keyId: 'keyId' in envelopeKey ? envelopeKey.keyId : undefined,
    seal: (content) => sealForVersion(dataKey, envelopeKey, content, sealed.objectKey, context.random),
    isFresh: () => true,
  }
}
