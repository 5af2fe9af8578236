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
import { type BuiltFixture, buildFixture } from '../../testing/fixture-process.fixture.ts'
import { metadataStoreSuite } from '../metadata-store.suite.ts'
import { FrameStream } from '../remote/frame-stream.ts'
import { type LmdbWorkerStore, openLmdbWorkerStore } from './lmdb-worker-store.ts'

let fixture: BuiltFixture
beforeAll(async () => {
  fixture = await buildFixture(new URL('../../testing/committer.fixture.ts', import.meta.url))
})
afterAll(() => fixture.dispose())

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
