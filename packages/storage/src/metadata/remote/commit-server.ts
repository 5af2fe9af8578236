/**
 * The committing process's end: applies the commits of one other process, as they come, and answers each.
 *
 * @module
 */

import type { Buffer } from 'node:buffer'
import { StorageError } from '../../storage-error.ts'
import type { CommitResult, MetadataStore } from '../contract.ts'
import { decodeCommitRequest, encodeCommitReply } from './commit-messages.ts'

/** Answers one message of a `LmdbWorkerStore` with one to its `receive`. Never rejects. */
export async function serveCommit(
  store: Pick<MetadataStore, 'commit'>,
  message: Buffer,
  answer: (reply: Buffer) => void,
): Promise<void> {
  const { id, commit } = decodeCommitRequest(message)
  answer(encodeCommitReply({ id, outcome: await outcomeOf(store.commit(commit)) }))
}

async function outcomeOf(committing: Promise<CommitResult>): Promise<CommitResult | StorageError> {
  try {
    return await committing
  } catch (error) {
    if (error instanceof StorageError) return error
    return new StorageError('unavailable', 'a commit failed', { cause: error })
  }
}
