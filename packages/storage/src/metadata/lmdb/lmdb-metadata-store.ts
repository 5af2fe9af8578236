/**
 * The embedded metadata engine: LMDB with group commit (DESIGN 4).
 *
 * Commits queue up while the group before them is being written and synced, and for as long as each turn of the event loop brings
 * more of them; the next group takes all, checks and applies them in one write transaction and shares one fsync. At most one group waits for LMDB's write lock at a time.
 * One process commits; others may read the same directory, and open it while `holdCommits` runs.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { makeDirectoryDurably, syncDirectory } from '../../durable-directory.ts'
import { StorageError } from '../../storage-error.ts'
import { checkCommit } from '../commit-limits.ts'
import type { Commit, CommitResult, Snapshot } from '../contract.ts'
import { applyBatch } from './apply-batch.ts'
import { checkDataFile } from './data-file.ts'
import { ensureLockFile, isFull, probeDirectory } from './disk-space.ts'
import { checkFileSystem } from './file-system.ts'
import { type LmdbEnvironment, openLmdbEnvironment } from './lmdb-environment.ts'
import { commitErrorOf, isPanic, storageErrorOf } from './lmdb-errors.ts'
import { LmdbSnapshot } from './lmdb-snapshot.ts'
import type { LmdbMetadataStats, LocalMetadataStore } from './local-metadata-store.ts'

export interface LmdbMetadataStoreOptions {
  /**
   * Ends the process, at once and without returning. Called when a write failed half-way inside a transaction that can
   * neither be completed nor rolled back: only a process that dies before LMDB commits keeps the store whole. And when LMDB
   * answers nothing any more until it is opened anew.
   */
  readonly onFatal: (error: StorageError) => void
  /** Most commits that may wait; more are refused as `unavailable`. Default 16,384. */
  readonly maxQueuedCommits?: number
  /** Longest time that a group waits for commits that keep coming, in milliseconds. Default 1. */
  readonly gatherMs?: number
  /** Told what an operator should know, once, when the store is opened. Default: nobody. */
  readonly onWarning?: (message: string) => void
}

/** Most commits in a group: bounds the time that the event loop stands still while a group is applied. */
const maxGroupCommits = 512

/** Read to find out whether LMDB still answers. */
const probeKey = Buffer.from('probe')

interface PendingCommit {
  readonly commit: Commit
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: StorageError) => void
}

interface Group {
  hasBegun: boolean
  pending: readonly PendingCommit[]
  results: readonly CommitResult[]
  error: StorageError | undefined
}

/**
 * Opens the store in `directory`, which is made (mode 0700) if it is missing.
 *
 * @throws StorageError `invalid` on a network file system, `corrupt`, `full`, `unavailable`
 */
export async function openLmdbMetadataStore(
  directory: string,
  options: LmdbMetadataStoreOptions,
): Promise<LmdbMetadataStore> {
  try {
    await makeDirectoryDurably(fs, directory)
    await checkFileSystem(directory, options.onWarning)
    const exists = await checkDataFile(join(directory, 'data.mdb'))
    if (!exists) await probeDirectory(directory)
    await ensureLockFile(directory)
  } catch (error) {
    throw storageErrorOf(error, `cannot open the metadata store in ${directory}`)
  }
  const environment = openLmdbEnvironment(directory)
  await syncNames(environment, directory)
  return new LmdbMetadataStore(environment, directory, options)
}

/** LMDB syncs its file, and leaves the file's name to us: without it nothing that is acknowledged would outlast a power loss. */
async function syncNames(environment: LmdbEnvironment, directory: string): Promise<void> {
  try {
    await syncDirectory(fs, directory)
  } catch (error) {
    await environment.root.close()
    throw storageErrorOf(error, `cannot open the metadata store in ${directory}`)
  }
}

