/**
 * The contract, for a process that reads the map itself and has another one commit; and what only that can get wrong.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BuiltFixture, buildFixture, startFixture } from '../../testing/fixture-process.fixture.ts'
import { metadataStoreSuite } from '../metadata-store.suite.ts'
import { FrameStream } from '../remote/frame-stream.ts'
import { type LmdbMetadataStore, openLmdbMetadataStore } from './lmdb-metadata-store.ts'
import { type LmdbWorkerStore, openLmdbWorkerStore } from './lmdb-worker-store.ts'

let fixture: BuiltFixture
let opener: BuiltFixture
beforeAll(async () => {
  fixture = await buildFixture(new URL('../../testing/committer.fixture.ts', import.meta.url))
  opener = await buildFixture(new URL('../../testing/opener.fixture.ts', import.meta.url))
})
afterAll(async () => {
  await fixture.dispose()
  await opener.dispose()
})

interface Opened {
  readonly store: LmdbWorkerStore
  /** Kills the process that commits, at once. */
  kill(): Promise<void>
}

/** Starts a process that commits, and opens the store beside it. */
async function open(directory: string): Promise<Opened> {
  const child = spawn(process.execPath, [fixture.path, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [input, output]: [Readable, Writable] = [child.stdout, child.stdin]
  let store: LmdbWorkerStore | undefined
  let opened = (): void => {}
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve
  })
  const frames = new FrameStream(input, output, {
    onFrame: (_type, reply) => (reply.length === 0 ? opened() : store?.receive(reply)),
    onEnd: () => store?.lost(),
  })
  await isOpen
  const worker = openLmdbWorkerStore(directory, { send: (request) => frames.send(0, request), maxPendingCommits: 5000 })
  store = worker
  const close = worker.close.bind(worker)
  worker.close = async () => {
    await close()
    if (child.exitCode !== null || child.signalCode !== null) return
    frames.end()
    await exited
  }
  return {
    store: worker,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'strongroom-worker-store-'))

metadataStoreSuite('LMDB with commits by another process', async () => {
  const directory = await makeDirectory()
  return {
    open: async () => (await open(directory)).store,
    dispose: () => rm(directory, { recursive: true, force: true }),
    isDurable: true,
  }
})

describe('LMDB in a process that does not commit', () => {
  test('refuses everything as unavailable once the process that commits is gone', async () => {
    const directory = await makeDirectory()
    const { store, kill } = await open(directory)
    try {
      expect(await store.commit({ puts: [{ key: Buffer.from('a'), value: Buffer.from('1') }] })).toEqual({
        committed: true,
      })
      const lost = store.commit({ puts: [{ key: Buffer.from('a'), value: Buffer.from('2') }] })
      const outcome = lost.then(
        () => 'done',
        (error: unknown) => Object(error).code,
      )
      await kill()
      expect(['done', 'unavailable']).toContain(await outcome)
      await expect(store.commit({})).rejects.toMatchObject({ code: 'unavailable' })
      expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: 'unavailable' }))
    } finally {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    }
  })
})

/** Commits one key after the other until it is told to stop; gives what was acknowledged. */
async function commitOn(store: LmdbMetadataStore, name: string, isOver: () => boolean): Promise<Buffer[]> {
  const acknowledged: Buffer[] = []
  while (!isOver()) {
    const key = Buffer.from(`${name}/${acknowledged.length}`)
    const commit = { checks: [{ key, version: 'absent' as const }], puts: [{ key, value: Buffer.alloc(100) }] }
    expect(await store.commit(commit)).toEqual({ committed: true })
    acknowledged.push(key)
  }
  return acknowledged
}

describe('a process that opens the map while another one commits', () => {
  test('does so between two commits, and takes nothing back', async () => {
    const directory = await makeDirectory()
    const onFatal = (error: Error) => {
      throw error
    }
    const store = await openLmdbMetadataStore(directory, { onFatal })
    const child = startFixture(opener, [directory])
    try {
      expect((await child.lines.next()).value).toBe('ready')
      let isOver = false
      const writing = ['a', 'b', 'c', 'd'].map((name) => commitOn(store, name, () => isOver))
      for (let round = 0; round < 100; round++) {
        await store.commit({})
        await store.holdCommits(async () => {
          const { commits } = store.stats()
          child.send('open')
          expect((await child.lines.next()).value).toBe('opened')
          expect(store.stats().commits).toBe(commits)
        })
      }
      isOver = true
      const acknowledged = (await Promise.all(writing)).flat()
      expect(acknowledged.length).toBeGreaterThan(100)
      const snapshot = store.snapshot()
      const found = await snapshot.getMany(acknowledged)
      expect(acknowledged.filter((_, i) => found[i] === undefined).map(String)).toEqual([])
      snapshot.release()
    } finally {
      await child.kill()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('that fails lets commits go on, and closing the store waits for it', async () => {
    const directory = await makeDirectory()
    const onFatal = (error: Error) => {
      throw error
    }
    const store = await openLmdbMetadataStore(directory, { onFatal })
    try {
      const key = Buffer.from('held')
      let fail = (_: Error): void => {}
      const held = store.holdCommits(
        () =>
          new Promise<never>((_, reject) => {
            fail = reject
          }),
      )
      const failed = expect(held).rejects.toThrow('it was killed')
      const order: string[] = []
      const committed = store.commit({ puts: [{ key, value: key }] }).then(() => order.push('committed'))
      const closed = store.close().then(() => order.push('closed'))
      await new Promise(setImmediate)
      expect(order).toEqual([])
      fail(new Error('it was killed'))
      await Promise.all([failed, committed, closed])
      expect(order).toEqual(['committed', 'closed'])
      await expect(store.holdCommits(async () => {})).rejects.toMatchObject({ code: 'unavailable' })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
