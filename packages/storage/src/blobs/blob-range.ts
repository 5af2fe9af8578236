/**
 * Ranges of blobs, as all adapters check and stream them.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { StorageError } from '../storage-error.ts'
import type { BlobReader } from './contract.ts'

const chunkBytes = 256 * 1024

/** @throws StorageError `invalid` unless both are safe, non-negative integers and so is their sum */
export function checkRange(offset: number, length: number): void {
  const isValid = [offset, length, offset + length].every((value) => Number.isSafeInteger(value) && value >= 0)
  if (!isValid) throw new StorageError('invalid', 'offset and length of a blob range must be safe integers')
}

/** `BlobStore.read` of an open blob, which is closed at the end. */
export async function* chunksOf(reader: BlobReader, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const end = offset + length
  try {
    for (let at = offset; at < end; at += chunkBytes) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at))
      await reader.read(chunk, at)
      yield chunk
    }
  } finally {
    await reader.close()
  }
}
