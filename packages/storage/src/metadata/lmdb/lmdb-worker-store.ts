/**
 * LMDB in a process that reads the map itself and has another process commit (DESIGN 4, "More cores"; ADR 20): two that
 * both write lose a third of the throughput at twice the processor time.
 *
 * @module
 */

import type { Buffer } from 'node:buffer'
import { statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { StorageError } from '../../storage-error.ts'
import { checkCommit } from '../commit-limits.ts'
import type { Commit, CommitResult, Snapshot } from '../contract.ts'
import { decodeCommitReply, encodeCommitRequest } from '../remote/commit-messages.ts'
import { type LmdbEnvironment, openLmdbEnvironment } from './lmdb-environment.ts'
import { storageErrorOf } from './lmdb-errors.ts'
import { LmdbSnapshot } from './lmdb-snapshot.ts'
import type { LmdbMetadataStats, LocalMetadataStore } from './local-metadata-store.ts'

export interface LmdbWorkerStoreOptions {
  /** Takes a message to the process that commits, which answers it with `serveCommit`. */
  readonly send: (request: Uint8Array) => void
  /** Most commits that may be under way; more are refused as `unavailable`. Default 16,384. */
  readonly maxPendingCommits?: number
}

interface PendingCommit {
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: StorageError) => void
}

/**
 * Opens the store in `directory`, which the committing process has open already, and in which it commits nothing at this
 * moment (`LmdbMetadataStore.holdCommits`).
 *
 * @throws StorageError `corrupt`, `unavailable`
 */
export function openLmdbWorkerStore(directory: string, options: LmdbWorkerStoreOptions): LmdbWorkerStore {
  return new LmdbWorkerStore(openLmdbEnvironment(directory, { isReadOnly: true }), directory, options)
}

/** See the module. Keys and values given to `commit` may change as soon as it has returned its promise. */
export class LmdbWorkerStore implements LocalMetadataStore {
  readonly #environment: LmdbEnvironment
  readonly #directory: string
  readonly #options: LmdbWorkerStoreOptions
  readonly #snapshots = new Set<LmdbSnapshot>()
  readonly #pending = new Map<number, PendingCommit>()
  readonly #figures = { commits: 0, failedChecks: 0, batches: 0, gets: 0, seeks: 0, entriesListed: 0 }
  #lastId = 0
  #whenIdle: (() => void) | undefined
  #refusal: StorageError | undefined
  #closing: Promise<void> | undefined

  /** @internal Use {@link openLmdbWorkerStore}. */
  constructor(environment: LmdbEnvironment, directory: string, options: LmdbWorkerStoreOptions) {
    this.#environment = environment
    this.#directory = directory
    this.#options = options
  }

  /** @throws StorageError `unavailable` if the store is closed or has no reader slot left */
  snapshot(): Snapshot {
    if (this.#refusal !== undefined) throw this.#refusal
    try {
      // The binding would go on reading the state that it saw last, until a timer fires.
      this.#environment.root.resetReadTxn()
      const forget = (released: LmdbSnapshot) => this.#snapshots.delete(released)
      const snapshot = new LmdbSnapshot(this.#environment, this.#figures, forget)
      this.#snapshots.add(snapshot)
      return snapshot
    } catch (error) {
      throw storageErrorOf(error, 'cannot begin a snapshot')
    }
  }

  async commit(commit: Commit): Promise<CommitResult> {
    if (this.#refusal !== undefined) throw this.#refusal
    checkCommit(commit)
    if (this.#pending.size >= (this.#options.maxPendingCommits ?? 16_384))
      throw new StorageError('unavailable', 'too many commits are waiting')
    this.#lastId = (this.#lastId + 1) >>> 0
    const id = this.#lastId
    return await new Promise<CommitResult>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#options.send(encodeCommitRequest(id, commit))
    })
  }

  /** Takes an answer of the process that commits. */
  receive(reply: Buffer): void {
    const { id, outcome } = decodeCommitReply(reply)
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    if (outcome instanceof StorageError) pending.reject(outcome)
    else {
      if (outcome.committed) this.#figures.commits++
      else this.#figures.failedChecks++
      pending.resolve(outcome)
    }
    if (this.#pending.size === 0) this.#whenIdle?.()
  }

  /** The process that commits is gone: what was under way may have been done or not, and nothing goes on. */
  lost(): void {
    this.#refusal ??= new StorageError('unavailable', 'the process that commits is gone')
    for (const { reject } of this.#pending.values()) reject(this.#refusal)
    this.#pending.clear()
    this.#whenIdle?.()
  }

  stats(): LmdbMetadataStats {
    const mapBytes = statSync(join(this.#directory, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0
    return { ...this.#figures, mapBytes, queuedCommits: this.#pending.size, openSnapshots: this.#snapshots.size }
  }

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

  /** Waits for the answers that are due, ends the snapshots that are still open and closes the map. Refuses new work at once. */
  close(): Promise<void> {
    this.#refusal ??= new StorageError('unavailable', 'the metadata store is closed')
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    for (const snapshot of [...this.#snapshots]) snapshot.release()
    await this.#environment.root.close()
  }
}
