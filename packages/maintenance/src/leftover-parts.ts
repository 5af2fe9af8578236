/**
 * Parts of uploads that are gone without a garbage record: whether their data belongs to the object that the upload made is
 * told by the part table that bears the upload's id.
 *
 * @module
 */

import { decodePartTableChunk, formatId, garbageTableKey, manifestKey, rangeOf, tableKey } from '@strongroom/engine'
import type { Snapshot } from '@strongroom/storage'
import type { Inspection } from './inspection.ts'
import { entriesOf } from './walk.ts'

/** Blob ids, in hex, of what the part table of an upload's object refers to; `undefined` if the table does not open. */
export async function tableSegments(
  inspection: Inspection,
  snapshot: Snapshot,
  uploadId: Uint8Array,
): Promise<ReadonlySet<string> | undefined> {
  const blobIds = new Set<string>()
  const counts = await snapshot.getMany([tableKey.encode(uploadId), garbageTableKey.encode(uploadId)])
  if (!counts.some((entry) => entry)) return blobIds
  for await (const entry of entriesOf(snapshot, rangeOf(manifestKey.prefix(uploadId)))) {
    const parts = inspection.tryOpen(entry, decodePartTableChunk)
    if (!parts) return undefined
    for (const { segments } of parts) for (const { blobId } of segments) blobIds.add(formatId(blobId))
  }
  return blobIds
}
