/**
 * The range check that all blob adapters share.
 *
 * @module
 */

import { StorageError } from '../storage-error.ts'

/** @throws StorageError `invalid` unless both are safe, non-negative integers and so is their sum */
export function checkRange(offset: number, length: number): void {
  const isValid = [offset, length, offset + length].every((value) => Number.isSafeInteger(value) && value >= 0)
  if (!isValid) throw new StorageError('invalid', 'offset and length of a blob range must be safe integers')
}
