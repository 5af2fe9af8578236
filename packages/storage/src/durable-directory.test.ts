import * as fs from 'node:fs/promises'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DirectoryFileSystem, makeDirectoryDurably } from './durable-directory.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'strongroom-directories-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

function watched(synced: string[]): DirectoryFileSystem {
  const open: DirectoryFileSystem['open'] = async (path, ...rest) => {
    const handle = await fs.open(path, ...rest)
    const sync = handle.sync.bind(handle)
    const watch = async () => {
      await sync()
      synced.push(String(path))
    }
    Object.defineProperty(handle, 'sync', { value: watch })
    return handle
  }
  return { mkdir: fs.mkdir, open }
}

test('syncs every directory in which it has made another, up to the one that was there', async () => {
  const synced: string[] = []
  await makeDirectoryDurably(watched(synced), join(root, 'a', 'b', 'c'))
  expect(synced).toEqual([join(root, 'a', 'b'), join(root, 'a'), root])
  expect((await stat(join(root, 'a', 'b', 'c'))).mode & 0o777).toBe(0o700)
})

test('leaves alone what was there', async () => {
  const synced: string[] = []
  await makeDirectoryDurably(watched(synced), root)
  expect(synced).toEqual([])
})
