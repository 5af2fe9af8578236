/**
 * What LMDB and the system report, as storage errors.
 *
 * @module
 */

import { constants } from 'node:os'
import { StorageError, type StorageErrorCode } from '../../storage-error.ts'

/** LMDB's own codes, from `lmdb.h`: data depends on none of them, but the tests of a full disk do. */
const lmdbCodes = {
  pageNotFound: -30797,
  corrupted: -30796,
  panic: -30795,
  versionMismatch: -30794,
  invalid: -30793,
  mapFull: -30792,
}

const storageCodes: ReadonlyMap<number, StorageErrorCode> = new Map([
  [lmdbCodes.pageNotFound, 'corrupt'],
  [lmdbCodes.corrupted, 'corrupt'],
  [lmdbCodes.versionMismatch, 'corrupt'],
  [lmdbCodes.invalid, 'corrupt'],
  [lmdbCodes.panic, 'unavailable'],
  [lmdbCodes.mapFull, 'full'],
  [constants.errno.ENOSPC, 'full'],
  [constants.errno.EDQUOT, 'full'],
  [constants.errno.EFBIG, 'full'],
])

/** The error that the binding threw, as ours; unknown ones are `unavailable`. A storage error is passed on as it is. */
export function storageErrorOf(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error
  const code = (codeOf(error) !== undefined && storageCodes.get(codeOf(error) ?? 0)) || 'unavailable'
  const reason = error instanceof Error ? error.message : String(error)
  return new StorageError(code, `${what}: ${reason}`, { cause: error })
}

/**
 * Whether this error, thrown by a put, has marked the transaction as failed, so that its commit fails as well and rolls
 * back: LMDB sets the error flag when it cannot allocate a page. After any other error the commit might go through.
 */
export function failsTransaction(error: unknown): boolean {
  return codeOf(error) === lmdbCodes.mapFull
}

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/** How long the binding may take to say why a commit failed, in milliseconds. */
const reasonTimeoutMs = 1_000

/**
 * Why a commit failed: the binding rejects with an error that says nothing and carries a promise of the real one, which
 * must be handled in any case.
 */
export async function commitErrorOf(error: unknown): Promise<StorageError> {
  const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined
  if (!(reason instanceof Promise)) return storageErrorOf(error, 'cannot commit metadata')
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<unknown>((resolve) => {
    timer = setTimeout(resolve, reasonTimeoutMs, error)
  })
  const cause = await Promise.race([reason.catch((real: unknown) => real), timeout])
  clearTimeout(timer)
  return storageErrorOf(cause, 'cannot commit metadata')
}
