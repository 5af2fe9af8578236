/**
 * The limits of the metadata contract, checked at the door of every engine, so that nothing can go wrong once a batch is
 * being applied (DESIGN 4).
 *
 * @module
 */

import { compareBytes, mapKey } from '../bytes.ts'
import { StorageError } from '../storage-error.ts'
import { type Commit, maxCommitOperations, maxKeyBytes, maxValueBytes } from './contract.ts'

/** Above this many written keys, duplicates are looked for with a set instead of by comparing all pairs. */
const pairwiseLimit = 12

/** @throws StorageError `invalid` if the key is empty or too long. */
export function checkKey(key: Uint8Array): void {
  if (key.length === 0 || key.length > maxKeyBytes) {
    throw new StorageError('invalid', `a metadata key has ${key.length} bytes: 1 to ${maxKeyBytes} are allowed`)
  }
}

/** @throws StorageError `invalid` if a limit of the contract is exceeded or a key is written twice. */
export function checkCommit(commit: Commit): void {
  const { checks = [], puts = [], deletes = [], adds = [] } = commit
  const operations = checks.length + puts.length + deletes.length + adds.length
  if (operations > maxCommitOperations) {
    throw new StorageError('invalid', `a commit has ${operations} operations: ${maxCommitOperations} are allowed`)
  }
  for (const check of checks) checkKey(check.key)
  for (const put of puts) {
    checkKey(put.key)
    if (put.value.length > maxValueBytes) {
      throw new StorageError('invalid', `a metadata value has ${put.value.length} bytes: ${maxValueBytes} are allowed`)
    }
  }
  for (const key of deletes) checkKey(key)
  for (const add of adds) {
    checkKey(add.key)
    if (!Number.isSafeInteger(add.delta)) throw new StorageError('invalid', 'a counter delta is not a safe integer')
  }
  if (puts.length + deletes.length > 1) checkDistinct([...puts.map((put) => put.key), ...deletes])
}

function checkDistinct(keys: readonly Uint8Array[]): void {
  const isDistinct =
    keys.length > pairwiseLimit ? new Set(keys.map(mapKey)).size === keys.length : areDistinctInPairs(keys)
  if (!isDistinct) throw new StorageError('invalid', 'a commit writes the same key twice')
}

function areDistinctInPairs(keys: readonly Uint8Array[]): boolean {
  for (let i = 1; i < keys.length; i++) {
    const a = keys[i]
    if (a === undefined) continue
    for (let j = 0; j < i; j++) {
      const b = keys[j]
      if (b !== undefined && a.length === b.length && a[0] === b[0] && compareBytes(a, b) === 0) return false
    }
  }
  return true
}
