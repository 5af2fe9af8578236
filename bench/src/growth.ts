/**
 * Cost as a store grows: the same requests with ever more objects, in one bucket and in a thousand. The server is stopped,
 * its data directory filled in process (`fill-process.ts`) and the server started again before each size is measured.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { keyUsage } from './admin-call.ts'
import type { Bench } from './bench.ts'
import { listPage } from './cells.ts'
import { Client, type EncryptionMode, readHeaders, writeHeaders } from './client.ts'
import { fill } from './fill.ts'
import { bucketOfObject, nameOfObject } from './fill-plan.ts'
import { type Cell, type CellResult, runCells } from './run-cell.ts'
import { anonymousMemoryBytes, type MeasuredServer, makeDataDirectory, startServerOn } from './server-process.ts'
import { Latencies } from './statistics.ts'

/** The setting `defaultKey`, as it is by default. */
const key = 'strongroom-default'

/** What was measured with one number of objects. */
export interface GrowthPoint {
  readonly objects: number
  /** Puts per second through the engine, in process; undefined where nothing was put. */
  readonly filledPerSecond: number | undefined
  readonly startMs: number
  readonly memoryAtStartBytes: number
  readonly metadataBytes: number
  /** Undefined without objects. */
  readonly cells: { readonly get: CellResult; readonly put: CellResult; readonly list: CellResult } | undefined
  readonly keyUsage: { readonly p50Ms: number; readonly rows: number } | undefined
  readonly listBuckets: { readonly p50Ms: number }
  /** At the end, with what the cells left. */
  readonly peakMemoryBytes: number
}

export interface Growth {
  readonly buckets: number
  readonly mode: EncryptionMode
  readonly points: readonly GrowthPoint[]
}

const defaultCounts = [10_000, 100_000, 1_000_000]

/** Measures with each number of objects, which must rise. */
export async function measureGrowth(bench: Bench, buckets: number): Promise<Growth> {
  const { settings, progress } = bench
  const mode = settings.oneMode
  const counts = [...(settings.objects ?? defaultCounts)].sort((a, b) => a - b)
  const data = await makeDataDirectory(bench.start)
  try {
    progress.step('an empty store')
    // The first start makes keys and certificates.
    await (await startServerOn(data, bench.start)).stop()
    const points = [await measurePoint(bench, data, { objects: 0, buckets, filledPerSecond: undefined })]
    let present = 0
    for (const objects of counts) {
      const title = `${objects.toLocaleString('en')} objects`
      progress.step(`${title}: filling the stopped store`)
      const plan = { data, buckets, mode, from: present, to: objects }
      const filled = await fill(plan, bench.start, ({ done }) =>
        progress.detail(`${(present + done).toLocaleString('en')}`),
      )
      present = objects
      const filledPerSecond = filled.done / filled.seconds
      points.push(await measurePoint(bench, data, { objects, buckets, filledPerSecond }))
    }
    return { buckets, mode, points }
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}

interface Size {
  readonly objects: number
  readonly buckets: number
  readonly filledPerSecond: number | undefined
}

async function measurePoint(bench: Bench, data: string, size: Size): Promise<GrowthPoint> {
  const { objects, buckets, filledPerSecond } = size
  bench.progress.step(`${objects.toLocaleString('en')} objects: starting`)
  const server = await startServerOn(data, bench.start)
  try {
    const memoryAtStartBytes = anonymousMemoryBytes(server.pids())
    const metadataBytes = statSync(join(data, 'metadata/data.mdb')).size
    const listBuckets = await timeListBuckets(bench, server)
    if (objects === 0) {
      return {
        ...{ objects, filledPerSecond, startMs: server.startMs ?? 0, memoryAtStartBytes, metadataBytes },
        ...{ cells: undefined, keyUsage: undefined, listBuckets, peakMemoryBytes: memoryAtStartBytes },
      }
    }
    const usage = await timeKeyUsage(bench, data, objects)
    const results = await runCells(growthCells(bench.settings.oneMode, objects, buckets), bench.runOptions(server))
    const [get, put, list] = results
    if (get === undefined || put === undefined || list === undefined) throw new Error('a cell is missing')
    const peakMemoryBytes = Math.max(...results.map((result) => result.peakMemoryBytes ?? 0))
    return {
      ...{ objects, filledPerSecond, startMs: server.startMs ?? 0, memoryAtStartBytes, metadataBytes },
      ...{ cells: { get, put, list }, keyUsage: usage, listBuckets, peakMemoryBytes },
    }
  } finally {
    await server.stop()
  }
}

/** So often a single call is made for its median, after as many that do not count. */
const calls = 20

async function medianMs(call: () => Promise<unknown>): Promise<number> {
  for (let at = 0; at < calls; at++) await call()
  const latencies = new Latencies()
  for (let at = 0; at < calls; at++) {
    const before = performance.now()
    await call()
    latencies.add(performance.now() - before)
  }
  return latencies.percentile(0.5)
}

async function timeKeyUsage(bench: Bench, data: string, objects: number): Promise<GrowthPoint['keyUsage']> {
  if (bench.settings.oneMode !== 'sse-kms') return undefined
  let rows = 0
  const p50Ms = await medianMs(async () => {
    const usage = await keyUsage(data, key)
    if (usage.objects < objects) throw new Error(`key usage counts ${usage.objects} of ${objects} objects`)
    rows = usage.rows
  })
  return { p50Ms, rows }
}

async function timeListBuckets(bench: Bench, server: MeasuredServer): Promise<GrowthPoint['listBuckets']> {
  const client = await Client.open(bench.clientOptions(server))
  const p50Ms = await medianMs(() => client.send({ method: 'GET' }))
  client.close()
  return { p50Ms }
}

const content = [randomBytes(4096)]

/** Names that are far from each other, one after the other: a stride that has no factor in common with the counts. */
const scattered = (index: number, count: number): number => (index * 7919) % count

function growthCells(mode: EncryptionMode, count: number, buckets: number): readonly Cell[] {
  const at = (index: number) => ({ bucket: bucketOfObject(index, { buckets }), name: nameOfObject(index) })
  return [
    {
      name: 'GET 1 B',
      mode,
      connections: 32,
      unit: 'operations',
      async work(client, index) {
        const answer = await client.send({
          method: 'GET',
          ...at(scattered(index, count)),
          headers: readHeaders[mode],
        })
        if (answer.bodyBytes !== 1) throw new Error(`GET gave ${answer.bodyBytes} of 1 byte`)
        return { bytes: 1 }
      },
    },
    {
      name: 'PUT 4 KiB',
      mode,
      connections: 32,
      unit: 'operations',
      async work(client, index) {
        // New names among those that are there, so that every put goes to a page of its own.
        const { bucket, name } = at(scattered(index, count))
        const request = { bucket, name: `${name}-${count}-${index}`, headers: writeHeaders[mode], body: content }
        await client.send({ method: 'PUT', ...request })
        return { bytes: 4096 }
      },
    },
    {
      name: 'LIST 1,000',
      mode,
      connections: 8,
      unit: 'entries',
      async work(client, index) {
        const { bucket, name } = at(scattered(index, count))
        // In many buckets each is listed from its beginning: there is no more than a page in it.
        const after = buckets === 1 ? `&start-after=${encodeURIComponent(name)}` : ''
        const query = `list-type=2&max-keys=1000&prefix=${encodeURIComponent('growth/')}${after}`
        return await listPage(client, bucket, query)
      },
    },
  ]
}