/** See {@link openLmdbMetadataStore}. Keys and values given to `commit` must not change until it has settled. */
export class LmdbMetadataStore implements LocalMetadataStore {
  readonly #environment: LmdbEnvironment
  readonly #directory: string
  readonly #maxQueuedCommits: number
  readonly #gatherMs: number
  readonly #onFatal: (error: StorageError) => void
  readonly #snapshots = new Set<LmdbSnapshot>()
  readonly #groups = new Set<Promise<void>>()
  readonly #holds = new Set<Promise<unknown>>()
  readonly #figures = { commits: 0, failedChecks: 0, batches: 0, gets: 0, seeks: 0, entriesListed: 0 }
  #queue: PendingCommit[] = []
  /** Whether the state that the binding reads is the last one that anybody was told of. */
  #isCurrent = false
  #isGroupWaiting = false
  #closing: Promise<void> | undefined
  #fatal: StorageError | undefined

  /** @internal Use {@link openLmdbMetadataStore}. */
  constructor(environment: LmdbEnvironment, directory: string, options: LmdbMetadataStoreOptions) {
    this.#environment = environment
    this.#directory = directory
    this.#maxQueuedCommits = options.maxQueuedCommits ?? 16_384
    this.#gatherMs = options.gatherMs ?? 1
    this.#onFatal = options.onFatal
  }

  /** @throws StorageError `unavailable` if the store is closed or has no reader slot left */
  snapshot(): Snapshot {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    try {
      this.#readLastState()
      const snapshot = new LmdbSnapshot(this.#environment, this.#figures, (released) =>
        this.#snapshots.delete(released),
      )
      this.#snapshots.add(snapshot)
      return snapshot
    } catch (error) {
      const failure = storageErrorOf(error, 'cannot begin a snapshot')
      this.#dieOfPanic(failure, failure)
      throw failure
    }
  }

  /**
   * The binding goes on reading the state that it saw last, until a timer fires. That is a third of what a small read costs saved,
   * and right as long as nobody was told of a later one: who has committed here is the only one who commits.
   */
  #readLastState(): void {
    if (this.#isCurrent) return
    this.#environment.root.resetReadTxn()
    this.#isCurrent = this.#figures.batches > 0
  }

