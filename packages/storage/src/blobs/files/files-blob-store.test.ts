/**
 * The files adapter: the contract, and what only files can get wrong (order of syncs, full disks, leaked handles).
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blobStoreSuite, newBlobId, readBlob, writeBlob } from '../blob-store.suite.ts'
import { type BlobFileSystem, nodeFileSystem } from './file-system.ts'
import { openFilesBlobStore } from './files-blob-store.ts'

async function makeRoot(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'strongroom-blobs-'))
}

blobStoreSuite('files', async () => {
  const root = await makeRoot()
  return { open: () => openFilesBlobStore(root), dispose: () => rm(root, { recursive: true, force: true }) }
})

/** The real file system, telling what is synced and failing where the test says so. */
function watchedFileSystem(log: string[], failing: Map<string, string> = new Map()): BlobFileSystem {
  const fail = (call: string) => {
    const code = failing.get(call)
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected`), { code })
  }
  const open: BlobFileSystem['open'] = async (path, flags, mode) => {
    fail('open')
    const handle = await nodeFileSystem.open(path, flags, mode)
    const watch = (call: 'sync' | 'datasync' | 'writev') => {
      const real = handle[call].bind(handle) as (...args: unknown[]) => Promise<unknown>
      Object.defineProperty(handle, call, {
        value: async (...args: unknown[]) => {
          fail(call)
          const result = await real(...args)
          log.push(`${call} ${path}`)
          return result
        },
      })
    }
    for (const call of ['sync', 'datasync', 'writev'] as const) watch(call)
    return handle
  }
  return { ...nodeFileSystem, open }
}

describe('blobs as files', () => {
  let root: string
  beforeEach(async () => {
    root = await makeRoot()
  })
  afterEach(async () => {
    await rm(root, { recursive: true, force: true })
  })

  const pathOf = (blobId: string) => join(root, blobId.slice(0, 16), blobId.slice(16, 18), blobId)

  test('lies at session, fan-out and id, readable by nobody else', async () => {
    const store = await openFilesBlobStore(join(root, 'deep', 'blobs'))
    const blobId = await writeBlob(store, Buffer.from('x'))
    const path = join(root, 'deep', 'blobs', blobId.slice(0, 16), blobId.slice(16, 18), blobId)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    for (const directory of [dirname(path), dirname(dirname(path)), join(root, 'deep', 'blobs')]) {
      expect((await stat(directory)).mode & 0o777).toBe(0o700)
    }
  })

  test('sync returns after the data, the name and every new directory are durable', async () => {
    const log: string[] = []
    const store = await openFilesBlobStore(root, watchedFileSystem(log))
    const blobId = newBlobId()
    await writeBlob(store, Buffer.from('x'), blobId)
    const path = pathOf(blobId)
    expect(log.slice(0, 3)).toEqual([`sync ${root}`, `sync ${dirname(dirname(path))}`, `writev ${path}`])
    expect(log.slice(3).sort()).toEqual([`datasync ${path}`, `sync ${dirname(path)}`])
    log.length = 0
    const sibling = blobId.slice(0, 18) + randomBytes(15).toString('hex')
    await writeBlob(store, Buffer.from('x'), sibling)
    expect(log).toHaveLength(3)
  })

  test.each([
    ['writev', 'ENOSPC', 'full'],
    ['writev', 'EDQUOT', 'full'],
    ['writev', 'EFBIG', 'full'],
    ['writev', 'EIO', 'unavailable'],
    ['datasync', 'ENOSPC', 'full'],
    ['datasync', 'EIO', 'unavailable'],
    ['sync', 'EIO', 'unavailable'],
    ['open', 'EMFILE', 'unavailable'],
    ['open', 'ENOSPC', 'full'],
  ])('a failing %s with %s is %s, leaks no handle, and abort clears up', async (call, systemCode, code) => {
    const failing = new Map<string, string>()
    const store = await openFilesBlobStore(root, watchedFileSystem([], failing))
    await writeBlob(store, Buffer.from('warm up'))
    const session = randomBytes(8).toString('hex')
    await writeBlob(store, Buffer.from('x'), `${session}00${randomBytes(15).toString('hex')}`)
    const before = await openHandles()
    const blobId = `${session}00${randomBytes(15).toString('hex')}`
    failing.set(call, systemCode)
    let writer: Awaited<ReturnType<typeof store.create>> | undefined
    const write = async () => {
      writer = await store.create(blobId)
      await writer.write([Buffer.from('data')])
      await writer.sync()
    }
    await expect(write()).rejects.toMatchObject({ code })
    await writer?.abort()
    failing.clear()
    expect(await store.size(blobId)).toBeUndefined()
    expect(await openHandles()).toBe(before)
  })

  test('a directory that could not be made is tried again', async () => {
    const failing = new Map([['sync', 'EIO']])
    const store = await openFilesBlobStore(root, watchedFileSystem([], failing))
    const blobId = newBlobId()
    await expect(store.create(blobId)).rejects.toMatchObject({ code: 'unavailable' })
    failing.clear()
    await writeBlob(store, Buffer.from('x'), blobId)
    expect(await store.size(blobId)).toBe(1)
  })

  test('writes on where the kernel took only a part', async () => {
    const open: BlobFileSystem['open'] = async (path, flags, mode) => {
      const handle = await nodeFileSystem.open(path, flags, mode)
      const writev = handle.writev.bind(handle)
      const short = async (buffers: readonly Uint8Array[], position?: number) => {
        const first = buffers[0] ?? new Uint8Array(0)
        return await writev([first.subarray(0, 5)], position)
      }
      Object.defineProperty(handle, 'writev', { value: short })
      return handle
    }
    const store = await openFilesBlobStore(root, { ...nodeFileSystem, open })
    const content = randomBytes(64)
    const blobId = newBlobId()
    const writer = await store.create(blobId)
    await writer.write([content.subarray(0, 5), content.subarray(5, 17), content.subarray(17)])
    await writer.sync()
    expect((await readBlob(store, blobId, 0, 64)).equals(content)).toBe(true)
  })

  test('no reader leaves a handle open: whole, stopped early, refused or failed', async () => {
    const store = await openFilesBlobStore(root)
    const blobId = await writeBlob(store, randomBytes(2_000_000))
    const before = await openHandles()
    for (let i = 0; i < 20; i++) {
      await readBlob(store, blobId, 0, 2_000_000)
      for await (const chunk of store.read(blobId, 0, 2_000_000)) if (chunk.length > 0) break
      await expect(readBlob(store, blobId, 0, 2_000_001)).rejects.toMatchObject({ code: 'truncated' })
      const throwing = async () => {
        for await (const chunk of store.read(blobId, 0, 2_000_000)) throw new Error(`stop at ${chunk.length}`)
      }
      await expect(throwing()).rejects.toThrow('stop')
    }
    expect(await openHandles()).toBe(before)
  })

  test('readers that stand still have read one chunk each, and no more', async () => {
    let bytes = 0
    const open: BlobFileSystem['open'] = async (path, flags, mode) => {
      const handle = await nodeFileSystem.open(path, flags, mode)
      const read = handle.read.bind(handle) as (...args: unknown[]) => Promise<{ bytesRead: number }>
      const counted = async (...args: unknown[]) => {
        const result = await read(...args)
        bytes += result.bytesRead
        return result
      }
      Object.defineProperty(handle, 'read', { value: counted })
      return handle
    }
    const store = await openFilesBlobStore(root, { ...nodeFileSystem, open })
    const blobId = await writeBlob(store, randomBytes(3_000_000))
    const readers = Array.from({ length: 100 }, () => store.read(blobId, 0, 3_000_000)[Symbol.asyncIterator]())
    await Promise.all(readers.map((reader) => reader.next()))
    // Ending a reader waits for what it has under way.
    await Promise.all(readers.map((reader) => reader.return?.(undefined)))
    expect(bytes / readers.length).toBeLessThanOrEqual(256 * 1024)
  })

  test('a blob cut while it is being read ends in truncated, not in silence', async () => {
    const store = await openFilesBlobStore(root)
    const blobId = await writeBlob(store, randomBytes(3_000_000))
    let bytes = 0
    const read = async () => {
      for await (const chunk of store.read(blobId, 0, 3_000_000)) {
        if (bytes === 0) await truncate(pathOf(blobId), 600_000)
        bytes += chunk.length
      }
    }
    await expect(read()).rejects.toMatchObject({ code: 'truncated' })
    expect(bytes).toBeLessThan(3_000_000)
  })

  test('a blob deleted while it is being read is read to its end', async () => {
    const store = await openFilesBlobStore(root)
    const content = randomBytes(2_000_000)
    const blobId = await writeBlob(store, content)
    const chunks: Uint8Array[] = []
    for await (const chunk of store.read(blobId, 0, content.length)) {
      if (chunks.length === 0) await store.delete(blobId)
      chunks.push(chunk)
    }
    expect(Buffer.concat(chunks).equals(content)).toBe(true)
  })

  test('the directories of a dead session go with its last blob; those of a living one stay', async () => {
    const writer = await openFilesBlobStore(root)
    const blobId = await writeBlob(writer, Buffer.from('x'))
    const sweeper = await openFilesBlobStore(root)
    await writer.delete(blobId)
    expect(await readdir(root)).toEqual([blobId.slice(0, 16)])
    await writeBlob(writer, Buffer.from('x'), blobId)
    await sweeper.delete(blobId)
    expect(await readdir(root)).toEqual([])
    // The writer does not know that its directories were taken away.
    await writeBlob(writer, Buffer.from('again'), blobId)
    expect((await readBlob(sweeper, blobId, 0, 5)).toString()).toBe('again')
  })

  test('a deletion is durable when it resolves, also of a blob that a process unlinked and then died', async () => {
    const log: string[] = []
    const store = await openFilesBlobStore(root, watchedFileSystem(log))
    const [first, second, other] = [newBlobId(), newBlobId(), newBlobId()]
    const sibling = first.slice(0, 18) + second.slice(18)
    for (const blobId of [first, sibling, other]) await writeBlob(store, Buffer.from('x'), blobId)
    await unlink(pathOf(sibling))
    log.length = 0
    await store.deleteAll([first, sibling, other])
    expect(log.sort()).toEqual([`sync ${dirname(pathOf(first))}`, `sync ${dirname(pathOf(other))}`].sort())
    log.length = 0
    expect(await store.delete(first)).toBe(false)
    expect(log).toEqual([`sync ${dirname(pathOf(first))}`])
  })

  test('a deletion that cannot be made durable fails, and can be made again', async () => {
    const failing = new Map<string, string>()
    const store = await openFilesBlobStore(root, watchedFileSystem([], failing))
    const blobId = await writeBlob(store, Buffer.from('x'))
    failing.set('sync', 'EIO')
    await expect(store.deleteAll([blobId])).rejects.toMatchObject({ code: 'unavailable' })
    failing.clear()
    await store.deleteAll([blobId])
    expect(await store.size(blobId)).toBeUndefined()
  })

  test('ignores files that are no blobs', async () => {
    const store = await openFilesBlobStore(root)
    const blobId = await writeBlob(store, Buffer.from('x'))
    const session = blobId.slice(0, 16)
    await writeFile(join(root, 'lost+found'), '')
    await writeFile(join(root, session, 'note'), '')
    await writeFile(join(dirname(pathOf(blobId)), 'note'), '')
    const sessions: string[] = []
    for await (const each of store.sessions()) sessions.push(each)
    const blobs: unknown[] = []
    for await (const each of store.list(session)) blobs.push(each)
    expect(sessions).toEqual([session])
    expect(blobs).toEqual([{ blobId, sizeBytes: 1 }])
  })

  test('tells free and total bytes', async () => {
    const { freeBytes, totalBytes } = await (await openFilesBlobStore(root)).capacity()
    expect(totalBytes).toBeGreaterThan(freeBytes)
    expect(freeBytes).toBeGreaterThan(0)
  })

  test('a root that cannot be made is refused', async () => {
    const file = join(root, 'file')
    await writeFile(file, '')
    await chmod(file, 0o600)
    await expect(openFilesBlobStore(join(file, 'blobs'))).rejects.toMatchObject({ code: 'unavailable' })
  })
})

/** Open files of this process, apart from what the runtime opens for its own use while we count. */
async function openHandles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}
