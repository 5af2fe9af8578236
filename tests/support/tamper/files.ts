/**
 * Kinds of files beside the metadata store, and tampering with them.
 *
 * @module
 */

import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { byteChanges, type ChangeName } from './changes.ts'

export interface FileKind {
  readonly name: string
  /** Two files of the kind, and a third place where there is none; relative to the data directory. */
  readonly files: (directory: string) => Promise<readonly [string, string, string] | readonly [string]>
  /** A sealed stream, whose packages can change places. */
  readonly isStream?: true
  /** In the place of all changes that there are otherwise. */
  readonly changed?: (change: ChangeName, content: Buffer, other: Buffer) => Buffer[]
}

async function blobPaths(directory: string): Promise<string[]> {
  const entries = await readdir(join(directory, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

function threePlaces(first: string | undefined, second: string | undefined): readonly [string, string, string] {
  if (!first || !second) throw new Error('there are no blobs')
  return [first, second, `${first.slice(0, -1)}${first.endsWith('0') ? '1' : '0'}`]
}

/** Blobs of several packages, largest first. */
async function blobFiles(directory: string): Promise<readonly [string, string, string]> {
  const found: { readonly path: string; readonly size: number }[] = []
  for (const path of await blobPaths(directory)) found.push({ path, size: (await stat(path)).size })
  const [first, second] = found.sort((a, b) => b.size - a.size)
  return threePlaces(first?.path, second?.path)
}

/** The files of two blobs. */
export const filesOf =
  (blobIds: readonly string[]): FileKind['files'] =>
  async (directory) => {
    const paths = await blobPaths(directory)
    const [first, second] = blobIds.map((id) => paths.find((path) => path.endsWith(id)))
    return threePlaces(first, second)
  }

const inKeys =
  (first: string, second: string, free: string): FileKind['files'] =>
  async (directory) => [join(directory, 'keys', first), join(directory, 'keys', second), join(directory, 'keys', free)]

export function fileKindsOf(): readonly FileKind[] {
  return [
    { name: 'blob file', files: blobFiles, isStream: true },
    { name: 'key store: a key', files: inKeys('beta', 'alpha', 'delta') },
    { name: 'key store: a later version', files: inKeys('alpha-v-2', 'beta', 'beta-v-2') },
    { name: 'key store: a lock', files: inKeys('gamma-locked', 'gamma', 'beta-locked') },
    { name: 'keyring', files: async (directory) => [join(directory, 'keyring')] },
    { name: 'root key (the one made for trying out)', files: async (directory) => [join(directory, 'root.key')] },
  ]
}

/** Makes one change after the other; whoever iterates calls what he is given to take it back. */
export async function* fileChanges(
  change: ChangeName,
  kind: FileKind,
  directory: string,
): AsyncGenerator<() => Promise<void>> {
  const [path, other, free] = await kind.files(directory)
  const content = await readFile(path)
  if (kind.changed) {
    for (const changed of kind.changed(change, content, other ? await readFile(other) : Buffer.alloc(0))) {
      await writeFile(path, changed)
      yield () => writeFile(path, content)
    }
    return
  }
  const ofBytes = change === 'packages' && !kind.isStream ? undefined : byteChanges[change]
  for (const changed of ofBytes?.(content) ?? []) {
    await writeFile(path, changed)
    yield () => writeFile(path, content)
  }
  if (change === 'delete') {
    const aside = `${directory}.aside`
    await rename(path, aside)
    yield () => rename(aside, path)
  }
  if (change === 'swap' && other !== undefined) {
    const second = await readFile(other)
    await writeFile(path, second)
    await writeFile(other, content)
    yield async () => {
      await writeFile(path, content)
      await writeFile(other, second)
    }
  }
  if (change === 'duplicate' && free !== undefined) {
    await writeFile(free, content, { mode: 0o600 })
    yield () => rm(free)
  }
}
