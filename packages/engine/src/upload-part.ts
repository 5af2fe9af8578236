/**
 * UploadPart (spec 1.6.7): a body sealed under a key of its own, which is random for every upload of a part: one sent
 * again never meets the key and nonce of the one before (spec 12 no. 1).
 *
 * @module
 */

import { keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import { writeBody } from './body-writer.ts'
import type { EngineContext } from './context.ts'
import type { UploadedPart, UploadPartInput, WriteBody } from './contract.ts'
import { findDataKey } from './data-keys.ts'
import { EngineError } from './engine-error.ts'
import { asBuffer } from './ids.ts'
import { type LayerKeys, zeroLayers } from './layer-keys.ts'
import { needsPartMd5, partEtag } from './part-etag.ts'
import { checkPartNumber, checkPartSize, putPart, uploadedPartOf } from './put-part.ts'
import { checkUploadCustomerKey, type FoundUpload, findUpload, openTableKey, uploadPlaceOf } from './upload-access.ts'
import { partChecksum } from './upload-checksums.ts'
import type { PartRecord } from './upload-record.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Stores a part, in place of one that has its number. @throws EngineError; what the body throws is passed on */
export async function uploadPart(context: EngineContext, input: UploadPartInput): Promise<UploadedPart> {
  checkPartNumber(input.partNumber)
  checkPartSize(input.body.sizeBytes)
  const place = uploadPlaceOf(input)
  const { found, key } = await withSnapshot(context, async (snapshot) => {
    const upload = await findUpload(context, snapshot, place)
    checkUploadCustomerKey(upload.record.envelope, input.customerKey)
    return { found: upload, key: await findDataKey(context, snapshot, upload.record.envelope) }
  })
  const keys = await openTableKey(context, key, input, found)
  try {
    const { checksum: asked, ...rest } = input.body
    const checksum = partChecksum(found.record.checksum, asked)
    return await storePart(context, found, input.partNumber, checksum ? { ...rest, checksum } : rest, keys)
  } finally {
    zeroLayers(keys)
  }
}

/** Seals, stores and commits the body of a part. @param keys what `openTableKey` gave; stay the caller's */
export async function storePart(
  context: EngineContext,
  upload: FoundUpload,
  number: number,
  content: WriteBody,
  keys: LayerKeys,
): Promise<UploadedPart> {
  const partKey = asBuffer(context.random(keySizeBytes))
  try {
    const body = await writeBody(context, content, partKey, needsPartMd5(context, upload), keys.inner)
    const { sizeBytes, stream, checksum } = body
    const segment = stream && { ...stream, sizeBytes, sealedKey: sealKey(keys.outer, partKey, context.random) }
    const record: PartRecord = {
      lastModifiedMs: Math.trunc(context.now()),
      sizeBytes,
      etag: partEtag(context, upload, keys.outer, body.md5),
      ...(checksum ? { checksum } : undefined),
      segments: segment ? [segment] : [],
    }
    try {
      await context.commits.run(async (snapshot, draft) => {
        body.putInto(draft)
        await putPart(context, snapshot, draft, upload, number, record, () => true)
      })
    } catch (error) {
      // Refused for certain: nothing names the blob. Other errors leave open whether the commit took place.
      if (error instanceof EngineError) await body.discard()
      throw error
    }
    return uploadedPartOf(number, record, upload.record)
  } finally {
    zero(partKey)
  }
}
