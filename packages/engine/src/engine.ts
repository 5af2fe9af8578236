/**
 * Assembles the engine: the stores it was given, its own caches, and one function per operation.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { loadChecksums } from '@strongroom/crypto'
import { abortUpload } from './abort-upload.ts'
import { storageFailure } from './body-writer.ts'
import { BoundedMap } from './bounded-map.ts'
import { bucket, changeBucket, createBucket, deleteBucket, listBuckets } from './buckets.ts'
import { CommitLoop } from './commit-loop.ts'
import { completeUpload } from './complete-upload.ts'
import type { EngineContext, EngineOptions, EngineSettings } from './context.ts'
import type { Engine } from './contract.ts'
import { copyObject } from './copy-object.ts'
import { createUpload } from './create-upload.ts'
import { DataKeyPool } from './data-key-pool.ts'
import { deleteObject } from './delete-object.ts'
import { getObject, headObject } from './get-object.ts'
import { cancelKeyDeletion, deleteKey, scheduleKeyDeletion } from './key-deletion.ts'
import { keyUsage } from './key-usage.ts'
import {
  createKey,
  describeKey,
  ensureDefaultKey,
  grantKey,
  importKey,
  listKeys,
  lockKey,
  revokeKey,
  rotateKey,
  unlockKey,
} from './keys.ts'
import { listObjects } from './list-objects.ts'
import { listParts } from './list-parts.ts'
import { listUploads } from './list-uploads.ts'
import { listVersions } from './list-versions.ts'
import { getObjectAttributes } from './object-attributes.ts'
import { OpenedVersions } from './opened-versions.ts'
import { PartTables } from './part-tables.ts'
import { Pins } from './pins.ts'
import { putObject } from './put-object.ts'
import { ReadMemory } from './read-memory.ts'
import { Reclaimer } from './reclaimer.ts'
import { RecordStore } from './record-store.ts'
import { endSession, openSession } from './session.ts'
import { type SweepReport, sweep } from './sweep.ts'
import { getTags, putTags } from './tags.ts'
import { Turns } from './turns.ts'
import { uploadPart } from './upload-part.ts'
import { uploadPartCopy } from './upload-part-copy.ts'
import { endlessSpace, withRoom } from './write-space.ts'

/** What only the server and its maintenance see of an engine. */
export interface EngineMaintenance {
  /** Makes the deployment's EK if the KMS lacks it. */
  ensureDefaultKey(): Promise<boolean>
  /**
   * Ends the sessions of writers that are gone and removes what they left, and all garbage. To be called by the one
   * process that may: no other may be writing at this time, unless its session is in `liveSessions`, from before it is
   * opened until its process has ended. Looked up when it matters, not at the start of the sweep.
   */
  sweep(options?: { readonly liveSessions?: Pick<ReadonlySet<string>, 'has'> }): Promise<SweepReport>
  /** Whether this process reads a part table. */
  isReading(tableId: Uint8Array): boolean
  /** Resolves when the garbage that this process made so far was tried once. */
  idle(): Promise<void>
  /** 16 hex digits. */
  readonly sessionId: string
}

/** An engine with its maintenance. */
export type MaintainedEngine = Engine & EngineMaintenance

/** Makes the context that all operations share. Opens a writer session. */
export async function createContext(options: EngineOptions): Promise<EngineContext> {
  const { metadata, blobs, kms, sessionId, now = Date.now, random = randomBytes } = options
  const isReadElsewhere = options.isReadElsewhere ?? (async () => false)
  const records = new RecordStore(options.recordSealer)
  const session = await openSession({ metadata, records, random, now, sessionId })
  const pins = new Pins()
  const commits = new CommitLoop({
    metadata,
    records,
    random,
    session,
    onGarbage: (garbage) => reclaimer.push(garbage),
  })
  const reclaimer = new Reclaimer({ metadata, blobs, records, commits, session, pins, isReadElsewhere, now })
  return {
    metadata,
    blobs,
    kms,
    records,
    settings: settingsOf(options),
    plainDataKeys: options.plainDataKeys,
    session,
    commits,
    bucketIds: new BoundedMap(10_000),
    keyIds: new BoundedMap(10_000),
    dataKeys: new DataKeyPool({ kms, now }),
    openedVersions: new OpenedVersions(random),
    partTables: new PartTables(records),
    pins,
    uploadTurns: new Turns(),
    keyTurns: new Turns(),
    isReadElsewhere,
    readMemory: new ReadMemory(),
    reclaimer,
    figures: { copiesShared: 0, copiesRewritten: 0 },
    space: options.space ?? endlessSpace,
    nextSequence: sequenceOf(now),
    now,
    random,
  }
}

