/**
 * Writer sessions (DESIGN 4): a blob id begins with the id of the session that wrote it, and the commit that names a new
 * blob checks that the session is still open. So the blobs of a dead writer can be told from those of a slow one.
 *
 * @module
 */

import type { MetadataStore, Snapshot } from '@strongroom/storage'
import { StorageError } from '@strongroom/storage'
import { CommitDraft } from './commit-draft.ts'
import { decodeSessionRecord, encodeSessionRecord, type SessionRecord } from './housekeeping-records.ts'
import { blobIdBytes, formatId, type Random, sessionIdBytes } from './ids.ts'
import type { RecordStore } from './record-store.ts'
import { sessionKey } from './tables.ts'

/** The session of this process. */
export interface WriterSession {
  readonly id: Uint8Array
  /** 16 hex digits, as the blob store knows it. */
  readonly idHex: string
  readonly key: Uint8Array
  /** Of its record while it is open: what commits check. */
  readonly version: number
  /** Inline ids made so far. */
  inlineCount: number
}

interface SessionContext {
  readonly metadata: MetadataStore
  readonly records: RecordStore
  readonly random: Random
  readonly now: () => number
  /** Default: random. */
  readonly sessionId?: Uint8Array | undefined
}

/** Opens a session. @throws StorageError `unavailable` */
export async function openSession(context: SessionContext): Promise<WriterSession> {
  const id = Buffer.from(context.sessionId ?? context.random(sessionIdBytes))
  const key = sessionKey.encode(id)
  const body = encodeSessionRecord({ startedAtMs: Math.trunc(context.now()), state: 'open' })
  const draft = new CommitDraft(context.records).check(key, undefined).putRecord(key, body)
  const outcome = await context.metadata.commit(draft.toCommit())
  const snapshot = context.metadata.snapshot()
  try {
    const entry = await snapshot.get(key)
    if (!outcome.committed || !entry) throw new StorageError('unavailable', 'a writer session could not be opened')
    return { id, idHex: formatId(id), key, version: entry.version, inlineCount: 0 }
  } finally {
    snapshot.release()
  }
}

/** What is known of a session, or `undefined`. */
export async function readSession(
  records: RecordStore,
  snapshot: Snapshot,
  id: Uint8Array,
): Promise<SessionRecord | undefined> {
  const entry = await snapshot.get(sessionKey.encode(id))
  return entry && decodeSessionRecord(records.open(entry))
}

/**
 * A new id for inline data: 24 bytes, ascending. Data that is written together then lies together; with random ids every
 * put copied a page of its own, and cost half as much CPU again in LMDB.
 */
export function newInlineId(session: WriterSession, random: Random): Buffer {
  const id = newBlobId(session, random)
  session.inlineCount += 1
  id.writeUIntBE(session.inlineCount, sessionIdBytes + 2, 6)
  id.writeUInt16BE(0, sessionIdBytes)
  return id
}

/** A new id of a blob in the blob store: 24 bytes. */
export function newBlobId(session: WriterSession, random: Random): Buffer {
  const id = Buffer.allocUnsafe(blobIdBytes)
  id.set(session.id, 0)
  id.set(random(blobIdBytes - sessionIdBytes), sessionIdBytes)
  return id
}

/** Ends a session in good order. What it may have left behind is found by the next sweep. */
export async function endSession(context: SessionContext, session: WriterSession): Promise<void> {
  const body = encodeSessionRecord({ startedAtMs: Math.trunc(context.now()), state: 'ended' })
  const draft = new CommitDraft(context.records).check(session.key, session.version).putRecord(session.key, body)
  await context.metadata.commit(draft.toCommit())
}
