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
  const code = storageCodes.get(codeOf(error) ?? 0) ?? 'unavailable'
  const reason = error instanceof Error ? error.message : String(error)
  return new StorageError(code, `${what}: ${reason}`, { cause: error })
}

/** LMDB's or the system's number; the runtime's own errors have a negative `errno` and a name as `code`. */
function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'number') return error.code
  return 'errno' in error && typeof error.errno === 'number' ? -error.errno : undefined
}

/**
 * Whether LMDB has given up: it could not write the page that says which state is current, and answers everything with
 * `MDB_PANIC`, reads included, until the environment is opened anew.
 */
export function isPanic(error: unknown): boolean {
  return codeOf(error) === lmdbCodes.panic || (error instanceof StorageError && codeOf(error.cause) === lmdbCodes.panic)
}

/** How long the binding may take to say why a commit failed, in milliseconds. */
const reasonTimeoutMs = 1_000

/**
 * Why a commit failed: the binding rejects with an error that says nothing and carries a promise of the real one, which
 * must be handled in any case. LMDB reports a short write, as on a disk that is getting full, as EIO: only then is
 * `isFull` asked.
 */
export async function commitErrorOf(
  error: unknown,
  isFull: () => Promise<boolean>,
  timeoutMs: number = reasonTimeoutMs,
): Promise<StorageError> {
  const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined
  const cause = reason instanceof Promise ? await settledWithin(reason, timeoutMs, error) : error
  const what = 'cannot commit metadata'
  if (codeOf(cause) === constants.errno.EIO && (await isFull())) {
    return new StorageError('full', `${what}: no space left on the device`, { cause })
  }
  return storageErrorOf(cause, what)
}

/** What the promise rejects or resolves with, or `otherwise` if that takes too long. */
async function settledWithin(promise: Promise<unknown>, timeoutMs: number, otherwise: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<unknown>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, otherwise)
  })
  const settled = await Promise.race([promise.catch((reason: unknown) => reason), timeout])
  clearTimeout(timer)
  return settled
}
