/**
 * Making a blob durable: its data, and the name that it has in its directory.
 *
 * @module
 */

import type { FileHandle } from 'node:fs/promises'
import { syncDirectory } from '../../durable-directory.ts'
import type { BlobFileSystem } from './file-system.ts'

/** Both together, so that a journalling file system can commit them at once. Throws the system's error. */
export async function syncBlob(fileSystem: BlobFileSystem, handle: FileHandle, directory: string): Promise<void> {
  // All settled before the first error is thrown: no call may still use a handle that is being closed.
  for (const result of await Promise.allSettled([handle.datasync(), syncDirectory(fileSystem, directory)])) {
    if (result.status === 'rejected') throw result.reason
  }
}
