/**
 * The contract of `BlobStore`, as tests that every adapter runs.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeBlobId } from './blob-id.ts'
import type { BlobId, BlobStore } from './contract.ts'

/** One place where a store lives. */
export interface BlobStoreHarness {
  open(): Promise<BlobStore>
  dispose(): Promise<void>
}

/** A new id, of a new session unless one is given. */
export function newBlobId(sessionId: string = randomBytes(8).toString('hex')): BlobId {
  return makeBlobId(sessionId, randomBytes(16))
}

/** Writes, syncs, and returns the id. */
export async function writeBlob(store: BlobStore, content: Uint8Array, blobId: BlobId = newBlobId()): Promise<BlobId> {
  const writer = await store.create(blobId)
  await writer.write([content])
  await writer.sync()
  return blobId
}

/** Reads a range, keeping every chunk until the end, so that a buffer used twice would show. */
export async function readBlob(store: BlobStore, blobId: BlobId, offset: number, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read(blobId, offset, length)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Registers the suite under the adapter's name. */
export function blobStoreSuite(name: string, createHarness: () => Promise<BlobStoreHarness>): void {
  describe(`${name}: the blob store contract`, () => {
    let harness: BlobStoreHarness
    let store: BlobStore
    beforeAll(async () => {
      harness = await createHarness()
      store = await harness.open()
    })
    afterAll(async () => {
      await store.close()
      await harness.dispose()
    })
    const current = (): BlobStore => store
    readWriteTests(current)
    refusalTests(current)
    listTests(current)
  })
}

function readWriteTests(store: () => BlobStore): void {
  const mib = 1024 * 1024
  test.each([0, 1, 65_535, mib / 2, mib / 2 + 1, 3 * mib + 17])(
    'gives back a blob of %i bytes exactly',
    async (size) => {
      const content = randomBytes(size)
      const blobId = await writeBlob(store(), content)
      expect(await store().size(blobId)).toBe(size)
      expect((await readBlob(store(), blobId, 0, size)).equals(content)).toBe(true)
    },
  )

  test('joins what was written in many pieces, empty ones too, and lets the caller reuse them', async () => {
    const blobId = newBlobId()
    const writer = await store().create(blobId)
    const piece = Buffer.alloc(3)
    const expected: number[] = []
    for (let i = 0; i < 50; i++) {
      piece.fill(i)
      await writer.write([piece, new Uint8Array(0), piece.subarray(0, 1)])
      expected.push(i, i, i, i)
    }
    await writer.write([])
    const many = Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i % 256))
    await writer.write(many)
    await writer.sync()
    const content = Buffer.from([...expected, ...many.map((chunk) => chunk[0] ?? 0)])
    expect((await readBlob(store(), blobId, 0, content.length)).equals(content)).toBe(true)
  })

  test('any range is that range', async () => {
    const content = randomBytes(1_200_000)
    const blobId = await writeBlob(store(), content)
    const position = fc.oneof(fc.nat(content.length), fc.constantFrom(0, 524_288, 524_287, 1_048_576, content.length))
    await fc.assert(
      fc.asyncProperty(position, position, async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a]
        const range = await readBlob(store(), blobId, start, end - start)
        expect(range.equals(content.subarray(start, end))).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('an open blob fills a buffer from any place, as often as it is asked', async () => {
    const content = randomBytes(700_000)
    const reader = await store().open(await writeBlob(store(), content), content.length)
    const buffer = Buffer.alloc(300_000)
    for (const position of [400_000, 0, 1, 399_999]) {
      await reader.read(buffer, position)
      expect(buffer.equals(content.subarray(position, position + 300_000))).toBe(true)
    }
    await expect(reader.read(buffer, 400_001)).rejects.toMatchObject({ code: 'truncated' })
    await reader.close()
  })

  test('many readers and writers at once do not disturb each other', async () => {
    const contents = Array.from({ length: 12 }, () => randomBytes(700_000))
    const ids = await Promise.all(contents.map((content) => writeBlob(store(), content)))
    const read = await Promise.all([...ids, ...ids].map((blobId) => readBlob(store(), blobId, 0, 700_000)))
    expect(read.every((content, i) => contents[i % 12]?.equals(content))).toBe(true)
  })

  test('a reader may stop early', async () => {
    const blobId = await writeBlob(store(), randomBytes(2_000_000))
    for await (const chunk of store().read(blobId, 0, 2_000_000)) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    expect((await readBlob(store(), blobId, 0, 2_000_000)).length).toBe(2_000_000)
  })
}

function refusalTests(store: () => BlobStore): void {
  test('refuses a second blob of the same id and keeps the first', async () => {
    const blobId = await writeBlob(store(), Buffer.from('first'))
    await expect(store().create(blobId)).rejects.toMatchObject({ code: 'exists' })
    expect((await readBlob(store(), blobId, 0, 5)).toString()).toBe('first')
  })

  test('says not-found before the first byte, for an empty range too', async () => {
    for (const length of [0, 1]) {
      await expect(collect(store().read(newBlobId(), 0, length))).rejects.toMatchObject({ code: 'not-found' })
    }
    expect(await store().size(newBlobId())).toBeUndefined()
    expect(await store().delete(newBlobId())).toBe(false)
  })

  test('says truncated, before the first byte, where a range ends behind the blob', async () => {
    const blobId = await writeBlob(store(), randomBytes(1_000_000))
    for (const [offset, length] of [
      [0, 1_000_001],
      [1_000_000, 1],
      [2_000_000, 0],
    ] as const) {
      const chunks: Uint8Array[] = []
      const read = async () => {
        for await (const chunk of store().read(blobId, offset, length)) chunks.push(chunk)
      }
      await expect(read()).rejects.toMatchObject({ code: 'truncated' })
      expect(chunks).toEqual([])
    }
    expect((await readBlob(store(), blobId, 1_000_000, 0)).length).toBe(0)
  })

  test('refuses ranges and ids that are none', async () => {
    const invalid = { code: 'invalid' }
    const blobId = await writeBlob(store(), Buffer.from('x'))
    for (const [offset, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [2 ** 53 - 1, 1],
    ] as const) {
      await expect(collect(store().read(blobId, offset, length))).rejects.toMatchObject(invalid)
    }
    for (const bad of [
      '',
      '../../etc/passwd',
      blobId.toUpperCase(),
      blobId.slice(1),
      `${blobId}0`,
      `${blobId.slice(0, 45)}/..`,
    ]) {
      await expect(store().create(bad)).rejects.toMatchObject(invalid)
      await expect(collect(store().read(bad, 0, 0))).rejects.toMatchObject(invalid)
      await expect(store().open(bad, 0)).rejects.toMatchObject(invalid)
      await expect(store().size(bad)).rejects.toMatchObject(invalid)
      await expect(store().delete(bad)).rejects.toMatchObject(invalid)
      await expect(collect(store().list(bad))).rejects.toMatchObject(invalid)
    }
  })

  test('an aborted blob is gone, however often it is aborted, and its id is free', async () => {
    const blobId = newBlobId()
    const writer = await store().create(blobId)
    await writer.write([Buffer.from('half')])
    await writer.abort()
    await writer.abort()
    expect(await store().size(blobId)).toBeUndefined()
    await expect(writer.write([Buffer.from('more')])).rejects.toMatchObject({ code: 'invalid' })
    await expect(writer.sync()).rejects.toMatchObject({ code: 'invalid' })
    await writeBlob(store(), Buffer.from('again'), blobId)
    expect((await readBlob(store(), blobId, 0, 5)).toString()).toBe('again')
  })

  test('a blob can be aborted after it was synced', async () => {
    const blobId = newBlobId()
    const writer = await store().create(blobId)
    await writer.write([Buffer.from('whole')])
    await writer.sync()
    await writer.abort()
    expect(await store().size(blobId)).toBeUndefined()
  })

  test('a deleted blob is gone', async () => {
    const blobId = await writeBlob(store(), Buffer.from('x'))
    expect(await store().delete(blobId)).toBe(true)
    expect(await store().delete(blobId)).toBe(false)
    await expect(collect(store().read(blobId, 0, 1))).rejects.toMatchObject({ code: 'not-found' })
  })
}

function listTests(store: () => BlobStore): void {
  test('lists the blobs of one session, unfinished ones too, and no others', async () => {
    const session = randomBytes(8).toString('hex')
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, i) => writeBlob(store(), Buffer.alloc(i), newBlobId(session))),
    )
    const unfinished = newBlobId(session)
    const writer = await store().create(unfinished)
    await writer.write([Buffer.alloc(7)])
    await writeBlob(store(), Buffer.alloc(1))
    const listed = await collect(store().list(session))
    const sizes = new Map(listed.map(({ blobId, sizeBytes }) => [blobId, sizeBytes]))
    expect(listed.length).toBe(21)
    expect(ids.map((blobId) => sizes.get(blobId))).toEqual(ids.map((_, i) => i))
    expect(sizes.has(unfinished)).toBe(true)
    await writer.abort()
  })

  test('names the sessions that have blobs; a session without any lists nothing', async () => {
    const session = randomBytes(8).toString('hex')
    expect(await collect(store().list(session))).toEqual([])
    await writeBlob(store(), Buffer.from('x'), newBlobId(session))
    expect(await collect(store().sessions())).toContain(session)
  })

  test('several blobs are deleted at once, and missing ones do not matter', async () => {
    const blobIds = [
      await writeBlob(store(), Buffer.from('a')),
      newBlobId(),
      await writeBlob(store(), Buffer.from('b')),
    ]
    const kept = await writeBlob(store(), Buffer.from('c'))
    await store().deleteAll(blobIds)
    await store().deleteAll([])
    for (const blobId of blobIds) expect(await store().size(blobId)).toBeUndefined()
    expect(await store().size(kept)).toBe(1)
  })

  test('a listing may delete what it is given', async () => {
    const session = randomBytes(8).toString('hex')
    for (let i = 0; i < 10; i++) await writeBlob(store(), Buffer.from('x'), newBlobId(session))
    let deleted = 0
    for await (const { blobId } of store().list(session)) {
      if (await store().delete(blobId)) deleted++
    }
    expect(deleted).toBe(10)
    expect(await collect(store().list(session))).toEqual([])
  })
}
