/**
 * What readers of blobs have in memory, and that it comes back (ADR 22).
 *
 * @module
 */

import { DareOpener, planRange, sealBytes, sealedPackageSizeBytes } from '@strongroom/crypto'
import type { BlobReader } from '@strongroom/storage'
import { describe, expect, it } from 'vitest'
import { BlobExtent } from './blob-extent.ts'
import { pattern } from './engine.fixture.ts'
import { ReadMemory } from './read-memory.ts'

const key = Buffer.alloc(32, 1)
const nonce = Buffer.alloc(12, 2)
const content = pattern(40 * 65_536 + 1_000)
const sealed = sealBytes(key, nonce, content)
const sealedBatch = 8 * sealedPackageSizeBytes

/** A blob in memory that counts what is read of it. */
class CountedBlob implements BlobReader {
  bytesRead = 0
  isOpen = true
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array = sealed) {
    this.#bytes = bytes
  }

  async read(buffer: Uint8Array, position: number): Promise<void> {
    this.bytesRead += buffer.length
    buffer.set(this.#bytes.subarray(position, position + buffer.length))
  }

  async close(): Promise<void> {
    this.isOpen = false
  }
}

function extentOf(blob: BlobReader, memory: ReadMemory, offset = 0, length = content.length - offset): BlobExtent {
  const range = planRange(content.length, offset, length)
  const opener = new DareOpener(key, { nonce, plaintextSizeBytes: content.length, range })
  return new BlobExtent(blob, { ...range, opener }, memory)
}

async function readAll(extent: BlobExtent): Promise<Buffer> {
  const all: Uint8Array[] = []
  for (let pieces = await extent.next(); pieces; pieces = await extent.next()) all.push(...pieces)
  await extent.close()
  return Buffer.concat(all)
}

describe('a range of a blob', () => {
  it.each([0, 1, 65_536, 500_000, 40 * 65_536])('from %i on is that range, with room and without', async (offset) => {
    for (const room of [0, sealedPackageSizeBytes, 10 * sealedPackageSizeBytes, 2 ** 30]) {
      const memory = new ReadMemory(room)
      const blob = new CountedBlob()
      const read = await readAll(extentOf(blob, memory, offset))
      expect(read.equals(content.subarray(offset))).toBe(true)
      expect([memory.heldBytes, blob.isOpen]).toEqual([0, false])
    }
  })

  it('many at once share few buffers', async () => {
    const memory = new ReadMemory()
    const wholes = await Promise.all(Array.from({ length: 50 }, () => readAll(extentOf(new CountedBlob(), memory))))
    expect(wholes.every((whole) => whole.equals(content))).toBe(true)
    expect(memory.heldBytes).toBe(0)
  })

  it('gives out what is authentic before what is not, and then the failure; nothing stays held', async () => {
    const damaged = Buffer.from(sealed)
    damaged[3 * sealedPackageSizeBytes + 100] = 1 + (damaged[3 * sealedPackageSizeBytes + 100] ?? 0)
    const memory = new ReadMemory()
    const extent = extentOf(new CountedBlob(damaged), memory)
    expect(await extent.next()).toHaveLength(3)
    await expect(extent.next()).rejects.toMatchObject({ code: 'not-authentic' })
    await extent.close()
    expect(memory.heldBytes).toBe(0)
  })

  it('a read that fails is told where it is due, and nothing stays held', async () => {
    const blob = new CountedBlob()
    const memory = new ReadMemory()
    const extent = extentOf(blob, memory)
    const read = blob.read.bind(blob)
    blob.read = async (buffer, position) => {
      if (position > 0) throw new Error('no medium')
      await read(buffer, position)
    }
    expect(await extent.next()).toHaveLength(8)
    await expect(extent.next()).rejects.toThrow('no medium')
    await extent.close()
    expect(memory.heldBytes).toBe(0)
  })
})

describe('readers that stand still', () => {
  it('have two batches each while there is room, and one package each beyond it', async () => {
    const memory = new ReadMemory(6 * sealedBatch)
    const blobs = Array.from({ length: 100 }, () => new CountedBlob())
    const extents = blobs.map((blob) => extentOf(blob, memory))
    for (const extent of extents) await extent.next()
    const read = blobs.map(({ bytesRead }) => bytesRead / sealedPackageSizeBytes)
    expect(read.slice(0, 3)).toEqual([16, 16, 16])
    expect(new Set(read.slice(3))).toEqual(new Set([1]))
    expect(memory.heldBytes).toBe((3 * 16 + 97) * sealedPackageSizeBytes)
    await Promise.all(extents.map((extent) => extent.close()))
    expect(memory.heldBytes).toBe(0)
    expect(blobs.some(({ isOpen }) => isOpen)).toBe(false)
  })

  it('leave room to others as they go on or away', async () => {
    const memory = new ReadMemory(sealedBatch)
    const [still, blob] = [extentOf(new CountedBlob(), memory), new CountedBlob()]
    const other = extentOf(blob, memory)
    await still.next()
    await other.next()
    expect(blob.bytesRead).toBe(sealedPackageSizeBytes)
    await still.close()
    await other.next()
    expect(blob.bytesRead).toBe(sealedPackageSizeBytes + sealedBatch)
    await other.close()
  })
})
