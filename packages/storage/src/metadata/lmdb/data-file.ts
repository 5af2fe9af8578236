/**
 * Looks at the head of LMDB's data file before LMDB does: the binding crashes the process where opening fails.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import { StorageError } from '../../storage-error.ts'
import { checkPages } from './data-file-pages.ts'

/** Data depends on it: LMDB cannot change the page size of a file that exists. Keys up to 4,026 bytes need 8,192 or more. */
export const pageSize = 16_384

/** `MDB_meta` behind the page header of the first two pages, in the machine's byte order (LMDB files are not portable). */
const magicOffset = 24
const versionOffset = 28
const pageSizeOffset = 48
const headBytes = 64
const magic = 0xbeefc0de
const version = 2

/**
 * Refuses a data file that LMDB would not open, and one that was cut and would end the process when it is read. Resolves to false if there is none, or an empty one: LMDB makes it then.
 *
 * @throws StorageError `corrupt`; the system's error if the file may not be read and written
 */
export async function checkDataFile(path: string): Promise<boolean> {
  const handle = await open(path, 'r+').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return false
  try {
    const { size } = await handle.stat()
    const isWhole = size >= 2 * pageSize && (await isMetaPage(handle, 0)) && (await isMetaPage(handle, pageSize))
    if (size > 0 && !isWhole) {
      throw new StorageError('corrupt', `${path} is not a metadata store, or not one that this version can read`)
    }
    if (isWhole) await checkPages(handle, path, size, pageSize)
    return isWhole
  } finally {
    await handle.close()
  }
}

async function isMetaPage(handle: FileHandle, position: number): Promise<boolean> {
  const head = Buffer.alloc(headBytes)
  await handle.read(head, 0, headBytes, position)
  const words = new Uint32Array(head.buffer, head.byteOffset, headBytes / 4)
  const word = (offset: number) => words[offset / 4]
  return word(magicOffset) === magic && word(versionOffset) === version && word(pageSizeOffset) === pageSize
}
