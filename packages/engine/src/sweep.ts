/**
 * The sweeper (DESIGN 4): ends the sessions of dead writers, and only then removes the blobs they wrote that nothing refers
 * to; finishes what garbage records are left. An upload of any length is safe: its session is open as long as it lives.
 *
 * @module
 */

import { type Entry, prefixEnd } from '@strongroom/storage'
import type { EngineContext } from './context.ts'
import type { KeyUsage } from './contract.ts'
import { decodeSessionRecord, encodeSessionRecord, type SessionRecord } from './housekeeping-records.ts'
import { blobIdBytes, formatId, parseId } from './ids.ts'
import { sweepKey } from './key-deletion.ts'
import { decodeKeyRecord } from './key-record.ts'
import { reclaimBlobs, reclaimTable, reclaimUpload } from './reclaimer.ts'
import { ifReadable } from './record-store.ts'
import { blobKey, garbageBlobKey, garbageTableKey, garbageUploadKey, keyKey, rangeOf, sessionKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** What a sweep did. */
export interface SweepReport {
  readonly sessionsEnded: number
  readonly blobsRemoved: number
  readonly garbageRemoved: number
  /** Keys whose deletion had been scheduled and was due, with what depended on them. */
  readonly keysDestroyed: readonly KeyUsage[]
}

const pageSize = 64

/** See `EngineMaintenance.sweep`. @throws StorageError */
export async function sweep(
  context: EngineContext,
  { liveSessions = new Set() }: { readonly liveSessions?: Pick<ReadonlySet<string>, 'has'> } = {},
): Promise<SweepReport> {
  const isLive = (id: string): boolean => id === context.session.idHex || liveSessions.has(id)
  let sessionsEnded = 0
  let blobsRemoved = 0
  for await (const entry of entriesOf(context, Buffer.of(sessionKey.tag))) {
    const [id] = sessionKey.decode(entry.key)
    const record = ifReadable(() => decodeSessionRecord(context.records.open(entry)))
    if (record === undefined) continue
    if (isLive(formatId(id)) || record.state === 'settled') continue
    if (record.state === 'open') {
      await setSession(context, id, 'ended')
      sessionsEnded += 1
    }
    blobsRemoved += await settleSession(context, id)
  }
  const garbageRemoved = await sweepGarbage(context)
  return { sessionsEnded, blobsRemoved, garbageRemoved, keysDestroyed: await sweepKeys(context) }
}

/** Removes the blobs of an ended session that nothing refers to: nothing can come to refer to them any more. */
async function settleSession(context: EngineContext, sessionId: Uint8Array): Promise<number> {
  let removed = 0
  let kept = 0
  let unnamed: string[] = []
  const remove = async () => {
    await context.blobs.deleteAll(unnamed)
    removed += unnamed.length
    unnamed = []
  }
  for await (const { blobId } of context.blobs.list(formatId(sessionId))) {
    const id = parseId(blobId, blobIdBytes)
    if (!id) continue
    if (await isNamed(context, id)) {
      kept += 1
      continue
    }
    unnamed.push(blobId)
    if (unnamed.length === pageSize) await remove()
  }
  await remove()
  if (kept > 0) await setSession(context, sessionId, 'settled')
  else await context.metadata.commit({ deletes: [sessionKey.encode(sessionId)] })
  return removed
}

function isNamed(context: EngineContext, blobId: Uint8Array): Promise<boolean> {
  return withSnapshot(context, async (snapshot) => {
    const [counted, garbage] = await snapshot.getMany([blobKey.encode(blobId), garbageBlobKey.encode(blobId)])
    return counted !== undefined || garbage !== undefined
  })
}

async function setSession(context: EngineContext, sessionId: Uint8Array, state: SessionRecord['state']): Promise<void> {
  await context.commits.run(async (snapshot, draft) => {
    const key = sessionKey.encode(sessionId)
    const entry = await snapshot.get(key)
    if (!entry) return
    const record = decodeSessionRecord(context.records.open(entry))
    draft.check(key, entry).putRecord(key, encodeSessionRecord({ ...record, state }))
  })
}

async function sweepGarbage(context: EngineContext): Promise<number> {
  const reclaimContext = { ...context, session: context.session }
  let removed = 0
  // Uploads and tables first: they leave blobs behind.
  for await (const entry of entriesOf(context, Buffer.of(garbageUploadKey.tag))) {
    await reclaimUpload(reclaimContext, garbageUploadKey.decode(entry.key)[0])
    removed += 1
  }
  for await (const entry of entriesOf(context, Buffer.of(garbageTableKey.tag))) {
    const [id] = garbageTableKey.decode(entry.key)
    if (context.pins.isBusy(id, () => context.reclaimer.push([{ kind: 'table', id }]))) continue
    if (await context.isReadElsewhere(id)) continue
    await reclaimTable(reclaimContext, id)
    removed += 1
  }
  for await (const entry of entriesOf(context, Buffer.of(garbageBlobKey.tag))) {
    await reclaimBlobs(reclaimContext, [garbageBlobKey.decode(entry.key)[0]])
    removed += 1
  }
  return removed
}

/** Destroys the keys whose time has come; finishes, or takes back, deletions that were cut short. */
async function sweepKeys(context: EngineContext): Promise<KeyUsage[]> {
  const destroyed: KeyUsage[] = []
  for await (const entry of entriesOf(context, Buffer.of(keyKey.tag))) {
    const record = ifReadable(() => context.records.cached(entry, decodeKeyRecord))
    const usage = record && (await sweepKey(context, entry, record))
    if (usage) destroyed.push(usage)
  }
  return destroyed
}

/** All entries of a table, page by page, each page from a fresh snapshot. */
async function* entriesOf(context: EngineContext, prefix: Uint8Array): AsyncGenerator<Entry> {
  let { gte } = rangeOf(prefix)
  const lt = prefixEnd(prefix)
  for (;;) {
    const entries = await withSnapshot(context, (snapshot) => snapshot.list({ gte, lt, limit: pageSize }))
    yield* entries
    const last = entries.at(-1)
    if (!last || entries.length < pageSize) return
    gte = Buffer.concat([last.key, Buffer.of(0)])
  }
}
