/**
 * Phase `blobs`: every blob of the blob store has a record, or is being written, or is on its way out. (That records have
 * their blobs is looked at where the objects are.)
 *
 * @module
 */

import {
  blobIdBytes,
  blobKey,
  decodeSessionRecord,
  garbageBlobKey,
  parseId,
  sessionIdBytes,
  sessionKey,
} from '@strongroom/engine'
import type { BlobId } from '@strongroom/storage'
import type { Inspection } from './inspection.ts'
import { turnOfOthers, withSnapshot } from './walk.ts'

interface StoredBlob {
  readonly blobId: BlobId
  readonly sizeBytes: number
}

/** Blobs looked up at once. */
const batchSize = 256

/** See the module's comment. */
export async function checkBlobs(inspection: Inspection): Promise<void> {
  for await (const sessionId of inspection.blobs.sessions()) {
    let batch: StoredBlob[] = []
    for await (const blob of inspection.blobs.list(sessionId)) {
      batch.push(blob)
      if (batch.length < batchSize) continue
      await checkBatch(inspection, sessionId, batch)
      batch = []
    }
    await checkBatch(inspection, sessionId, batch)
  }
}

async function checkBatch(inspection: Inspection, sessionId: string, batch: readonly StoredBlob[]): Promise<void> {
  inspection.progress(batch.length)
  inspection.count('blobs', batch.length)
  inspection.count(
    'blobBytes',
    batch.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  )
  const fates = await fatesOf(inspection, sessionId, batch)
  for (const [index, { blobId }] of batch.entries()) {
    const fate = fates[index]
    if (fate === 'unfinished') inspection.count('blobsBeingWritten')
    if (fate !== 'leftover' || inspection.unrecordedBlobs.has(blobId)) continue
    await inspection.found({
      kind: 'leftover-blob',
      place: { table: 'blob', blobId },
      problem: 'no record names this blob, and its writer is gone',
      async repair(snapshot) {
        const [now] = await fatesIn(inspection, snapshot, sessionId, [{ blobId, sizeBytes: 0 }])
        if (now !== 'leftover') return false
        await inspection.blobs.delete(blobId)
        return true
      },
      isExcess: true,
    })
  }
  await turnOfOthers()
}

type Fate = 'recorded' | 'unfinished' | 'leftover'

/**
 * What becomes of blobs, from a state of the store that is newer than the listing of them. While its session is open a
 * blob may be named any time; once that has ended, no commit can name it (DESIGN 4).
 */
function fatesOf(inspection: Inspection, sessionId: string, blobs: readonly StoredBlob[]): Promise<Fate[]> {
  return withSnapshot(inspection.metadata, (snapshot) => fatesIn(inspection, snapshot, sessionId, blobs))
}

async function fatesIn(
  inspection: Inspection,
  snapshot: Inspection['snapshot'],
  sessionId: string,
  blobs: readonly StoredBlob[],
): Promise<Fate[]> {
  const session = await sessionState(inspection, snapshot, sessionId)
  const ids = blobs.map(({ blobId }) => parseId(blobId, blobIdBytes) ?? Buffer.alloc(blobIdBytes))
  const counts = await snapshot.getMany(ids.map((id) => blobKey.encode(id)))
  const garbage = await snapshot.getMany(ids.map((id) => garbageBlobKey.encode(id)))
  return blobs.map((_, index) => {
    if (counts[index] || garbage[index]) return 'recorded'
    return session === 'open' ? 'unfinished' : 'leftover'
  })
}

/** A session whose record does not open may be alive. */
async function sessionState(
  inspection: Inspection,
  snapshot: Inspection['snapshot'],
  sessionId: string,
): Promise<'open' | 'ended'> {
  const id = parseId(sessionId, sessionIdBytes)
  const entry = id && (await snapshot.get(sessionKey.encode(id)))
  if (!entry) return 'ended'
  const record = inspection.tryOpen(entry, decodeSessionRecord)
  return record && record.state !== 'open' ? 'ended' : 'open'
}
