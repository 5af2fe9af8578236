/**
 * LMDB: the contract, and what only this engine can get wrong.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StorageError } from '../../storage-error.ts'
import { maxCommitOperations } from '../contract.ts'
import { metadataStoreSuite } from '../metadata-store.suite.ts'
import type { LmdbEnvironment } from './lmdb-environment.ts'
import { LmdbMetadataStore, openLmdbMetadataStore } from './lmdb-metadata-store.ts'

function onFatal(error: StorageError): never {
  throw error
}

async function makeDirectory(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'strongroom-lmdb-'))
}

metadataStoreSuite('LMDB', async () => {
  const directory = await makeDirectory()
  return {
    open: () => openLmdbMetadataStore(directory, { onFatal }),
    dispose: () => rm(directory, { recursive: true, force: true }),
    isDurable: true,
  }
})

const put = (key: string, value: string | Uint8Array) => ({ key: Buffer.from(key), value: Buffer.from(value) })

describe('the LMDB engine', () => {
  let directory: string
  let store: LmdbMetadataStore | undefined
  beforeEach(async () => {
    directory = await makeDirectory()
  })
  afterEach(async () => {
    await store?.close()
    store = undefined
    await rm(directory, { recursive: true, force: true })
  })
  const open = async (options: { maxQueuedCommits?: number; gatherMs?: number } = {}) => {
    store = await openLmdbMetadataStore(join(directory, 'metadata'), { onFatal, ...options })
    return store
  }

  test('commits made at once share a transaction, and those made meanwhile share the next', async () => {
    const opened = await open()
    await Promise.all(Array.from({ length: 300 }, (_, i) => opened.commit({ puts: [put(`first/${i}`, 'x')] })))
    expect(opened.stats()).toMatchObject({ commits: 300, failedChecks: 0, batches: 1 })
    await Promise.all(Array.from({ length: 1300 }, (_, i) => opened.commit({ puts: [put(`second/${i}`, 'x')] })))
    expect(opened.stats()).toMatchObject({ commits: 1600, batches: 4 })
    const writers = Array.from({ length: 30 }, async (_, writer) => {
      for (let i = 0; i < 10; i++) await opened.commit({ puts: [put(`${writer}/${i}`, 'x')] })
    })
    await Promise.all(writers)
    expect(opened.stats().batches).toBeLessThan(4 + 30)
  })

  test('commits that keep coming, turn by turn of the event loop, share a transaction, for a bounded time', async () => {
    const commitInTurns = async (opened: LmdbMetadataStore, hasEnough: (commits: number) => boolean): Promise<void> => {
      const pending = []
      while (!hasEnough(pending.length)) {
        // Asked for first: the store looks after the commit of its turn was made.
        const turn = nextTurn()
        pending.push(opened.commit({ puts: [put(`turn/${pending.length}`, 'x')] }))
        await turn
      }
      await Promise.all(pending)
    }
    const patient = await open({ gatherMs: 60_000 })
    await commitInTurns(patient, (commits) => commits === 20)
    expect(patient.stats()).toMatchObject({ commits: 20, batches: 1 })
    await patient.close()
    const hasty = await open({ gatherMs: 0, maxQueuedCommits: 1_000_000 })
    await commitInTurns(hasty, () => hasty.stats().batches > 0)
  })

  test('more commits than the queue takes are refused as unavailable, and the others go through', async () => {
    const opened = await open({ maxQueuedCommits: 10 })
    const results = await Promise.allSettled(
      Array.from({ length: 15 }, (_, i) => opened.commit({ puts: [put(`q/${i}`, 'x')] })),
    )
    expect(results.map((result) => result.status)).toEqual([
      ...Array(10).fill('fulfilled'),
      ...Array(5).fill('rejected'),
    ])
    expect(results.at(-1)).toMatchObject({ reason: { code: 'unavailable' } })
    expect(opened.stats().queuedCommits).toBe(0)
  })

  test('a page of a listing does not read what lies beyond it, among a million keys under one prefix', async () => {
    const opened = await open()
    const total = 1_000_000
    const pending: Promise<unknown>[] = []
    for (let at = 0; at < total; at += maxCommitOperations) {
      const puts = Array.from({ length: maxCommitOperations }, (_, i) =>
        put(`o/dir/${String(at + i).padStart(7, '0')}`, 'x'),
      )
      pending.push(opened.commit({ puts }))
      if (pending.length % 512 === 0) await Promise.all(pending.splice(0))
    }
    await Promise.all(pending)
    await opened.commit({ puts: [put('o/a', 'x'), put('o/dir0', 'x'), put('o/z/1', 'x'), put('o/z/2', 'x')] })
    const before = opened.stats()
    const snapshot = opened.snapshot()
    const options = { prefix: Buffer.from('o/'), delimiter: Buffer.from('/'), limit: 1000 }
    const items = await snapshot.listPrefixes(options)
    expect(items.map((item) => Buffer.from(item.kind === 'entry' ? item.entry.key : item.prefix).toString())).toEqual([
      'o/a',
      'o/dir/',
      'o/dir0',
      'o/z/',
    ])
    const afterPrefixes = opened.stats()
    expect(afterPrefixes.entriesListed - before.entriesListed).toBeLessThanOrEqual(4)
    expect(afterPrefixes.seeks - before.seeks).toBeLessThanOrEqual(3)
    const after = Buffer.from('o/dir/0500000')
    expect((await snapshot.listPrefixes({ ...options, after })).length).toBe(2)
    const page = await snapshot.list({ gte: Buffer.from('o/dir/'), lt: Buffer.from('o/dir0'), limit: 1000 })
    expect(page.length).toBe(1000)
    const last = await snapshot.list({ gte: Buffer.from('o/dir/'), lt: Buffer.from('o/dir0'), limit: 1, reverse: true })
    expect(Buffer.from(last[0]?.key ?? '').toString()).toBe('o/dir/0999999')
    expect(opened.stats().entriesListed - afterPrefixes.entriesListed).toBeLessThanOrEqual(1010)
    snapshot.release()
  }, 180_000)

  test('a snapshot left open is ended by close, and released ones are counted off', async () => {
    const opened = await open()
    const snapshots = [opened.snapshot(), opened.snapshot(), opened.snapshot()]
    snapshots[0]?.release()
    snapshots[0]?.release()
    expect(opened.stats().openSnapshots).toBe(2)
    await opened.close()
    expect(opened.stats().openSnapshots).toBe(0)
  })

  test('hundreds of snapshots of different states live side by side', async () => {
    const opened = await open()
    const snapshots = []
    for (let i = 0; i < 300; i++) {
      await opened.commit({ puts: [put('state', String(i))] })
      snapshots.push(opened.snapshot())
    }
    const values = await Promise.all(snapshots.map((snapshot) => snapshot.get(Buffer.from('state'))))
    expect(values.map((entry) => Number(Buffer.from(entry?.value ?? '').toString()))).toEqual(
      snapshots.map((_, i) => i),
    )
    for (const snapshot of snapshots) snapshot.release()
  })

  test('its files are readable by nobody else, and the lock file has all of its blocks', async () => {
    await open()
    for (const name of ['data.mdb', 'lock.mdb']) {
      const { mode, size, blocks } = await stat(join(directory, 'metadata', name))
      expect(mode & 0o777).toBe(0o600)
      expect(blocks * 512).toBeGreaterThanOrEqual(size)
    }
    expect((await stat(join(directory, 'metadata'))).mode & 0o777).toBe(0o700)
  })

  test('files that are no store are refused as corrupt, and left alone', async () => {
    const opened = await open()
    await opened.commit({ puts: [put('a', 'x')] })
    await opened.close()
    const file = join(directory, 'metadata', 'data.mdb')
    const whole = await readFile(file)
    const otherVersion = Buffer.from(whole)
    otherVersion[28] = 1
    const noSecondMeta = Buffer.from(whole)
    noSecondMeta.fill(0, 16_384, 2 * 16_384)
    const damaged = [
      Buffer.alloc(65_536, 'no store '),
      whole.subarray(0, 100),
      whole.subarray(0, 16_384),
      otherVersion,
      noSecondMeta,
    ]
    for (const content of damaged) {
      await writeFile(file, content)
      await expect(open()).rejects.toMatchObject({ code: 'corrupt' })
      expect((await readFile(file)).equals(content)).toBe(true)
    }
    await writeFile(file, whole)
    const snapshot = (await open()).snapshot()
    expect(await snapshot.get(Buffer.from('a'))).toBeDefined()
    snapshot.release()
  })

  test('a file that was cut is refused where something in use is missing, and read where it was not', async () => {
    const opened = await open()
    const value = (index: number) => Buffer.alloc(index % 5 === 0 ? 7_900 : 300, index)
    const name = (index: number) => `key-${String(index).padStart(4, '0')}`
    const all = Array.from({ length: 400 }, (_, index) => index)
    const write = async (indexes: readonly number[]) => {
      await Promise.all(indexes.map((index) => opened.commit({ puts: [put(name(index), value(index))] })))
    }
    await write(all)
    const kept = all.filter((index) => index % 4 === 0)
    const gone = all.filter((index) => index % 4 !== 0)
    await Promise.all(gone.map((index) => opened.commit({ deletes: [Buffer.from(name(index))] })))
    // What is in use moves to the front, and the last pages are free.
    for (let round = 0; round < 4; round += 1) await write(kept)
    await opened.close()
    const file = join(directory, 'metadata', 'data.mdb')
    const whole = await readFile(file)
    const pages = whole.length / 16_384
    const outcomes = new Map<string, number>()
    for (let length = pages; length > 2; length -= Math.ceil(pages / 40)) {
      await writeFile(file, whole.subarray(0, length * 16_384))
      const outcome = await open().then(
        async (cut) => {
          const snapshot = cut.snapshot()
          const entries = await snapshot.list({ gte: Buffer.from('key'), lt: Buffer.from('kez'), limit: 1_000 })
          expect(entries.map(({ value: found }) => found.length)).toEqual(kept.map((index) => value(index).length))
          snapshot.release()
          await cut.close()
          return 'read'
        },
        (error: StorageError) => {
          expect(error).toMatchObject({ code: 'corrupt', message: expect.stringContaining('was cut short') })
          return 'refused'
        },
      )
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    expect(outcomes.get('read')).toBeGreaterThan(1)
    expect(outcomes.get('refused')).toBeGreaterThan(1)
  })

  test('a directory that cannot be made is unavailable', async () => {
    await writeFile(join(directory, 'metadata'), 'a file')
    await expect(open()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

/** An environment whose transactions commit whatever the callback did, as the binding does, and whose puts fail as told. */
function fakeEnvironment(putError: Error): { environment: LmdbEnvironment; log: string[] } {
  const log: string[] = []
  const table = {
    lastSize: 0,
    getBinaryFast: () => undefined,
    getRange: () => [],
    remove: () => undefined,
    put: () => {
      throw putError
    },
  }
  const root = {
    ...table,
    openDB: () => table,
    transaction: async (callback: () => void) => {
      await Promise.resolve()
      callback()
      log.push('committed')
    },
    resetReadTxn: () => undefined,
    useReadTransaction: () => ({ done: () => undefined }),
    readerCheck: () => 0,
    close: async () => undefined,
  }
  return { environment: { root, entries: table, counters: table, state: table }, log }
}

