/**
 * LMDB maps its file into memory and locks it with what the local kernel offers: on a network file system that loses data.
 *
 * @module
 */

import { statfs } from 'node:fs/promises'
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
