/**
 * Optimistic commits: every attempt begins with a fresh snapshot, and one whose checks fail is made again, with the
 * writers of one key taking turns (DESIGN 4).
 *
 * @module
 */

import type { MetadataStore, Snapshot } from '@strongroom/storage'
import { CommitDraft, type Garbage } from './commit-draft.ts'
import { EngineError } from './engine-error.ts'
import type { Random } from './ids.ts'
import type { RecordStore } from './record-store.ts'
import { Turns } from './turns.ts'

/** What a client is told when its read or copy was given up because the object never stood still. */
export const neverStill =
  'The object was overwritten again and again while it was read. Please reduce your request rate.'

/** Thrown by an attempt that found its snapshot overtaken: it is made again. */
export class StaleSnapshot extends Error {
  constructor() {
    super('the snapshot was overtaken')
    this.name = 'StaleSnapshot'
  }
}

/** What {@link CommitLoop} needs of the engine. */
export interface CommitLoopContext {
  readonly metadata: MetadataStore
  readonly records: RecordStore
  readonly random: Random
  /** The writer session, if there is one: once it was ended by somebody, no retry helps. */
  readonly session?: { readonly key: Uint8Array }
  /** Told of what a commit turned into garbage. */
  readonly onGarbage: (garbage: readonly Garbage[]) => void
}

/** One attempt: reads, decides, fills the draft. What it returns is the result if the draft commits. */
export type Attempt<T> = (snapshot: Snapshot, draft: CommitDraft) => Promise<T> | T

const maxAttempts = 40

/** From this attempt on a writer also waits a little: others, of other processes, have not let it through. */
const firstWaitingAttempt = 6
const longestWaitMs = 20

/** Runs attempts until one commits. */
export class CommitLoop {
  readonly #context: CommitLoopContext
  readonly #turns = new Turns()

  constructor(context: CommitLoopContext) {
    this.#context = context
  }

  /**
   * Returns the result of the attempt whose draft was committed. An attempt whose draft is empty counts as committed.
   * Errors of an attempt end the loop; nothing is written then.
   *
   * @throws EngineError `SlowDown` after too many attempts, `ServiceUnavailable` if the writer session was ended, and
   * whatever `attempt` throws
   */
  async run<T>(attempt: Attempt<T>): Promise<T> {
    const first = await this.#try(attempt)
    if ('result' in first) return first.result
    const endTurn = await this.#turns.take(first.failedKey)
    try {
      for (let number = 1; number < maxAttempts; number += 1) {
        const outcome = await this.#try(attempt)
        if ('result' in outcome) return outcome.result
        if (number >= firstWaitingAttempt) await this.#wait()
      }
    } finally {
      endTurn()
    }
    const message = 'Too many requests change the same thing at once. Please reduce your request rate.'
    throw new EngineError('SlowDown', { message })
  }

  async #try<T>(attempt: Attempt<T>): Promise<{ readonly result: T } | { readonly failedKey: string }> {
    const { metadata, records, session, onGarbage } = this.#context
    const draft = new CommitDraft(records)
    const snapshot = metadata.snapshot()
    let result: T
    try {
      result = await attempt(snapshot, draft)
    } catch (error) {
      if (error instanceof StaleSnapshot) return { failedKey: '' }
      throw error
    } finally {
      snapshot.release()
    }
    if (draft.size === 0) return { result }
    const outcome = await metadata.commit(draft.toCommit())
    if (!outcome.committed) {
      if (session && Buffer.compare(outcome.failedKey, session.key) === 0) throw sessionEnded()
      return { failedKey: Buffer.from(outcome.failedKey).toString('latin1') }
    }
    if (draft.garbage.length > 0) onGarbage(draft.garbage)
    return { result }
  }

  /** A random while: two that collided do not collide again at once. */
  #wait(): Promise<void> {
    const [byte = 0] = this.#context.random(1)
    return new Promise((resolve) => setTimeout(resolve, 1 + (byte / 255) * longestWaitMs))
  }
}

function sessionEnded(): EngineError {
  const cause = new Error('the writer session of this process was ended: it was taken for dead')
  const message = 'The server has lost its turn to write and has to be started again.'
  return new EngineError('ServiceUnavailable', { message, cause })
}
