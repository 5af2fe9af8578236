/**
 * LMDB maps its file into memory and locks it with what the local kernel offers: on a network file system that loses data.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { StorageError } from '../../storage-error.ts'

/** `f_type` of `statfs(2)`, from `linux/magic.h` and the file systems' own sources. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'kAFS'],
  [0x73757245, 'Coda'],
  [0x01021997, '9P'],
  [0x00c36400, 'CephFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x564c, 'NCP'],
  [0x786f4256, 'VirtualBox shared folder'],
])

const fuse = 0x65735546

/** What a file system type means for LMDB. */
export type FileSystemVerdict =
  | { readonly kind: 'local' }
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'unknown'; readonly name: string }

/** Judges an `f_type`, whatever its sign: the kernel's word is signed on some architectures. */
export function judgeFileSystem(type: number): FileSystemVerdict {
  const unsigned = type >>> 0
  const name = networkFileSystems.get(unsigned)
  if (name !== undefined) return { kind: 'network', name }
  return unsigned === fuse ? { kind: 'unknown', name: 'FUSE' } : { kind: 'local' }
}

/**
 * Refuses a directory on a network file system; warns about one that may be on one.
 *
 * @throws StorageError `invalid`
 */
export async function checkFileSystem(
  directory: string,
  onWarning?: (message: string) => void,
  inspect: (path: string) => Promise<{ readonly type: number }> = statfs,
): Promise<void> {
  const verdict = judgeFileSystem((await inspect(directory)).type)
  if (verdict.kind === 'network') {
    const where = `the metadata directory ${directory} is on a network file system (${verdict.name})`
    throw new StorageError('invalid', `${where}: it must be on a local disk`)
  }
  if (verdict.kind === 'unknown') {
    onWarning?.(`the metadata directory ${directory} is on ${verdict.name}: make sure that it is a local disk`)
  }
}

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
