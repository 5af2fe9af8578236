/**
 * What every method of the engine works with: stores, settings and the engine's own caches. Made once by `createEngine`.
 *
 * @module
 */

import type { RecordSealer } from '@strongroom/crypto'
import type { Kms } from '@strongroom/kms'
import type { BlobStore, MetadataStore } from '@strongroom/storage'
import type { BoundedMap } from './bounded-map.ts'
import type { CommitLoop } from './commit-loop.ts'
import type { AccountId } from './contract.ts'
import type { DataKeyPool, PeekableKms } from './data-key-pool.ts'
import type { Random } from './ids.ts'
import type { OpenedVersions } from './opened-versions.ts'
import type { PartTables } from './part-tables.ts'
import type { Pins } from './pins.ts'
import type { ReadMemory } from './read-memory.ts'
import type { Reclaimer } from './reclaimer.ts'
import type { RecordStore } from './record-store.ts'
import type { WriterSession } from './session.ts'
import type { Turns } from './turns.ts'
import type { WriteSpace } from './write-space.ts'

export type DefaultEncryption = 'sse-s3' | 'sse-kms' | 'none'

/** What an engine is made of. The stores and the KMS stay the caller's: `close()` does not close them. */
export interface EngineOptions {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly kms: PeekableKms
  readonly recordSealer: Pick<RecordSealer, 'seal' | 'open'>
  /** Keys of the keyring from which the data keys of objects without server-side encryption are derived, 32 bytes each. */
  readonly plainDataKeys: { readonly currentId: number; readonly keys: ReadonlyMap<number, Uint8Array> }
  /** The deployment's account: owner of keys that were put into the key store from outside. */
  readonly rootAccountId: AccountId
  /** For the ARNs of keys. */
  readonly region: string
  /** What a bucket without a rule of its own gives to its objects. Default `sse-s3`. */
  readonly defaultEncryption?: DefaultEncryption
  /** The deployment's EK: SSE-S3, and SSE-KMS without a key id. Any account may use it. */
  readonly defaultKey: string
  /** No object is stored without server-side encryption: where nothing else asks for one, it is SSE-S3. Default false. */
  readonly requireEncryption?: boolean
  /** Default `aws`. */
  readonly compatibility?: 'aws' | 'ceph'
  /** Largest sealed object that is kept in the metadata store, in bytes. Default 7,800. */
  readonly inlineLimitBytes?: number
  /** Asked before data is stored. Default: there is always room. */
  readonly space?: WriteSpace
  /**
   * The id of the writer session, 8 bytes, never used before: for whoever has to know it before the session is opened.
   * Default: random.
   */
  readonly sessionId?: Uint8Array
  /** Whether another process reads a part table, by its id. Must not reject. Default: there is none. */
  readonly isReadElsewhere?: (tableId: Uint8Array) => Promise<boolean>
  /** Milliseconds since the epoch; fractions are welcome. Default `Date.now`. */
  readonly now?: () => number
  /** Default `randomBytes` of `node:crypto`. */
  readonly random?: Random
}

/** {@link EngineOptions} with the defaults applied, as far as they are plain values. */
export interface EngineSettings {
  readonly rootAccountId: AccountId
  readonly region: string
  readonly defaultEncryption: DefaultEncryption
  readonly defaultKey: string
  readonly requireEncryption: boolean
  readonly compatibility: 'aws' | 'ceph'
  readonly inlineLimitBytes: number
}

/** Counters of the engine's own. */
export interface EngineFigures {
  copiesShared: number
  copiesRewritten: number
}

export interface EngineContext {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly kms: Kms
  readonly records: RecordStore
  readonly settings: EngineSettings
  readonly plainDataKeys: EngineOptions['plainDataKeys']
  readonly session: WriterSession
  readonly commits: CommitLoop
  /** Ids of buckets by name: hints, to be confirmed by the bucket's record. */
  readonly bucketIds: BoundedMap<string, Uint8Array>
  /** Ids of keys by name: hints, to be confirmed by the key's record. */
  readonly keyIds: BoundedMap<string, Uint8Array>
  /** Data keys shared by the objects of a bucket for a short period. */
  readonly dataKeys: DataKeyPool
  /** What opening versions gave, hidden. */
  readonly openedVersions: OpenedVersions
  /** Part tables read lately. */
  readonly partTables: PartTables
  /** Part tables that are being read. */
  readonly pins: Pins
  /** See {@link EngineOptions.isReadElsewhere}. */
  readonly isReadElsewhere: (tableId: Uint8Array) => Promise<boolean>
  readonly readMemory: ReadMemory
  readonly reclaimer: Reclaimer
  /** Uploads that this process is completing or aborting, by id. */
  readonly uploadTurns: Turns
  /** Keys that this process is deleting, by name: however long one of them takes, no second one begins. */
  readonly keyTurns: Turns
  readonly figures: EngineFigures
  readonly space: WriteSpace
  /**
   * Where a new version stands at the earliest: the time in microseconds, but each time more than the last, so that no
   * version gets the id of one that was deleted, whatever the clock does while this process lives.
   */
  readonly nextSequence: () => number
  readonly now: () => number
  readonly random: Random
}
