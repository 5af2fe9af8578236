/**
 * Small secret files that are whole or absent after a crash: written beside, fsynced, put in place, directory fsynced.
 *
 * @module
 */
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** What unfinished files begin with; no key entry can have a dot. */
export const temporaryPrefix = '.unfinished-'

/** How a finished file is put in place: `create` never replaces an existing one, `replace` does. */
export type Placement = 'create' | 'replace'

/**
 * Writes a file of mode 0600, durable when it resolves. `suffix` makes the name of the unfinished file unique.
 *
 * @throws the file system's errors; `EEXIST` from `create` when the file exists, and then nothing has changed
 */
export async function writeDurably(
  path: string,
  value: Uint8Array,
  placement: Placement,
  suffix: string,
): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `${temporaryPrefix}${suffix}`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await writeAndClose(file, value)
    // A hard link is the one way to put a whole file under a name that must be free.
    if (placement === 'create') await link(temporary, path)
    else await rename(temporary, path)
  } catch (error) {
    await unlink(temporary)
    throw error
  }
  if (placement === 'create') await unlink(temporary)
  await syncDirectory(directory)
}

async function writeAndClose(file: FileHandle, value: Uint8Array): Promise<void> {
  try {
    await file.writeFile(value)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a directory (mode 0700) and those above it that are missing, each durable in the one above. */
export async function makeDirectoryDurably(directory: string): Promise<void> {
  const path = resolve(directory)
  const firstMade = await mkdir(path, { recursive: true, mode: 0o700 })
  if (firstMade === undefined) return
  const end = dirname(resolve(firstMade))
  for (let made = path; made !== end; made = dirname(made)) await syncDirectory(dirname(made))
}

/** Makes entries that were added to or removed from a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Reads a small file whole.
 *
 * @returns `undefined` when it is longer than `maxBytes`
 * @throws the file system's errors
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, 'r')
  const buffer = Buffer.alloc(maxBytes + 1)
  try {
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return length > maxBytes ? undefined : Buffer.from(buffer.subarray(0, length))
  } finally {
    buffer.fill(0)
    await file.close()
  }
}

/** The code of a file system error, `ENOENT` and the like; empty for any other error. */
export function fileErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
