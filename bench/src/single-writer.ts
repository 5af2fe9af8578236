/**
 * A single writer after a bulk load. LMDB was once seen to fall to 115 to 145 commits a second there; here one connection
 * writes before the load, right after it, once more, and after a restart.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench.ts'
import { benchBucket, populate } from './cells.ts'
import { Client, writeHeaders } from './client.ts'
import { type Cell, type CellResult, runCells } from './run-cell.ts'
import { type MeasuredServer, makeDataDirectory, startServerOn } from './server-process.ts'

export interface SingleWriter {
  readonly loaded: number
  readonly loadedPerSecond: number
  readonly loadConnections: number
  readonly rows: readonly { readonly when: string; readonly result: CellResult; readonly metadataBytes: number }[]
  /** What the disk does without us, measured at the beginning: 16 KiB written over and synced, per second. */
  readonly syncsPerSecond: number
}

const loadConnections = 64
const defaultLoad = 200_000
const pageBytes = 16_384
const oneByte = [Buffer.from('x')]

export async function measureSingleWriter(bench: Bench): Promise<SingleWriter> {
  const loaded = bench.settings.objects?.[0] ?? defaultLoad
  const data = await makeDataDirectory(bench.start)
  const rows: SingleWriter['rows'][number][] = []
  const row = async (server: MeasuredServer, when: string): Promise<void> => {
    // Nothing may come between the load and the first write that counts: there is no warming up.
    const options = { ...bench.runOptions(server), warmupSeconds: 0 }
    const [result] = await runCells([writerCell(bench, when)], options)
    const metadataBytes = statSync(join(data, 'metadata/data.mdb')).size
    if (result !== undefined) rows.push({ when, result, metadataBytes })
  }
  let server = await startServerOn(data, bench.start)
  try {
    bench.progress.step('the disk alone')
    const syncsPerSecond = measureSyncs(data, bench.settings.seconds)
    await makeBucket(bench, server)
    await row(server, 'while the runtime still compiles')
    await row(server, 'before the load')
    const loadedPerSecond = await load(bench, server, loaded)
    await row(server, 'right after the load')
    await row(server, 'and again')
    await server.stop()
    server = await startServerOn(data, bench.start)
    await row(server, 'after a restart')
    return { loaded, loadedPerSecond, loadConnections, rows, syncsPerSecond }
  } finally {
    await server.stop()
    await rm(data, { recursive: true, force: true })
  }
}

async function makeBucket(bench: Bench, server: MeasuredServer): Promise<void> {
  const client = await Client.open(bench.clientOptions(server))
  await client.send({ method: 'PUT', bucket: benchBucket })
  client.close()
}

async function load(bench: Bench, server: MeasuredServer, count: number): Promise<number> {
  bench.progress.step(`a bulk load of ${count.toLocaleString('en')} objects`)
  const open = (): Promise<Client> => Client.open(bench.clientOptions(server))
  const clients = await Promise.all(Array.from({ length: loadConnections }, open))
  const startedAt = performance.now()
  try {
    const nameOf = (index: number): string => {
      if (index % 1000 === 0) bench.progress.detail(index.toLocaleString('en'))
      return `bulk/${String(index).padStart(8, '0')}`
    }
    await populate(clients, count, nameOf, bench.settings.oneMode, () => oneByte)
  } finally {
    for (const client of clients) client.close()
  }
  return count / ((performance.now() - startedAt) / 1000)
}

function writerCell(bench: Bench, when: string): Cell {
  const mode = bench.settings.oneMode
  const run = randomBytes(4).toString('hex')
  return {
    name: `PUT 1 B, ${when}`,
    mode,
    connections: 1,
    unit: 'operations',
    async work(client, index) {
      const name = `one/${run}/${index}`
      await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body: oneByte })
      return { bytes: 1 }
    },
  }
}

/** A page of a file that is there already, written over and synced: what LMDB does, without LMDB. */
function measureSyncs(directory: string, seconds: number): number {
  const path = join(directory, 'sync-probe')
  const file = openSync(path, 'w')
  const page = randomBytes(pageBytes)
  const pages = 256
  let syncs = 0
  try {
    for (let at = 0; at < pages; at++) writeSync(file, page)
    fdatasyncSync(file)
    const startedAt = performance.now()
    while (performance.now() - startedAt < seconds * 1000) {
      writeSync(file, page, 0, pageBytes, (syncs % pages) * pageBytes)
      fdatasyncSync(file)
      syncs += 1
    }
    return syncs / ((performance.now() - startedAt) / 1000)
  } finally {
    closeSync(file)
    rmSync(path)
  }
}
