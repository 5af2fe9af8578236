/**
 * Room on the disk, looked after before LMDB meets a lack of it: it answers some with SIGBUS and others with EIO.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

const lockFileName = 'lock.mdb'
/** Room for about 2,000 readers, of 64 bytes each. */
const lockFileBytes = 128 * 1024

/**
 * Makes LMDB's lock file, if it is missing, with all of its blocks: LMDB would make a sparse one and write to it through
 * the map, and on a full disk that ends the process with SIGBUS.
 *
 * @throws the system's error, also if a lock file exists that may not be written
 */
export async function ensureLockFile(directory: string): Promise<void> {
  const path = join(directory, lockFileName)
  const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
    throw error
  })
  if (handle === undefined) return await (await open(path, 'r+')).close()
  try {
    await handle.writeFile(Buffer.alloc(lockFileBytes))
    await handle.datasync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await handle.close()
  }
}

const probeName = 'space-probe'
const probeBytes = 256 * 1024
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

/** Writes a small file and removes it: free space says nothing about quotas, reserves and rights. @throws the system's error */
export async function probeDirectory(directory: string): Promise<void> {
  const path = join(directory, probeName)
  try {
    const handle = await open(path, 'w', 0o600)
    try {
      await handle.writeFile(Buffer.alloc(probeBytes))
      await handle.datasync()
    } finally {
      await handle.close()
    }
  } finally {
    await rm(path, { force: true })
  }
}

/** Whether a small file no longer fits into this directory. */
export async function isFull(directory: string): Promise<boolean> {
  try {
    await probeDirectory(directory)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && fullCodes.has(String(error.code))
  }
}
