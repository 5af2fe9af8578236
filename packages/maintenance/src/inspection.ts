/**
 * What all checks of one run share: the stores, the state being looked at, the findings so far, and the way to mend.
 *
 * A repair is a commit with checks on everything that it was concluded from, so that it is safe beside a running server:
 * what changed since is left alone, for the next run to look at.
 *
 * @module
 */

import { CryptoError, type RandomSource } from '@strongroom/crypto'
import {
  type BucketRecord,
  bucketKey,
  type CommitDraft,
  CommitLoop,
  decodeKeyRecord,
  type EngineOptions,
  formatId,
  type KeyRecord,
  keyKey,
  RecordStore,
} from '@strongroom/engine'
import {
  type BlobStore,
  type Commit,
  type Entry,
  type MetadataStore,
  type Snapshot,
  StorageError,
} from '@strongroom/storage'
import {
  type Finding,
  type FindingKind,
  type FsckPhase,
  type FsckProgress,
  type FsckReport,
  findingKinds,
  formatPlace,
  type Place,
  type Skipped,
  type SkipReason,
} from './findings.ts'
import { mayRefer, placeOfKey } from './places.ts'
import { TaskPool } from './task-pool.ts'

export interface FsckOptions
  extends Pick<EngineOptions, 'metadata' | 'blobs' | 'kms' | 'recordSealer' | 'plainDataKeys'> {
  /** Mend what can be derived from what is left. Default false. */
  readonly repair?: boolean
  /** Read and authenticate every stored byte. Default false. */
  readonly verifyData?: boolean
  /** Checks the tables of accounts, which are another package's. Default: only whether their records open. */
  readonly checkAccounts?: AccountsCheck
  /** Told at the beginning and end of each phase, and a few times a second between. */
  readonly onProgress?: (progress: FsckProgress) => void
  /** Ends the run between two steps: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Findings that a report lists. Default 10,000. */
  readonly maxFindings?: number
  /** References summed up in one pass over the records; more take more passes. Default 500,000 (about 150 MiB). */
  readonly referencesPerPass?: number
  readonly now: () => number
  readonly random: RandomSource
}

/** A problem of tables that are another package's, with the commit that mends it. */
export interface AccountsProblem extends Pick<NewFinding, 'place' | 'problem'> {
  readonly kind: Extract<FindingKind, 'damaged-record' | 'account-index' | 'unknown-key'>
  /** It has checks on everything that it was concluded from. */
  readonly repair?: Required<Pick<Commit, 'checks' | 'puts' | 'deletes'>>
}

/** Looks at all accounts in one state of the store, and waits for each problem to be taken. Resolves to the entries looked at. */
export type AccountsCheck = (
  snapshot: Snapshot,
  onProblem: (problem: AccountsProblem) => Promise<void>,
) => Promise<number>

/** Mends: fills the draft and returns true, or returns false because things are no more as they were found. */
export type Repair = (snapshot: Snapshot, draft: CommitDraft) => Promise<boolean>

export interface NewFinding {
  readonly kind: FindingKind
  readonly place: Place
  readonly problem: string
  readonly repair?: Repair
  /** It looks superfluous: left alone while a damaged record may be what needs it. */
  readonly isExcess?: boolean
}

/** Between two words on how far a phase has come. */
const tellEveryMs = 100

/** Said of a finding that could not be repaired. */
const changedMeanwhile = 'it changed meanwhile: check again'

/** One run of fsck. */
export class Inspection {
  readonly options: FsckOptions
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly records: RecordStore
  /** Bucket records by id in hex, as far as they open. */
  readonly buckets = new Map<string, BucketRecord>()
  /** Part tables that objects name and that have no reference count, by id in hex. */
  readonly unrecordedTables = new Set<string>()
  /** Part tables that are not what objects say they are, by id in hex: what they refer to is left open. */
  readonly wrongTables = new Set<string>()
  /** Blobs of the blob store that are referred to and have no reference count, by id in hex. */
  readonly unrecordedBlobs = new Set<string>()
  /** Keys that something needs and that have no record, by id in hex. */
  readonly missedKeys = new Set<string>()
  readonly pool = new TaskPool(32)
  readonly #commits: CommitLoop
  readonly #keyRecords = new Map<string, boolean>()
  readonly #findings: Finding[] = []
  readonly #checked = new Map<string, number>()
  readonly #skipped = new Map<SkipReason, { items: number; bytes: number }>()
  #snapshot: Snapshot | undefined
  #omitted = 0
  #unrepaired = 0
  #withheld = 0
  #concealing = 0
  #phase: FsckPhase = 'index'
  #total: number | undefined
  #done = 0
  #tellAtMs = 0

  constructor(options: FsckOptions) {
    this.options = options
    this.metadata = options.metadata
    this.blobs = options.blobs
    this.records = new RecordStore(options.recordSealer)
    const { metadata, random } = options
    // What a repair makes garbage of stays noted in the store: the sweeper removes it.
    this.#commits = new CommitLoop({ metadata, records: this.records, random, onGarbage: () => {} })
  }

