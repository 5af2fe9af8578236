import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blobStoreSuite, newBlobId, readBlob, writeBlob } from '../blob-store.suite.ts'
import { AlignedBuffers } from './aligned-buffers.ts'
import { type BlobFileSystem, nodeFileSystem } from './file-system.ts'
import { openFilesBlobStore } from './files-blob-store.ts'

const always = { directBytes: 0 }

function makeRoot(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'strongroom-direct-'))
}

blobStoreSuite('files written past the page cache', async () => {
  const root = await makeRoot()
  return {
    open: () => openFilesBlobStore(root, nodeFileSystem, always),
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})

/** What stands in for the writes of a handle; `real` writes. */
type Write = (real: (length: number) => Promise<{ bytesWritten: number }>, length: number) => Promise<object>

function fileSystemWith(write: Write, calls: { direct: number; cached: number }): BlobFileSystem {
  const open: BlobFileSystem['open'] = async (path, flags, mode) => {
    const handle = await nodeFileSystem.open(path, flags, mode)
    if (typeof flags === 'string') {
      if (flags !== 'r') calls.cached += 1
      return handle
    }
    const real = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>
    const replaced = (buffer: Buffer, from: number, length: number, position: number) => {
      calls.direct += 1
      return write((some) => real(buffer, from, some, position), length)
    }
    Object.defineProperty(handle, 'write', { value: replaced })
    return handle
  }
  return { ...nodeFileSystem, open }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

describe('blobs written past the page cache', () => {
  let root: string
  beforeEach(async () => {
    root = await makeRoot()
  })
  afterEach(async () => {
    await rm(root, { recursive: true, force: true })
  })

  const content = randomBytes(2 * 1024 * 1024 + 4095)

  test.each<[string, Write]>([
    ['refuses a write', () => Promise.reject(systemError('EINVAL'))],
    [
      'takes a part that is not aligned',
      (real, length) => (length > 4096 ? real(4096).then(() => ({ bytesWritten: 5 })) : real(length)),
    ],
  ])('are whole where the file system %s', async (_, write) => {
    const calls = { direct: 0, cached: 0 }
    const store = await openFilesBlobStore(root, fileSystemWith(write, calls), always)
    const blobId = await writeBlob(store, content)
    expect((await readBlob(store, blobId, 0, content.length)).equals(content)).toBe(true)
    expect(calls.cached).toBe(1)
  })

  test('are written through it where the file system has no direct writes, and only the first one asks', async () => {
    let asked = 0
    const open: BlobFileSystem['open'] = async (path, flags, mode) => {
      if (typeof flags !== 'number') return await nodeFileSystem.open(path, flags, mode)
      asked += 1
      await (await nodeFileSystem.open(path, 'wx', mode)).close()
      throw systemError('EINVAL')
    }
    const store = await openFilesBlobStore(root, { ...nodeFileSystem, open }, always)
    for (let i = 0; i < 2; i += 1) {
      const blobId = await writeBlob(store, content)
      expect((await readBlob(store, blobId, 0, content.length)).equals(content)).toBe(true)
    }
    expect(asked).toBe(1)
  })

  test('are not made durable after a write behind has failed', async () => {
    const calls = { direct: 0, cached: 0 }
    const full: Write = () => Promise.reject(systemError('ENOSPC'))
    const store = await openFilesBlobStore(root, fileSystemWith(full, calls), always)
    const blobId = newBlobId()
    const writer = await store.create(blobId, content.length)
    await writer.write([content.subarray(0, 100_000)])
    await expect(writer.sync()).rejects.toMatchObject({ code: 'full' })
    await writer.abort()
    expect(await store.size(blobId)).toBeUndefined()
  })

  test('are not made durable after one of several writes has failed', async () => {
    const calls = { direct: 0, cached: 0 }
    const first: Write = (real, length) =>
      calls.direct === 1 ? Promise.reject(systemError('ENOSPC')) : real(length).then(() => ({ bytesWritten: length }))
    const store = await openFilesBlobStore(root, fileSystemWith(first, calls), always)
    const writer = await store.create(newBlobId(), content.length)
    const writes = [content, content, content].map((chunk) => writer.write([chunk]))
    await Promise.allSettled(writes)
    await expect(writer.sync()).rejects.toMatchObject({ code: 'full' })
    await writer.abort()
  })

  test('are taken at once by who is ready, and of who is not while the medium works', async () => {
    let release = (): void => undefined
    const standing = new Promise<void>((resolve) => {
      release = resolve
    })
    const calls = { direct: 0, cached: 0 }
    const slow: Write = (real, length) => standing.then(() => real(length))
    const store = await openFilesBlobStore(root, fileSystemWith(slow, calls), always)
    const blobId = newBlobId()
    const writer = await store.create(blobId, content.length)
    const chunk = Buffer.from(content.subarray(0, 600_000))
    let isReady = false
    for (let i = 0; i < 2; i += 1) {
      await writer.ready?.()
      await writer.write([chunk])
    }
    const ready = writer.ready?.().then(() => {
      isReady = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect([isReady, calls.direct]).toEqual([false, 1])
    release()
    await ready
    await writer.sync()
    expect((await readBlob(store, blobId, 0, 1_200_000)).equals(Buffer.concat([chunk, chunk]))).toBe(true)
  })

  test('of those who send slowly keep no buffers from others', async () => {
    const store = await openFilesBlobStore(root, nodeFileSystem, always)
    const slow = await Promise.all(Array.from({ length: 60 }, () => store.create(newBlobId(), content.length)))
    for (const writer of slow) {
      await writer.ready?.()
      await writer.write([content.subarray(0, 5_000)])
    }
    const blobId = await writeBlob(store, content)
    expect((await readBlob(store, blobId, 0, content.length)).equals(content)).toBe(true)
    for (const writer of slow) {
      await writer.write([content.subarray(5_000, 10_001)])
      await writer.sync()
    }
    for await (const { blobId: id, sizeBytes } of store.list(blobId.slice(0, 16))) {
      expect(sizeBytes).toBe(id === blobId ? content.length : 10_001)
      if (id !== blobId) expect((await readBlob(store, id, 0, 10_001)).equals(content.subarray(0, 10_001))).toBe(true)
    }
  })

  test('are only those that were announced as large', async () => {
    const calls = { direct: 0, cached: 0 }
    const store = await openFilesBlobStore(
      root,
      fileSystemWith((real, length) => real(length), calls),
    )
    const sizes = [undefined, 100_000, 4 * 1024 * 1024]
    for (const size of sizes) {
      const writer = await store.create(newBlobId(), size)
      await writer.write([content])
      await writer.sync()
    }
    expect(calls.cached).toBe(2)
    expect(calls.direct).toBeGreaterThan(0)
  })

  test('share a bounded number of buffers', async () => {
    const buffers = new AlignedBuffers(2, 8192)
    const [first, second] = [await buffers.take(), await buffers.take()]
    expect([first.length, second.length, first.byteOffset % 4096]).toEqual([8192, 8192, 0])
    let third: Buffer | undefined
    const waiting = buffers.take().then((buffer) => {
      third = buffer
    })
    await Promise.resolve()
    expect(third).toBeUndefined()
    buffers.give(second)
    await waiting
    expect(third).toBe(second)
  })
})
