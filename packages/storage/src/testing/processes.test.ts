/**
 * The stores across processes: what one process was told is what another one sees, killed or not.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type FilesBlobStore, openFilesBlobStore } from '../blobs/files/files-blob-store.ts'
import { type LmdbMetadataStore, openLmdbMetadataStore } from '../metadata/lmdb/lmdb-metadata-store.ts'
import {
  type BuiltFixture,
  buildFixture,
  type FixtureProcess,
  type StartOptions,
  startFixture,
} from './fixture-process.fixture.ts'

describe('stores and processes', () => {
  let fixture: BuiltFixture
  let directory: string
  let running: FixtureProcess | undefined
  beforeAll(async () => {
    fixture = await buildFixture(new URL('./store-child.fixture.ts', import.meta.url))
  })
  afterAll(() => fixture.dispose())
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-processes-'))
  })
  afterEach(async () => {
    await running?.kill()
    running = undefined
    await rm(directory, { recursive: true, force: true })
  })

  const metadataDirectory = () => join(directory, 'metadata')
  const blobDirectory = () => join(directory, 'blobs')
  const openStores = async (): Promise<[LmdbMetadataStore, FilesBlobStore]> => {
    const onFatal = (error: Error) => {
      throw error
    }
    return [await openLmdbMetadataStore(metadataDirectory(), { onFatal }), await openFilesBlobStore(blobDirectory())]
  }
  const start = (task: string, options: StartOptions = {}) => {
    running = startFixture(fixture, [task, metadataDirectory(), blobDirectory()], options)
    return running
  }
  const nextLine = async (process: FixtureProcess): Promise<string> => {
    const { done, value } = await process.lines.next()
    if (done) throw new Error('the child said nothing more')
    return value
  }

  test('a process that never rests still reads what another one was told is committed', async () => {
    const [metadata] = await openStores()
    const reader = start('read')
    expect(await nextLine(reader)).toBe('ready')
    for (let i = 0; i < 50; i++) {
      await metadata.commit({ puts: [{ key: Buffer.from('shared'), value: Buffer.from(`value ${i}`) }] })
      reader.send('shared')
      expect(await nextLine(reader)).toBe(`value ${i}`)
    }
    reader.child.stdin?.end()
    expect(await reader.ended()).toBe(0)
    await metadata.close()
  })

  test('the reader slot of a killed process is given free when somebody looks', async () => {
    const [metadata] = await openStores()
    const reader = start('read')
    await nextLine(reader)
    reader.send('nothing')
    expect(await nextLine(reader)).toBe('none')
    expect(metadata.checkReaders()).toBe(0)
    await reader.kill()
    expect(metadata.checkReaders()).toBe(1)
    await metadata.close()
  })

  test('after SIGKILL under load every acknowledged blob and commit is whole, and no commit is half there', async () => {
    const acknowledged: string[] = []
    for (const enough of [40, 120, 60]) {
      const writer = start('write')
      for (let i = 0; i < enough; i++) acknowledged.push(await nextLine(writer))
      await writer.kill()
      for await (const line of writer.lines) acknowledged.push(line)
      await checkStores(acknowledged)
    }
  })

  async function checkStores(acknowledged: readonly string[]): Promise<void> {
    const [metadata, blobs] = await openStores()
    const snapshot = metadata.snapshot()
    const tables = await Promise.all(
      ['a', 'b', 'c'].map(async (table) => {
        const range = { gte: Buffer.from(`${table}/`), lt: Buffer.from(`${table}0`), limit: 100_000 }
        const entries = await snapshot.list(range)
        return new Map(
          entries.map(({ key, value }) => [Buffer.from(key).toString().slice(2), Buffer.from(value).toString()]),
        )
      }),
    )
    const [records = new Map<string, string>(), second, third] = tables
    expect(second).toEqual(records)
    expect(third).toEqual(records)
    expect(await snapshot.counter(Buffer.from('written'))).toBe(records.size)
    expect(acknowledged.filter((blobId) => !records.has(blobId))).toEqual([])
    for (const [blobId, record] of records) {
      const [digest, length] = record.split(' ')
      const hash = createHash('sha256')
      for await (const chunk of blobs.read(blobId, 0, Number(length))) hash.update(chunk)
      expect(hash.digest('hex')).toBe(digest)
      expect(await blobs.size(blobId)).toBe(Number(length))
    }
    // Whatever the killed process left behind is found through its session.
    const sessions = await snapshot.list({ gte: Buffer.from('session/'), lt: Buffer.from('session0'), limit: 100 })
    const known = new Set(sessions.map(({ key }) => Buffer.from(key).toString().slice('session/'.length)))
    for await (const session of blobs.sessions()) expect(known).toContain(session)
    snapshot.release()
    await metadata.close()
  }

  test('a file that cannot grow fails its commits, loses nothing and leaves no promise unhandled', async () => {
    // The child may write files of up to 4 MiB, and is told so by EFBIG instead of a signal.
    const limits = ['sh', '-c', 'trap "" XFSZ; ulimit -f 8192; exec "$0" "$@"']
    // Quiet: the binding writes the error to the console as well.
    const filler = start('fill', { wrapper: limits, isQuiet: true })
    const lines: string[] = []
    for await (const line of filler.lines) lines.push(line)
    expect(await filler.ended()).toBe(0)
    const committed = lines
      .filter((line) => line.startsWith('committed '))
      .map((line) => line.slice('committed '.length))
    // LMDB reports the short write as an input/output error.
    const said = lines.filter((line) => !line.startsWith('committed '))
    expect(said).toEqual([
      'blob full',
      expect.stringMatching(/^metadata (full|unavailable)$/),
      'readable 7000',
      'closed',
    ])
    const [metadata] = await openStores()
    const snapshot = metadata.snapshot()
    const entries = await snapshot.getMany(committed.map((key) => Buffer.from(key)))
    expect(entries.every((entry) => entry?.value.length === 7000)).toBe(true)
    expect(committed.length).toBeGreaterThan(100)
    snapshot.release()
    expect(await metadata.commit({ puts: [{ key: Buffer.from('room'), value: Buffer.from('again') }] })).toEqual({
      committed: true,
    })
    await metadata.close()
  })
})
