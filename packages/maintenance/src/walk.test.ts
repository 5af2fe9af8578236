import { MemoryMetadataStore } from '@strongroom/storage'
import { describe, expect, it } from 'vitest'
import { TaskPool } from './task-pool.ts'
import { entriesOf, freshPagesOf, keyAfter, pagesOf } from './walk.ts'

const everything = { gte: Buffer.of(0), lt: Buffer.of(0xff) }

async function filled(count: number): Promise<MemoryMetadataStore> {
  const store = new MemoryMetadataStore()
  for (let i = 0; i < count; i += 1) await store.commit({ puts: [{ key: Buffer.of(1, i), value: Buffer.of(i) }] })
  return store
}

describe('a walk', () => {
  it.each([0, 1, 4, 5, 8, 9])('goes over all of %i entries, page by page', async (count) => {
    const store = await filled(count)
    const snapshot = store.snapshot()
    const sizes: number[] = []
    const seen: number[] = []
    for await (const page of pagesOf(snapshot, everything, 4)) {
      sizes.push(page.length)
      seen.push(...page.map(({ value }) => value[0] ?? -1))
    }
    snapshot.release()
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(4)
  })

  it('sees one state however long it takes, or a new one with each page', async () => {
    const store = await filled(8)
    const snapshot = store.snapshot()
    const change = () =>
      store.commit({ deletes: [Buffer.of(1, 6)], puts: [{ key: Buffer.of(1, 200), value: Buffer.of(200) }] })
    const fresh: number[] = []
    for await (const page of freshPagesOf(store, everything, 4)) {
      fresh.push(...page.map(({ value }) => value[0] ?? -1))
      await change()
    }
    const old: number[] = []
    for await (const { value } of entriesOf(snapshot, everything)) old.push(value[0] ?? -1)
    snapshot.release()
    expect(fresh).toEqual([0, 1, 2, 3, 4, 5, 7, 200])
    expect(old).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('lets others run between pages', async () => {
    const store = await filled(20)
    const snapshot = store.snapshot()
    let turns = 0
    let isWalking = true
    const count = () => {
      turns += 1
      if (isWalking) setImmediate(count)
    }
    setImmediate(count)
    for await (const _ of pagesOf(snapshot, everything, 2)) {
      // Going over them is all.
    }
    isWalking = false
    snapshot.release()
    expect(turns).toBeGreaterThanOrEqual(9)
  })

  it('knows the smallest key after a key', () => {
    expect(Buffer.from(keyAfter(Buffer.of(1, 255)))).toEqual(Buffer.of(1, 255, 0))
  })
})

describe('a task pool', () => {
  it('runs no more at once than it may, and all in the end', async () => {
    const pool = new TaskPool(3)
    let running = 0
    let most = 0
    let done = 0
    for (let i = 0; i < 20; i += 1) {
      await pool.add(async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
        done += 1
      })
    }
    await pool.drain()
    expect([most, done]).toEqual([3, 20])
  })

  it('tells of a failure once, at the next call', async () => {
    const pool = new TaskPool(1)
    await pool.add(() => Promise.reject(new Error('broken')))
    await expect(pool.drain()).rejects.toThrow('broken')
    await pool.drain()
    await pool.add(() => Promise.reject(new Error('again')))
    await pool.settle()
    await expect(pool.add(async () => {})).rejects.toThrow('again')
  })
})
