/**
 * Removing garbage: blobs that nothing refers to, part tables that nothing names, part records of uploads that ended.
 * Every step is a commit of its own that can be made again after a crash; what is not done now, the sweeper finds.
 *
 * @module
 */

import { type BlobStore, type Entry, type MetadataStore, prefixEnd, type Snapshot } from '@strongroom/storage'
import type { CommitDraft, Garbage } from './commit-draft.ts'
import type { CommitLoop } from './commit-loop.ts'
import { decodeGarbageRecord } from './housekeeping-records.ts'
import { formatId } from './ids.ts'
import { decodePartTableChunk, encodePartTable } from './part-table.ts'
import type { Pins } from './pins.ts'
import { type SettleContext, settle } from './settle.ts'
import { garbageBlobKey, garbageTableKey, garbageUploadKey, manifestKey, partKey } from './tables.ts'
import { decodePartRecord, encodePartRecord, type Segment } from './upload-record.ts'

export interface ReclaimerContext extends SettleContext {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly commits: CommitLoop
  /** Tables that are being read wait until they are not. */
  readonly pins: Pins
  /** Those that another process reads are left to the sweeper. */
  readonly isReadElsewhere: (tableId: Uint8Array) => Promise<boolean>
}

/** References given back in one commit. */
const segmentsPerCommit = 16

/** Operations that a commit may need for a record that is emptied, and for a reference that is given back. */
const operationsPerRecord = 2
const operationsPerSegment = 4
const operationsPerCommit = 96

/** Blobs unlinked before their garbage records go in one commit. */
const blobsPerCommit = 64

/** Garbage noted in memory; more waits for the sweeper. */
const maxQueued = 10_000

/** Works through garbage in the background, one thing after the other. */
export class Reclaimer {
  readonly #context: ReclaimerContext
  readonly #queue: Garbage[] = []
  #worker: Promise<void> | undefined
  #isClosed = false

  constructor(context: ReclaimerContext) {
    this.#context = context
  }

  /** Garbage waiting in memory. */
  get backlog(): number {
    return this.#queue.length
  }

  /** Notes garbage whose records were committed. */
  push(garbage: readonly Garbage[]): void {
    if (this.#isClosed) return
    for (const item of garbage) if (this.#queue.length < maxQueued) this.#queue.push(item)
    this.#worker ??= this.#work().finally(() => {
      this.#worker = undefined
    })
  }