function sequenceOf(now: () => number): () => number {
  let last = 0
  return () => {
    const next = Math.max(Math.trunc(now() * 1_000), last + 1)
    // A clock that is centuries ahead fails the write, and not those after it was set right.
    if (Number.isSafeInteger(next)) last = next
    return next
  }
}

function settingsOf(options: EngineOptions): EngineSettings {
  const { defaultEncryption = 'sse-s3', requireEncryption = false } = options
  return {
    rootAccountId: options.rootAccountId,
    region: options.region,
    defaultEncryption: requireEncryption && defaultEncryption === 'none' ? 'sse-s3' : defaultEncryption,
    defaultKey: options.defaultKey,
    requireEncryption,
    compatibility: options.compatibility ?? 'aws',
    inlineLimitBytes: options.inlineLimitBytes ?? 7_800,
  }
}

/**
 * Makes an engine over stores and a KMS that stay the caller's. The deployment's key is there when it resolves, if the KMS
 * can be reached.
 *
 * @example
 * const engine = await createEngine({ metadata, blobs, kms, recordSealer, plainDataKeys, rootAccountId, region, defaultKey })
 */
export async function createEngine(options: EngineOptions): Promise<MaintainedEngine> {
  await loadChecksums()
  const context = await createContext(options)
  await ensureDefaultKey(context)
  return assembleEngine(context)
}

/** The operations over a context. */
export function assembleEngine(context: EngineContext): MaintainedEngine {
  /** What a store that fails means to a client: 503, try again. */
  const guarded =
    <A extends readonly unknown[], R>(operation: (context: EngineContext, ...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await operation(context, ...args)
      } catch (error) {
        throw storageFailure(error)
      }
    }
  /** For what makes records but stores no body; bodies ask for their own room. */
  const needingRoom = <A extends readonly unknown[], R>(
    operation: (context: EngineContext, ...args: A) => Promise<R>,
  ): ((...args: A) => Promise<R>) =>
    guarded((_context, ...args: A) => withRoom(context.space, 0, () => operation(context, ...args)))
  return {
    createBucket: needingRoom(createBucket),
    bucket: guarded(bucket),
    listBuckets: guarded(listBuckets),
    changeBucket: guarded(changeBucket),
    deleteBucket: guarded(deleteBucket),

    putObject: guarded(putObject),
    getObject: guarded(getObject),
    headObject: guarded(headObject),
    getObjectAttributes: guarded(getObjectAttributes),
    deleteObject: guarded(deleteObject),
    copyObject: needingRoom(copyObject),
    getTags: guarded(getTags),
    putTags: guarded(putTags),

    listObjects: guarded(listObjects),
    listVersions: guarded(listVersions),
    listUploads: guarded(listUploads),

    createUpload: needingRoom(createUpload),
    uploadPart: guarded(uploadPart),
    uploadPartCopy: needingRoom(uploadPartCopy),
    listParts: guarded(listParts),
    completeUpload: guarded(completeUpload),
    abortUpload: guarded(abortUpload),

    createKey: guarded(createKey),
    importKey: guarded(importKey),
    describeKey: guarded(describeKey),
    listKeys: guarded(listKeys),
    rotateKey: guarded(rotateKey),
    lockKey: guarded(lockKey),
    unlockKey: guarded(unlockKey),
    grantKey: guarded(grantKey),
    revokeKey: guarded(revokeKey),
    keyUsage: guarded(keyUsage),
    scheduleKeyDeletion: guarded(scheduleKeyDeletion),
    cancelKeyDeletion: guarded(cancelKeyDeletion),
    deleteKey: guarded(deleteKey),

    stats: () => ({ ...context.figures }),
    ensureDefaultKey: () => ensureDefaultKey(context),
    sweep: guarded(sweep),
    isReading: (tableId) => context.pins.has(tableId),
    idle: () => context.reclaimer.idle(),
    sessionId: context.session.idHex,
    async close() {
      await context.reclaimer.close()
      context.dataKeys.close()
      await endSession(context, context.session)
    },
  }
}