describe('snapshots of the process that commits', () => {
  test('begin anew after each commit that somebody was told of, and share one state until then', async () => {
    const { environment } = fakeEnvironment(new Error('unused'))
    let resets = 0
    const root = { ...environment.root, resetReadTxn: () => void resets++ }
    const store = new LmdbMetadataStore({ ...environment, root }, '/nowhere', { onFatal })
    const resetsOfTwo = (): number => {
      const before = resets
      for (let i = 0; i < 2; i++) store.snapshot().release()
      return resets - before
    }
    // Another process may be the one that commits.
    expect(resetsOfTwo()).toBe(2)
    await store.commit({})
    expect(resetsOfTwo()).toBe(1)
    expect(resetsOfTwo()).toBe(0)
    await store.commit({})
    expect(resetsOfTwo()).toBe(1)
    await store.close()
  })

  test('see what was committed in the very turn in which it is told, with older ones still open', async () => {
    const directory = await makeDirectory()
    const store = await openLmdbMetadataStore(directory, { onFatal })
    const open = []
    for (let i = 0; i < 20; i++) {
      open.push(store.snapshot())
      await store.commit({ puts: [put('a', String(i))] })
      const snapshot = store.snapshot()
      open.push(snapshot, store.snapshot())
      expect(Buffer.from((await snapshot.get(Buffer.from('a')))?.value ?? []).toString()).toBe(String(i))
    }
    const values = await Promise.all(open.map((snapshot) => snapshot.get(Buffer.from('a'))))
    expect(values.map((entry) => entry && Number(Buffer.from(entry.value).toString()))).toEqual(
      Array.from({ length: 20 }, (_, i) => [i === 0 ? undefined : i - 1, i, i]).flat(),
    )
    for (const snapshot of open) snapshot.release()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
})

describe('transactions that fail', () => {
  test('a transaction that cannot begin rejects the commits that waited for it, and those after it may go through', async () => {
    const { environment } = fakeEnvironment(new Error('unused'))
    let calls = 0
    const root = {
      ...environment.root,
      transaction: (callback: () => void): Promise<unknown> => {
        if (calls++ === 0) throw new Error('no transaction')
        callback()
        return Promise.resolve()
      },
    }
    const store = new LmdbMetadataStore({ ...environment, root }, '/nowhere', { onFatal })
    const first = [store.commit({}), store.commit({ deletes: [Buffer.from('a')] })]
    for (const result of await Promise.allSettled(first)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
    }
    expect(await store.commit({ deletes: [Buffer.from('a')] })).toEqual({ committed: true })
    await store.close()
  })

  test.each([
    ['panics at the next read', true],
    ['goes on', false],
  ])('after a commit that failed, an LMDB that %s ends the process: %s', async (_, panics) => {
    const { environment } = fakeEnvironment(new Error('unused'))
    let hasFailed = false
    const root = {
      ...environment.root,
      transaction: async () => {
        hasFailed = true
        throw Object.assign(new Error('input/output error'), { code: 5 })
      },
    }
    const panic = Object.assign(new Error('MDB_PANIC: Update of meta page failed'), { code: -30795 })
    const state = {
      ...environment.state,
      getBinaryFast: () => {
        if (hasFailed && panics) throw panic
        return undefined
      },
    }
    const fatal: StorageError[] = []
    const store = new LmdbMetadataStore({ ...environment, root, state }, '/nowhere', {
      onFatal: (error) => fatal.push(error),
    })
    for (let i = 0; i < 2; i++) await expect(store.commit({})).rejects.toMatchObject({ code: 'unavailable' })
    expect(fatal).toHaveLength(panics ? 1 : 0)
    await store.close()
  })

  test('an LMDB that has given up ends the process at the first snapshot that meets it', async () => {
    const { environment } = fakeEnvironment(new Error('unused'))
    const root = {
      ...environment.root,
      useReadTransaction: () => {
        throw Object.assign(new Error('MDB_PANIC'), { code: -30795 })
      },
    }
    const fatal: StorageError[] = []
    const store = new LmdbMetadataStore({ ...environment, root }, '/nowhere', { onFatal: (error) => fatal.push(error) })
    for (let i = 0; i < 2; i++) {
      expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: 'unavailable' }))
    }
    expect(fatal).toHaveLength(1)
    await store.close()
  })

  test('a write that fails half-way ends the process before the transaction can commit, and the store takes no more work', async () => {
    const { environment, log } = fakeEnvironment(Object.assign(new Error('page not found'), { code: -30797 }))
    const fatal: StorageError[] = []
    const store = new LmdbMetadataStore(environment, '/nowhere', {
      onFatal: (error) => {
        log.push('fatal')
        fatal.push(error)
      },
    })
    const commits = [store.commit({ puts: [put('a', 'x')] }), store.commit({ puts: [put('b', 'x')] })]
    const results = await Promise.allSettled(commits)
    expect(log.slice(0, 2)).toEqual(['fatal', 'committed'])
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected'])
    expect(fatal[0]).toMatchObject({ code: 'corrupt' })
    await expect(store.commit({ puts: [put('c', 'x')] })).rejects.toMatchObject({ code: 'unavailable' })
    expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: 'unavailable' }))
    await store.close()
  })
})
