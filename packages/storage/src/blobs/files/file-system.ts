/**
 * What the files adapter needs from the operating system, and what its errors mean.
 *
 * @module
 */

import * as fs from 'node:fs/promises'
import { StorageError, type StorageErrorCode } from '../../storage-error.ts'

/** Injected so that tests can watch the order of syncs and make any call fail. */
export type BlobFileSystem = Pick<
  typeof fs,
  'open' | 'mkdir' | 'unlink' | 'rmdir' | 'stat' | 'statfs' | 'opendir' | 'readdir'
>

/** The real one. */
export const nodeFileSystem: BlobFileSystem = fs

const storageCodes: ReadonlyMap<string, StorageErrorCode> = new Map([
  ['ENOENT', 'not-found'],
  ['EEXIST', 'exists'],
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EFBIG', 'full'],
])

/** The system's name of an error, such as `ENOENT`. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A system error as ours; unknown ones are `unavailable`. A storage error is passed on as it is. */
export function blobErrorOf(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error
  const code = storageCodes.get(systemCodeOf(error) ?? '') ?? 'unavailable'
  const reason = error instanceof Error ? error.message : String(error)
  return new StorageError(code, `${what}: ${reason}`, { cause: error })
}