  commit(commit: Commit): Promise<CommitResult> {
    // What is thrown in here rejects the promise.
    return new Promise<CommitResult>((resolve, reject) => {
      const refusal = this.#refusal()
      if (refusal !== undefined) throw refusal
      checkCommit(commit)
      if (this.#queue.length >= this.#maxQueuedCommits)
        throw new StorageError('unavailable', 'too many commits are waiting')
      this.#queue.push({ commit, resolve, reject })
      this.#startGroup()
    })
  }

  /**
   * Commits nothing while `work` runs. Whatever has another process open the map belongs in there: LMDB (`mdb_env_open2`) looks
   * up the number of the last commit, maps the file, and then sets that number for all processes. If a commit came in between,
   * it is set back: nobody sees that commit, the next one begins without it, and pages that are in use are written over.
   *
   * @param work when it has ended, no process is still opening the map. Commits and `close()` wait for it
   * @throws StorageError `unavailable` if the store is closed; what `work` throws
   */
  async holdCommits<T>(work: () => Promise<T>): Promise<T> {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    const held = this.#afterGroups(work)
    this.#holds.add(held)
    try {
      return await held
    } finally {
      this.#holds.delete(held)
      this.#startGroup()
    }
  }

  async #afterGroups<T>(work: () => Promise<T>): Promise<T> {
    while (this.#groups.size > 0) await Promise.all(this.#groups)
    return await work()
  }

  stats(): LmdbMetadataStats {
    const mapBytes = statSync(join(this.#directory, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0
    return { ...this.#figures, mapBytes, queuedCommits: this.#queue.length, openSnapshots: this.#snapshots.size }
  }

  /** Free and total bytes of the file system. @throws StorageError `unavailable` */
  async capacity(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    try {
      const { bavail, blocks, bsize } = await fs.statfs(this.#directory)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    } catch (error) {
      throw storageErrorOf(error, 'cannot ask for free space')
    }
  }

  checkReaders(): number {
    return this.#environment.root.readerCheck()
  }

  /** Commits what is queued, ends the snapshots that are still open and closes the files. Refuses new work at once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#holds.size + this.#groups.size > 0) await Promise.allSettled([...this.#holds, ...this.#groups])
    for (const snapshot of [...this.#snapshots]) snapshot.release()
    await this.#environment.root.close()
  }

  #refusal(): StorageError | undefined {
    if (this.#closing !== undefined) return new StorageError('unavailable', 'the metadata store is closed')
    return this.#fatal
  }

  #startGroup(): void {
    if (this.#isGroupWaiting || this.#queue.length === 0 || this.#holds.size > 0) return
    this.#isGroupWaiting = true
    const done = this.#runGroup()
    this.#groups.add(done)
    void done.finally(() => this.#groups.delete(done))
  }

  /**
   * Waits as long as every turn of the event loop brings further commits: a group costs a third of a millisecond of processor time
   * beyond them, so those that are on their way had better go into one. A commit that is alone waits for one turn.
   */
  async #gather(): Promise<void> {
    const endMs = performance.now() + this.#gatherMs
    for (let seen = 0; this.#queue.length > seen && this.#queue.length < maxGroupCommits; ) {
      if (performance.now() >= endMs) return
      seen = this.#queue.length
      await nextTurn()
    }
  }

  /** Never rejects: every commit of the group is told. */
  async #runGroup(): Promise<void> {
    const group: Group = { hasBegun: false, pending: [], results: [], error: undefined }
    try {
      await this.#gather()
      await this.#environment.root.transaction(() => this.#applyGroup(group))
    } catch (error) {
      const failure = await commitErrorOf(error, () => isFull(this.#directory))
      this.#fail(group, failure)
      this.#dieIfPanicked(failure)
      return
    }
    this.#settle(group)
  }

  /** Runs inside the write transaction and must not throw: the binding would commit what was done so far (DESIGN 4). */
  #applyGroup(group: Group): void {
    this.#isGroupWaiting = false
    group.hasBegun = true
    group.pending = this.#queue.splice(0, maxGroupCommits)
    try {
      const commits = group.pending.map((pending) => pending.commit)
      group.results = applyBatch(this.#environment, commits)
    } catch (error) {
      group.error = storageErrorOf(error, 'cannot write metadata')
      this.#die(group.error)
    }
    // Not from inside the transaction: a nested one would join it.
    if (this.#queue.length > 0) queueMicrotask(() => this.#startGroup())
  }

  #settle(group: Group): void {
    if (group.error !== undefined) {
      this.#fail(group, group.error)
      return
    }
    this.#isCurrent = false
    this.#figures.batches++
    for (const [i, pending] of group.pending.entries()) {
      const result = group.results[i]
      if (result === undefined) continue
      if (result.committed) this.#figures.commits++
      else this.#figures.failedChecks++
      pending.resolve(result)
    }
  }

  #fail(group: Group, error: StorageError): void {
    this.#isCurrent = false
    // A transaction that never began has taken no commits: those of the queue would wait for ever.
    if (!group.hasBegun) {
      this.#isGroupWaiting = false
      group.pending = this.#queue.splice(0)
    }
    for (const pending of group.pending) pending.reject(group.error ?? error)
  }

  /** A commit that failed may have been the one that LMDB does not get over: only asking tells. */
  #dieIfPanicked(failure: StorageError): void {
    try {
      const { root, state } = this.#environment
      root.resetReadTxn()
      const transaction = root.useReadTransaction()
      try {
        state.getBinaryFast(probeKey, { transaction })
      } finally {
        transaction.done()
      }
      this.#dieOfPanic(failure, failure)
    } catch (error) {
      this.#dieOfPanic(error, failure)
    }
  }

  #dieOfPanic(symptom: unknown, failure: StorageError): void {
    if (!isPanic(symptom) || this.#fatal !== undefined) return
    const message =
      'the metadata store could not write which state is current, and answers no more until it is opened anew'
    this.#die(new StorageError('unavailable', message, { cause: failure }))
  }

  #die(error: StorageError): void {
    this.#fatal = new StorageError('unavailable', 'the metadata store has failed', { cause: error })
    for (const pending of this.#queue.splice(0)) pending.reject(this.#fatal)
    this.#onFatal(error)
  }
}