  /** Resolves when all that was noted was tried once. */
  async idle(): Promise<void> {
    while (this.#worker) await this.#worker
  }

  /** Finishes the step under way and forgets the rest. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#queue.length = 0
    await this.idle()
  }

  async #work(): Promise<void> {
    // A turn of the event loop first: the answer to the request goes out before its rubbish.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) {
      try {
        await this.#step()
      } catch {
        // A store that fails here fails for requests too, and they report it. The garbage records stay for the sweeper.
      }
    }
  }

  async #step(): Promise<void> {
    const [first] = this.#queue
    if (first === undefined) return
    if (first.kind === 'blob') {
      const blobs: Uint8Array[] = []
      while (this.#queue[0]?.kind === 'blob' && blobs.length < blobsPerCommit) {
        const next = this.#queue.shift()
        if (next) blobs.push(next.id)
      }
      await reclaimBlobs(this.#context, blobs)
      return
    }
    this.#queue.shift()
    if (first.kind === 'table' && this.#context.pins.isBusy(first.id, () => this.push([first]))) return
    if (first.kind === 'table' && (await this.#context.isReadElsewhere(first.id))) return
    await (first.kind === 'table' ? reclaimTable(this.#context, first.id) : reclaimUpload(this.#context, first.id))
  }
}

/** Removes blobs, durably, and then their garbage records. @throws StorageError if a blob could not be removed */
export async function reclaimBlobs(context: ReclaimerContext, blobIds: readonly Uint8Array[]): Promise<void> {
  // A record that went first would leave a blob that nobody looks for, should the power fail before the unlink is durable.
  await context.blobs.deleteAll(blobIds.map(formatId))
  await context.metadata.commit({ deletes: blobIds.map((blobId) => garbageBlobKey.encode(blobId)) })
}

/** Gives back what a part table refers to, chunk by chunk, and removes it. */
export async function reclaimTable(context: ReclaimerContext, id: Uint8Array): Promise<void> {
  await emptyRange(context, manifestKey.prefix(id), (entry) => {
    const parts = decodePartTableChunk(context.records.open(entry))
    const { taken, left } = takeSegments(parts)
    const [rest] = encodePartTable(left.map((segments) => ({ number: 1, sizeBytes: 0, segments })))
    return { taken, rest }
  })
  await context.metadata.commit({ deletes: [garbageTableKey.encode(id)] })
}

/**
 * Removes the part records of an upload that ended, and gives back the blobs of those that did not go into the object. Of an
 * aborted upload there may also be chunks of a part table, left by a Complete that was cut short; nothing counts on them.
 */
export async function reclaimUpload(context: ReclaimerContext, id: Uint8Array): Promise<void> {
  const key = garbageUploadKey.encode(id)
  const includedParts = await withSnapshot(context, async (snapshot) => {
    const entry = await snapshot.get(key)
    return entry && decodeGarbageRecord(context.records.open(entry)).includedParts
  })
  if (includedParts === undefined) return
  await emptyRange(context, partKey.prefix(id), (entry) => {
    const [, number] = partKey.decode(entry.key)
    if (isIncluded(includedParts, number)) return { taken: [], rest: undefined }
    const part = decodePartRecord(context.records.open(entry))
    const { taken, left } = takeSegments([part])
    const [segments] = left
    return { taken, rest: segments && encodePartRecord({ ...part, segments }) }
  })
  if (includedParts.length === 0) await deleteRange(context, manifestKey.prefix(id))
  await context.metadata.commit({ deletes: [key] })
}

/** Deletes a range of records that refer to nothing. */
async function deleteRange(context: ReclaimerContext, prefix: Uint8Array): Promise<void> {
  const lt = prefixEnd(prefix)
  for (;;) {
    const entries = await withSnapshot(context, (snapshot) => snapshot.list({ gte: prefix, lt, limit: blobsPerCommit }))
    if (entries.length === 0) return
    await context.metadata.commit({ deletes: entries.map((entry) => entry.key) })
  }
}

/** Whether a part's bit is set in the bitmap of a garbage record. */
export function isIncluded(bitmap: Uint8Array, partNumber: number): boolean {
  const bit = partNumber - 1
  return ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
}

/** The bitmap for a garbage record. */
export function includedBitmap(partNumbers: Iterable<number>): Uint8Array {
  const bitmap = Buffer.alloc(1_250)
  for (const number of partNumbers)
    bitmap[(number - 1) >> 3] = (bitmap[(number - 1) >> 3] ?? 0) | (1 << ((number - 1) & 7))
  return bitmap
}

interface Bite {
  readonly taken: readonly Segment[]
  /** What is left of the record; undefined: nothing, it goes. */
  readonly rest: Buffer | undefined
}

/** Takes up to a commit's worth of segments off the front. */
function takeSegments(holders: readonly { readonly segments: readonly Segment[] }[]): {
  readonly taken: readonly Segment[]
  readonly left: readonly (readonly Segment[])[]
} {
  const taken: Segment[] = []
  const left: (readonly Segment[])[] = []
  for (const { segments } of holders) {
    const room = segmentsPerCommit - taken.length
    taken.push(...segments.slice(0, room))
    if (segments.length > room) left.push(segments.slice(room))
  }
  return { taken, left }
}

/** Empties a range of records, in commits that each give back what they take off. */
async function emptyRange(context: ReclaimerContext, prefix: Uint8Array, bite: (entry: Entry) => Bite): Promise<void> {
  const lt = prefixEnd(prefix)
  const step = async (snapshot: Snapshot, draft: CommitDraft): Promise<boolean> => {
    const entries = await snapshot.list({ gte: prefix, lt, limit: operationsPerCommit / operationsPerRecord })
    const taken: Segment[] = []
    let room = operationsPerCommit
    for (const entry of entries) {
      const { taken: more, rest } = bite(entry)
      room -= operationsPerRecord + more.length * operationsPerSegment
      if (room < 0) break
      taken.push(...more)
      draft.check(entry.key, entry)
      if (rest) draft.putRecord(entry.key, rest)
      else draft.delete(entry.key)
    }
    await settle(context, snapshot, draft, { before: [{ kind: 'leftover-part', segments: taken }], after: [] })
    return entries.length > 0
  }
  while (await context.commits.run(step)) {
    // The next bite.
  }
}

async function withSnapshot<T>(context: ReclaimerContext, read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const snapshot = context.metadata.snapshot()
  try {
    return await read(snapshot)
  } finally {
    snapshot.release()
  }
}
