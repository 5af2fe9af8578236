/**
 * Room for bodies: what is only announced takes none.
 *
 * @module
 */

import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { createTestEngine, type TestEngine } from './engine.fixture.ts'
import type { WriteSpace } from './write-space.ts'

const mebibyte = 2 ** 20
const gibibyte = 2 ** 30

/** A disk that counts what is set aside and what is stored. */
class Disk implements WriteSpace {
  freeBytes = 6 * gibibyte
  reservedBytes = 0
  mostReservedBytes = 0

  reserve(sizeBytes: number) {
    if (this.reservedBytes + sizeBytes > this.freeBytes) return undefined
    this.reservedBytes += sizeBytes
    const { reservedBytes } = this
    return (isStored = true) => {
      this.reservedBytes -= sizeBytes
      if (!isStored) return
      this.freeBytes -= sizeBytes
      this.mostReservedBytes = Math.max(this.mostReservedBytes, reservedBytes)
    }
  }
}

let disk: Disk
let test: TestEngine
let bucket: Bucket

beforeEach(async () => {
  disk = new Disk()
  test = await createTestEngine({ space: disk })
  bucket = await test.bucket('bucket')
})
afterEach(() => test.close())

it('is not taken by large bodies that are announced and hardly come', async () => {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let begun = 0
  async function* trickle() {
    yield Buffer.alloc(1_000)
    begun += 1
    await ended
  }
  const announced = Array.from({ length: 14 }, (_, i) =>
    test.put(bucket, `announced-${i}`, '', { body: { sizeBytes: 5 * gibibyte, content: trickle() } }),
  )
  const outcomes = Promise.allSettled(announced)
  await expect.poll(() => begun).toBe(14)
  expect(disk.reservedBytes).toBe(0)
  await test.put(bucket, 'small', 'small')
  await test.put(bucket, 'large', Buffer.alloc(3 * mebibyte))
  end()
  for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'IncompleteBody' } })
})

it('is asked for as a whole at the beginning, before any of the body is read', async () => {
  let isRead = false
  async function* content() {
    isRead = true
    yield Buffer.alloc(1)
  }
  const body = { sizeBytes: 7 * gibibyte, content: content() }
  await expect(test.put(bucket, 'x', '', { body })).rejects.toMatchObject({ code: 'XMinioStorageFull' })
  expect(isRead).toBe(false)
})

it('is counted once for what is written, and set aside for little more than that', async () => {
  const before = disk.freeBytes
  await test.put(bucket, 'x', Buffer.alloc(10 * mebibyte))
  const spent = before - disk.freeBytes
  expect(spent).toBeGreaterThan(10 * mebibyte)
  expect(spent).toBeLessThan(10.1 * mebibyte)
  expect(disk.reservedBytes).toBe(0)
  expect(disk.mostReservedBytes).toBeLessThan(64 * mebibyte)
})

it('ends a body for which there was some at its beginning and is none any more, of which nothing stays', async () => {
  async function* content() {
    for (let i = 0; i < 4; i += 1) {
      if (i === 2) disk.freeBytes = mebibyte / 2
      yield Buffer.alloc(2 * mebibyte)
    }
  }
  const body = { sizeBytes: 8 * mebibyte, content: content() }
  await expect(test.put(bucket, 'x', '', { body })).rejects.toMatchObject({ code: 'XMinioStorageFull' })
  expect(disk.reservedBytes).toBe(0)
  const left: string[] = []
  for await (const { blobId } of test.blobs.list(test.engine.sessionId)) left.push(blobId)
  expect(left).toEqual([])
  await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'NoSuchKey' })
})
