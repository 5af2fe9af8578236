/**
 * Small files that must be whole or absent after a crash: the format stamp, certificates, the root key.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Replaces the file or makes it, with the given mode: synced under another name first, then renamed, then the directory synced. */
export async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await writeAside(path, content, mode, (aside) => rename(aside, path))
}

/** Makes the file, whole, or resolves to false if there is one already: of two that make it at one moment one wins. */
export async function createDurably(path: string, content: string | Uint8Array, mode: number): Promise<boolean> {
  let isMade = true
  await writeAside(path, content, mode, async (aside) => {
    try {
      await link(aside, path)
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error
      isMade = false
    }
    await rm(aside)
  })
  return isMade
}

async function writeAside(
  path: string,
  content: string | Uint8Array,
  mode: number,
  publish: (aside: string) => Promise<void>,
): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(aside, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await publish(aside)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Makes a directory (mode 0700) and those above it that are missing, each durable in the one above. */
export async function makeDirectoryDurably(directory: string): Promise<void> {
  const path = resolve(directory)
  let isNew: boolean
  try {
    isNew = await makeOne(path)
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    // Level by level: with `recursive` Node.js never returns where a directory takes no new names (/proc answers ENOENT).
    await makeDirectoryDurably(dirname(path))
    isNew = await makeOne(path)
  }
  if (isNew) await syncDirectory(dirname(path))
}

/** Resolves to false if the directory is there already. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return false
    throw error
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Narrows an error of `node:fs` or `node:net` to its code. */
export const systemErrorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
