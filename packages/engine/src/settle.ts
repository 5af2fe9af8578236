/**
 * Turns the difference between the records before and after a commit into the operations on counters, key index and
 * reference counts that belong into the same commit.
 *
 * Reference counts: data in `data/…` has an implicit count of 1 and a `blob/…` record only from 2 on; blobs of the blob
 * store and part tables always have their record. Who takes the last reference away deletes inline data at once, and
 * leaves a garbage record for the rest.
 *
 * @module
 */

import type { Entry, Snapshot } from '@strongroom/storage'
import { corrupt } from './codec.ts'
import type { CommitDraft } from './commit-draft.ts'
import { StaleSnapshot } from './commit-loop.ts'
import { type Holder, type Reference, Tally } from './contributions.ts'
import { decodeBlobRecord, encodeBlobRecord, encodeGarbageRecord } from './housekeeping-records.ts'
import type { RecordStore } from './record-store.ts'
import { blobKey, dataKey, garbageBlobKey, garbageTableKey, manifestKey, tableKey } from './tables.ts'

/** What {@link settle} needs of the engine. */
export interface SettleContext {
  readonly records: RecordStore
  /** The record that a commit with new blobs of the blob store checks. */
  readonly session: { readonly key: Uint8Array; readonly version: number }
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A change of records. */
export interface Change {
  readonly before: readonly Holder[]
  readonly after: readonly Holder[]
  /** Streams and tables that this change makes: nothing referred to them before. */
  readonly isFresh?: (reference: Reference) => boolean
}

/**
 * Adds the derived operations of a change to the draft.
 *
 * @throws StaleSnapshot if something that the change refers to is gone: the records have to be read again
 */
export function settle(context: SettleContext, snapshot: Snapshot, draft: CommitDraft, change: Change): Promise<void> {
  const tally = new Tally()
  for (const holder of change.before) tally.contribute(holder, -1)
  for (const holder of change.after) tally.contribute(holder, 1)
  return settleTally(context, snapshot, draft, tally, change.isFresh)
}

/** As {@link settle}, for differences that were summed already. */
export async function settleTally(
  context: SettleContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  tally: Tally,
  isFresh: (reference: Reference) => boolean = () => false,
): Promise<void> {
  tally.eachAddition((key, delta) => void draft.add(key, delta))
  for (const { key, delta } of tally.uses.values()) {
    if (delta > 0) draft.putRaw(key, nothing)
    else if (delta < 0) draft.delete(key)
  }
  for (const { reference, delta } of tally.references.values()) {
    if (delta === 0) continue
    if (delta > 0 && isFresh(reference)) retainFresh(context, draft, reference, delta)
    else await settlers[reference.kind](context, snapshot, draft, reference, delta)
  }
}

const nothing = new Uint8Array(0)

function retainFresh(context: SettleContext, draft: CommitDraft, reference: Reference, count: number): void {
  if (reference.kind === 'overflow' || (reference.kind === 'inline' && count === 1)) return
  const key = countKey(reference)
  if (reference.kind === 'file') draft.check(context.session.key, context.session.version)
  draft.check(key, undefined).putRecord(key, encodeBlobRecord({ count }))
}

function countKey(reference: Reference): Uint8Array {
  return reference.kind === 'table' ? tableKey.encode(reference.id) : blobKey.encode(reference.id)
}

type Settler = (
  context: SettleContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  reference: Reference,
  delta: number,
) => Promise<void>

const settlers: Readonly<Record<Reference['kind'], Settler>> = {
  inline: settleInline,
  file: settleCounted,
  table: settleCounted,
  async overflow(_context, _snapshot, draft, { id, chunkCount }, delta) {
    // Chunks are never shared: who keeps a reference put them in this very commit, and that is no work here.
    if (delta > 0) return
    for (let chunk = 0; chunk < chunkCount; chunk += 1) draft.delete(manifestKey.encode(id, chunk))
  },
}

async function settleInline(
  context: SettleContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  reference: Reference,
  delta: number,
): Promise<void> {
  const key = blobKey.encode(reference.id)
  const dataAt = dataKey.encode(reference.id)
  const entry = await snapshot.get(key)
  const count = (entry ? countOf(context, entry) : 1) + delta
  draft.check(key, entry)
  if (delta > 0) {
    const data = await snapshot.get(dataAt)
    if (!data) throw new StaleSnapshot()
    draft.check(dataAt, data)
  }
  if (count < 0) corrupt('more references are given back than were counted')
  if (count >= 2) draft.putRecord(key, encodeBlobRecord({ count }))
  else if (entry) draft.delete(key)
  if (count === 0) draft.delete(dataAt)
}

async function settleCounted(
  context: SettleContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  reference: Reference,
  delta: number,
): Promise<void> {
  const key = countKey(reference)
  const entry = await snapshot.get(key)
  if (!entry) {
    if (delta > 0) throw new StaleSnapshot()
    corrupt('a reference count is missing')
  }
  const count = countOf(context, entry) + delta
  if (count < 0) corrupt('more references are given back than were counted')
  draft.check(key, entry)
  if (count > 0) {
    draft.putRecord(key, encodeBlobRecord({ count }))
    return
  }
  const isTable = reference.kind === 'table'
  const garbageAt = isTable ? garbageTableKey.encode(reference.id) : garbageBlobKey.encode(reference.id)
  draft.delete(key)
  draft.putRecord(garbageAt, encodeGarbageRecord({ sinceMs: Math.trunc(context.now()), includedParts: nothing }))
  draft.discard({ kind: isTable ? 'table' : 'blob', id: reference.id })
}

function countOf(context: SettleContext, entry: Entry): number {
  return decodeBlobRecord(context.records.open(entry)).count
}
