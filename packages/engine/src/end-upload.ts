/**
 * The end of an upload, by Complete or Abort. A commit cannot check ten thousand parts; so the upload's record is marked
 * first, which keeps every part out that has not landed yet, and only then are the parts read: the list stands still.
 *
 * The mark names the session that set it. If that dies the mark counts for nothing, and the next Complete or Abort begins
 * anew. The part records themselves are removed after the commit, from a garbage record.
 *
 * @module
 */

import { prefixEnd, type Snapshot } from '@strongroom/storage'
import { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import { EngineError } from './engine-error.ts'
import { encodeGarbageRecord } from './housekeeping-records.ts'
import { successor, turnOfOthers } from './name-listing.ts'
import { readSession } from './session.ts'
import { settle } from './settle.ts'
import { garbageUploadKey, partKey } from './tables.ts'
import { type FoundUpload, findUpload, turnOf, type UploadPlace } from './upload-access.ts'
import { decodePartRecord, encodeUploadRecord, type PartRecord, type UploadRecord } from './upload-record.ts'
import { withSnapshot } from './with-snapshot.ts'

/** An upload that takes no parts any more. Its entry is the marked one. */
export interface EndingUpload extends FoundUpload {
  /** All its parts, by number in ascending order. */
  readonly parts: ReadonlyMap<number, PartRecord>
}

/** Part records read at once. */
const readChunk = 500

/**
 * Marks an upload, reads its parts and has `work` end it. If that fails the upload goes on as if nothing had been.
 *
 * @throws EngineError `NoSuchUpload`, `OperationAborted` while another process ends it, and what `work` throws
 */
export async function endUpload<T>(
  context: EngineContext,
  place: UploadPlace,
  work: (ending: EndingUpload) => Promise<T>,
): Promise<T> {
  const endTurn = await context.uploadTurns.take(turnOf(place.uploadId))
  try {
    await mark(context, place)
    const ending = await withSnapshot(context, (snapshot) => readMarked(context, snapshot, place))
    try {
      return await work(ending)
    } catch (error) {
      await unmark(context, ending)
      throw error
    }
  } finally {
    endTurn()
  }
}

function isOwnMark(context: EngineContext, { completingSession }: UploadRecord): boolean {
  return completingSession !== undefined && Buffer.compare(completingSession, context.session.id) === 0
}

function mark(context: EngineContext, place: UploadPlace): Promise<void> {
  return context.commits.run(async (snapshot, draft) => {
    const { entry, record } = await findUpload(context, snapshot, place)
    const other = isOwnMark(context, record) ? undefined : record.completingSession
    if (other && (await readSession(context.records, snapshot, other))?.state === 'open') {
      throw new EngineError('OperationAborted')
    }
    const marked: UploadRecord = { ...record, completingSession: context.session.id }
    // Only a session that is still open may take the upload over from one that is not.
    draft.check(context.session.key, context.session.version)
    draft.check(entry.key, entry).putRecord(entry.key, encodeUploadRecord(marked))
  })
}

async function readMarked(context: EngineContext, snapshot: Snapshot, place: UploadPlace): Promise<EndingUpload> {
  const found = await findUpload(context, snapshot, place)
  if (!isOwnMark(context, found.record)) throw new EngineError('OperationAborted')
  const parts = new Map<number, PartRecord>()
  const prefix = partKey.prefix(place.uploadId)
  const lt = prefixEnd(prefix)
  let gte = prefix
  for (;;) {
    const entries = await snapshot.list({ gte, lt, limit: readChunk })
    for (const entry of entries) {
      const [, number] = partKey.decode(entry.key)
      parts.set(number, decodePartRecord(context.records.open(entry)))
    }
    const last = entries.at(-1)
    if (!last || entries.length < readChunk) return { ...found, parts }
    gte = successor(last.key)
    await turnOfOthers()
  }
}

/** Takes the mark off, if the upload is still there as it was marked. */
async function unmark(context: EngineContext, { entry, record }: EndingUpload): Promise<void> {
  const { completingSession: _, ...rest } = record
  const draft = new CommitDraft(context.records).check(entry.key, entry).putRecord(entry.key, encodeUploadRecord(rest))
  try {
    await context.metadata.commit(draft.toCommit())
  } catch {
    // The error that brought us here is the one to tell. A mark of this session without a turn counts for nothing.
  }
}

/**
 * Has a commit remove a marked upload. Its part records stay for the reclaimer, which gives back the blobs of those that
 * are not among `includedParts`.
 *
 * @param includedParts bitmap as in the garbage record; empty if the upload is aborted
 * @throws EngineError `NoSuchUpload` if the upload is gone or was taken over
 */
export async function removeUpload(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  ending: EndingUpload,
  includedParts: Uint8Array,
): Promise<void> {
  const { entry, uploadId, bucketId, record } = ending
  const now = await snapshot.get(entry.key)
  if (now?.version !== entry.version) throw new EngineError('NoSuchUpload')
  draft.check(entry.key, entry).delete(entry.key)
  const garbage = encodeGarbageRecord({ sinceMs: Math.trunc(context.now()), includedParts })
  draft.putRecord(garbageUploadKey.encode(uploadId), garbage).discard({ kind: 'upload', id: uploadId })
  let sizeBytes = 0
  for (const part of ending.parts.values()) sizeBytes += part.sizeBytes
  const counts = { bucketId, envelope: record.envelope, parts: ending.parts.size, sizeBytes }
  await settle(context, snapshot, draft, {
    before: [
      { kind: 'upload', bucketId, uploadId, record },
      { kind: 'part-counts', ...counts },
    ],
    after: [],
  })
}
