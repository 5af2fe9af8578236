/**
 * The low-disk watermark: when it refuses, when it takes writes again, and how seldom it asks.
 *
 * @module
 */

import { expect, it } from 'vitest'
import { defaultMinFreeBytes, type Medium, SpaceWatch, type SpaceWatchOptions } from './space-watch.ts'

const mebibyte = 2 ** 20

/** A watch over one medium of 1,000 bytes that keeps 100 free. */
function watchOf(options: SpaceWatchOptions = {}) {
  const disk = { freeBytes: 1_000, asked: 0, nowMs: 0, fails: false }
  const medium: Medium = {
    name: 'objects',
    takesBodies: true,
    capacity: async () => {
      disk.asked += 1
      if (disk.fails) throw new Error('the medium does not answer')
      return { freeBytes: disk.freeBytes, totalBytes: 1_000 }
    },
  }
  const changes: string[] = []
  const watch = new SpaceWatch([medium], {
    minFreeBytes: () => 100,
    now: () => disk.nowMs,
    onChange: (name, isLow, freeBytes) => changes.push(`${name} ${isLow} ${freeBytes}`),
    ...options,
  })
  return { disk, watch, changes }
}

it('takes what leaves the reserve alone, and nothing more, with what is under way counted', async () => {
  const { disk, watch } = watchOf()
  await watch.measure()
  const release = watch.reserve(500)
  expect(release).toBeDefined()
  expect(watch.reserve(401)).toBeUndefined()
  expect(watch.reserve(400)).toBeDefined()
  expect(watch.reserve(1)).toBeUndefined()
  // Written: it is taken off until the medium has been asked again, and then the medium says it.
  release?.()
  release?.()
  expect(watch.reserve(1)).toBeUndefined()
  disk.freeBytes = 900
  await watch.measure()
  expect(watch.reserve(400)).toBeDefined()
  expect(watch.reserve(1)).toBeUndefined()
  expect(watch.figures.refused).toBe(4)
})

it('refuses everything below the reserve, says so once, and takes writes again when there is a tenth more', async () => {
  const { disk, watch, changes } = watchOf()
  disk.freeBytes = 99
  await watch.measure()
  await watch.measure()
  expect(watch.reserve(0)).toBeUndefined()
  disk.freeBytes = 109
  await watch.measure()
  expect(watch.reserve(0)).toBeUndefined()
  disk.freeBytes = 110
  await watch.measure()
  expect(watch.reserve(0)).toBeDefined()
  expect(changes).toEqual(['objects true 99', 'objects false 110'])
  expect(watch.figures.isLow).toBe(false)
})

it.each([950, 1_000])(
  'takes writes again on an empty medium after it was low, with %i of 1,000 bytes kept free',
  async (kept) => {
    const { disk, watch } = watchOf({ minFreeBytes: () => kept })
    disk.freeBytes = kept - 1
    await watch.measure()
    expect(watch.reserve(0)).toBeUndefined()
    disk.freeBytes = 1_000
    await watch.measure()
    expect(watch.reserve(0)).toBeDefined()
  },
)

it('does not count what was announced and never stored', async () => {
  const { watch } = watchOf()
  await watch.measure()
  for (let i = 0; i < 10; i += 1) watch.reserve(900)?.(false)
  expect(watch.reserve(900)).toBeDefined()
  expect(watch.figures.refused).toBe(0)
})

it('asks once in a while, only when somebody writes, and again after the clock jumped either way', async () => {
  const { disk, watch } = watchOf()
  const reserveAt = async (nowMs: number) => {
    disk.nowMs = nowMs
    for (let i = 0; i < 10; i += 1) watch.reserve(0)?.()
    await watch.measure()
    return disk.asked
  }
  await watch.measure()
  expect(disk.asked).toBe(1)
  const first = await reserveAt(1_000)
  expect(first).toBe(2)
  expect(await reserveAt(1_999)).toBe(3)
  expect(await reserveAt(-500_000)).toBe(4)
})

it('lets writes through when a medium cannot be asked or cannot tell', async () => {
  const errors: unknown[] = []
  const { disk, watch } = watchOf({ onError: (error) => errors.push(error) })
  disk.fails = true
  await watch.measure()
  expect(watch.reserve(10_000)).toBeDefined()
  expect(errors).toHaveLength(1)
  const mute = new SpaceWatch([{ name: 'objects', takesBodies: true, capacity: async () => undefined }])
  await mute.measure()
  expect(mute.reserve(10_000)).toBeDefined()
})

it('goes on with the last answer of a medium that gives none any more, and asks it nothing else until it does', async () => {
  const errors: string[] = []
  const answers: ((freeBytes: number) => void)[] = []
  const medium: Medium = {
    name: 'objects',
    takesBodies: true,
    capacity: () => new Promise((resolve) => answers.push((freeBytes) => resolve({ freeBytes, totalBytes: 1_000 }))),
  }
  const other: Medium = {
    name: 'metadata',
    takesBodies: false,
    capacity: async () => ({ freeBytes: 7, totalBytes: 7 }),
  }
  const onError = (error: unknown) => errors.push(String(error))
  const watch = new SpaceWatch([medium, other], { minFreeBytes: () => 0, timeoutMs: 1, onError })
  const first = watch.measure()
  answers[0]?.(500)
  await first
  for (let i = 0; i < 3; i += 1) await watch.measure()
  expect(answers).toHaveLength(2)
  expect(errors).toEqual([expect.stringContaining('objects')])
  expect([...watch.figures.freeBytes]).toEqual([
    ['objects', 500],
    ['metadata', 7],
  ])
  // What is written meanwhile is taken off the last answer.
  watch.reserve(400)?.()
  expect(watch.reserve(101)).toBeUndefined()
  answers[1]?.(900)
  await watch.measure()
  expect(await watch.freeBytesOf('objects')).toBe(900)
  const last = watch.measure()
  answers[2]?.(300)
  await last
  expect(watch.reserve(301)).toBeUndefined()
  expect(watch.reserve(300)).toBeDefined()
})

it('counts bodies only where bodies go', async () => {
  const capacity = async () => ({ freeBytes: 200, totalBytes: 1_000 })
  const watch = new SpaceWatch([{ name: 'metadata', takesBodies: false, capacity }], { minFreeBytes: () => 100 })
  await watch.measure()
  expect(watch.reserve(10_000)).toBeDefined()
})

it.each([
  [30 * mebibyte, 3 * mebibyte],
  [1_000 * mebibyte, 64 * mebibyte],
  [20_000 * mebibyte, 200 * mebibyte],
  [2_000_000 * mebibyte, 1_024 * mebibyte],
])('by default keeps of a medium of %i bytes %i free', (totalBytes, minFreeBytes) => {
  expect(defaultMinFreeBytes(totalBytes)).toBe(minFreeBytes)
})