  /** The state that the present phase looks at. */
  get snapshot(): Snapshot {
    if (!this.#snapshot) throw new StorageError('unavailable', 'there is no snapshot between phases')
    return this.#snapshot
  }

  /** Runs a phase over one state of the store. */
  async phase(phase: FsckPhase, work: () => Promise<void>, total?: number): Promise<void> {
    this.#phase = phase
    this.#total = total
    this.#done = 0
    this.#tell()
    this.#keyRecords.clear()
    this.#snapshot = this.metadata.snapshot()
    try {
      await work()
      await this.pool.drain()
      this.#tell()
    } finally {
      await this.pool.settle()
      this.#snapshot.release()
      this.#snapshot = undefined
    }
  }

  /** Counts what was looked at. */
  count(what: string, number = 1): void {
    this.#checked.set(what, (this.#checked.get(what) ?? 0) + number)
  }

  /** Notes how far the phase has come, tells it now and then, and ends the run if that is wanted. */
  progress(done: number): void {
    this.#done += done
    this.options.signal?.throwIfAborted()
    if (this.options.onProgress && this.options.now() >= this.#tellAtMs) this.#tell()
  }

  #tell(): void {
    this.#tellAtMs = this.options.now() + tellEveryMs
    const total = this.#total === undefined ? {} : { total: Math.max(this.#total, this.#done) }
    this.options.onProgress?.({ phase: this.#phase, done: this.#done, ...total })
  }

  skip(reason: SkipReason, bytes: number): void {
    const sum = this.#skipped.get(reason) ?? { items: 0, bytes: 0 }
    this.#skipped.set(reason, { items: sum.items + 1, bytes: sum.bytes + bytes })
  }

  /** How a bucket is called. */
  readonly bucketName = (bucketId: Uint8Array): string => {
    const hex = formatId(bucketId)
    return this.buckets.get(hex)?.name ?? hex
  }

  placeOf(entry: Pick<Entry, 'key'>): Place {
    return placeOfKey(entry.key, this.bucketName)
  }

  /** The record of a key, or `undefined` if it has none or it does not open (which is found where keys are checked). */
  async keyRecord(keyId: Uint8Array, snapshot = this.snapshot): Promise<KeyRecord | undefined> {
    const entry = await snapshot.get(keyKey.encode(keyId))
    return entry && this.tryOpen(entry, decodeKeyRecord)
  }

  /** Whether a key has a record, readable or not. */
  async hasKeyRecord(keyId: Uint8Array): Promise<boolean> {
    const hex = formatId(keyId)
    const known = this.#keyRecords.get(hex) ?? (await this.snapshot.get(keyKey.encode(keyId))) !== undefined
    this.#keyRecords.set(hex, known)
    return known
  }

  /** Whether a bucket has a record, readable or not. */
  async hasBucketRecord(bucketId: Uint8Array): Promise<boolean> {
    return this.buckets.has(formatId(bucketId)) || (await this.snapshot.get(bucketKey.encode(bucketId))) !== undefined
  }

  /** The record at an entry; damage is a finding. */
  async open<T>(
    entry: Entry,
    decode: (body: Buffer) => T,
    options: { readonly repair?: Repair; readonly quietly?: boolean } = {},
  ): Promise<T | undefined> {
    const record = this.tryOpen(entry, decode)
    if (record !== undefined || options.quietly) return record
    const { repair } = options
    const place = this.placeOf(entry)
    const problem = `the record does not open (table ${place.table})`
    const isRepaired = await this.found({
      kind: 'damaged-record',
      place,
      problem,
      ...(repair ? { repair } : undefined),
    })
    if (!isRepaired && mayRefer(entry.key)) this.conceal()
    return undefined
  }

  /** The record at an entry, or `undefined` if it does not open. */
  tryOpen<T>(entry: Entry, decode: (body: Buffer) => T): T | undefined {
    try {
      return decode(this.records.open(entry))
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }

  /** Something that could not be read may refer to what looks superfluous. */
  conceal(): void {
    this.#concealing += 1
  }

  get isConcealing(): boolean {
    return this.#concealing > 0
  }

  /** Notes a finding, and mends it if that is wanted and can be done. Resolves to whether it was mended. */
  async found({ kind, place, problem, repair, isExcess = false }: NewFinding): Promise<boolean> {
    if (isExcess && this.isConcealing) {
      this.#withheld += 1
      return false
    }
    const isTried = repair !== undefined && this.options.repair === true
    const repaired = isTried && (await this.mend(repair))
    if (!repaired) {
      this.#unrepaired += 1
      if (findingKinds[kind].conceals) this.conceal()
    }
    const told = isTried && !repaired ? `${problem} (${changedMeanwhile})` : problem
    const detail = `${formatPlace(place)}: ${told}`
    if (this.#findings.length >= (this.options.maxFindings ?? 10_000)) this.#omitted += 1
    else this.#findings.push({ kind, place, detail, repairable: repair !== undefined, repaired })
    return repaired
  }

  /** Commits a repair; false if things are no more as they were found. */
  mend(repair: Repair): Promise<boolean> {
    return this.#commits.run(repair)
  }

  /** How many of something were looked at so far. */
  counted(what: string): number {
    return this.#checked.get(what) ?? 0
  }

  report(): FsckReport {
    const skipped: Skipped[] = [...this.#skipped].map(([reason, sum]) => ({ reason, ...sum }))
    return {
      findings: this.#findings,
      omitted: this.#omitted,
      unrepaired: this.#unrepaired,
      withheld: this.#withheld,
      checked: Object.fromEntries(this.#checked),
      skipped,
    }
  }
}

/** Whether an error says that what was read is damaged, and not that it could not be read. */
export function isDamage(error: unknown): boolean {
  if (error instanceof CryptoError) return error.code === 'not-authentic' || error.code === 'invalid-size'
  return error instanceof StorageError && error.code === 'corrupt'
}

/** Whether an entry is as it was when it was looked at: a repair rests on it. */
export async function isUnchanged(
  snapshot: Snapshot,
  draft: CommitDraft,
  key: Uint8Array,
  seen: Entry | undefined,
): Promise<boolean> {
  const entry = await snapshot.get(key)
  draft.check(key, entry)
  return entry?.version === seen?.version
}
