/**
 * ListParts: the parts of a running upload by number. Sizes are those of the plaintext; no key is needed (spec 1.6.10).
 *
 * @module
 */

import { prefixEnd } from '@strongroom/storage'
import type { EngineContext } from './context.ts'
import type { Engine, UploadedPart } from './contract.ts'
import { uploadInfoOf } from './list-uploads.ts'
import { uploadedPartOf } from './put-part.ts'
import { partKey } from './tables.ts'
import { findUpload, uploadPlaceOf } from './upload-access.ts'
import { decodePartRecord } from './upload-record.ts'
import { withSnapshot } from './with-snapshot.ts'

/** A page of parts with numbers above `after`. @throws EngineError `NoSuchUpload` */
export async function listParts(
  context: EngineContext,
  input: Parameters<Engine['listParts']>[0],
): ReturnType<Engine['listParts']> {
  const place = uploadPlaceOf(input)
  const { after, limit } = input
  return withSnapshot(context, async (snapshot) => {
    const { record } = await findUpload(context, snapshot, place)
    const gte = partKey.encode(place.uploadId, after + 1)
    const lt = prefixEnd(partKey.prefix(place.uploadId))
    const entries = limit > 0 ? await snapshot.list({ gte, lt, limit: limit + 1 }) : []
    const parts = entries.slice(0, limit).map((entry): UploadedPart => {
      const [, number] = partKey.decode(entry.key)
      return uploadedPartOf(number, decodePartRecord(context.records.open(entry)), record)
    })
    const upload = uploadInfoOf(place.name, place.uploadId, record)
    return { upload, parts, truncated: entries.length > limit && limit > 0 }
  })
}
