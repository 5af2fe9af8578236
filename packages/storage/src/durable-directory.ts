/**
 * Directories that are there after a power loss. A name is durable only when the directory that it stands in was synced, and
 * so is the name of that directory.
 *
 * @module
 */

import type { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** What is needed of `node:fs/promises`; injected so that tests can watch. */
export interface DirectoryFileSystem {
  readonly mkdir: typeof mkdir
  readonly open: typeof open
}

/** Makes the entries of a directory durable: a file that was synced may still lack its name after a power loss. */
export async function syncDirectory(fileSystem: Pick<DirectoryFileSystem, 'open'>, path: string): Promise<void> {
  const handle = await fileSystem.open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a directory (mode 0700) and those above it that are missing, durably. @throws the system's error */
export async function makeDirectoryDurably(fileSystem: DirectoryFileSystem, directory: string): Promise<void> {
  const path = resolve(directory)
  const firstMade = await fileSystem.mkdir(path, { recursive: true, mode: 0o700 })
  if (firstMade === undefined) return
  const end = dirname(resolve(firstMade))
  for (let made = path; made !== end; made = dirname(made)) await syncDirectory(fileSystem, dirname(made))
}
