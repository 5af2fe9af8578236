/**
 * Cells of the table that differ in the encryption mode only, run together: each is prepared and warmed up, then they take
 * turns at their timed phase, so that what changes on the machine meanwhile changes all of them. The server's processor time
 * is read around exactly the timed phases.
 *
 * @module
 */
import { Client, type ClientOptions, type EncryptionMode } from './client.ts'
import type { Progress } from './progress.ts'
import { anonymousMemoryBytes, cpuSeconds, pageFaults } from './server-process.ts'
import { Latencies } from './statistics.ts'

/** What one request of a cell counts for. */
export interface Done {
  /** Bytes of the object moved; 0 where the cell counts operations. */
  readonly bytes: number
  /** Units besides the operation itself (entries of a listing). */
  readonly units?: number
}

export interface Cell {
  readonly name: string
  readonly mode: EncryptionMode
  readonly connections: number
  /** The unit of the figure per processor second. */
  readonly unit: 'operations' | 'MiB' | 'entries'
  /** Requests there is work for, where each can be made once only. A phase ends early when they are used up. */
  readonly supply?: number
  /** Makes what the work needs; called once. */
  prepare?(clients: readonly Client[]): Promise<void>
  /** One request; `index` counts over all connections, `worker` numbers the connection. */
  work(client: Client, index: number, worker: number): Promise<Done>
}

export interface CellResult {
  readonly name: string
  readonly mode: EncryptionMode
  readonly connections: number
  readonly operations: number
  readonly seconds: number
  readonly operationsPerSecond: number
  readonly mebibytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Server processor seconds of the timed phase; undefined for a server elsewhere. */
  readonly cpuSeconds: number | undefined
  readonly unit: Cell['unit']
  /** Units per server processor second. */
  readonly unitsPerCpuSecond: number | undefined
  /** Highest anonymous memory seen in the phase. */
  readonly peakMemoryBytes: number | undefined
  /** Of the server, in the timed phase. */
  readonly pageFaults: number | undefined
}

export interface RunOptions {
  readonly client: ClientOptions
  readonly pids: () => readonly number[]
  readonly secondsPerCell: number
  readonly warmupSeconds: number
  readonly progress: Progress
}

/** Into how many pieces the timed phase of cells that take turns is cut. */
const turnsOfEach = 3

/** At least so many connections make what a cell needs. */
const preparingConnections = 32

/** Of the supply of a cell, what its warming up may use. */
const warmupShare = 0.2

interface Running {
  readonly cell: Cell
  readonly clients: readonly Client[]
  readonly latencies: Latencies
  readonly sums: { bytes: number; units: number; seconds: number; cpu: number; peak: number; faults: number }
  next: number
}

/** Runs cells, those next to each other that have one name together. @throws Error if any request fails */
export async function runCells(cells: readonly Cell[], options: RunOptions): Promise<CellResult[]> {
  const results: CellResult[] = []
  for (let first = 0; first < cells.length; ) {
    const name = cells[first]?.name
    let end = first + 1
    while (cells[end]?.name === name) end++
    results.push(...(await runTogether(cells.slice(first, end), options)))
    first = end
  }
  return results
}

async function runTogether(cells: readonly Cell[], options: RunOptions): Promise<CellResult[]> {
  const { progress, warmupSeconds, secondsPerCell } = options
  for (const cell of cells) {
    if (cell.prepare === undefined) continue
    progress.step(`${cell.name}, ${cell.mode}: preparing`)
    // Connections of their own: the others would be closed as idle by the time that the last mode is prepared.
    const clients = await open(Math.max(cell.connections, preparingConnections), options)
    await cell.prepare(clients).finally(() => close(clients))
  }
  const running: Running[] = []
  try {
    for (const cell of cells) {
      if (warmupSeconds > 0) progress.step(`${cell.name}, ${cell.mode}: warming up`)
      const sums = { bytes: 0, units: 0, seconds: 0, cpu: 0, peak: 0, faults: 0 }
      const one = { cell, clients: await open(cell.connections, options), latencies: new Latencies(), sums, next: 0 }
      running.push(one)
      const supply = (cell.supply ?? Number.POSITIVE_INFINITY) * warmupShare
      await phase(one, warmupSeconds, supply, new Latencies())
    }
    const turns = running.length > 1 ? turnsOfEach : 1
    for (let turn = 1; turn <= turns; turn++) {
      for (const one of running) {
        progress.step(`${one.cell.name}, ${one.cell.mode}: measuring${turns > 1 ? `, turn ${turn} of ${turns}` : ''}`)
        await measure(one, secondsPerCell / turns, turn / turns, options.pids())
      }
    }
    return running.map((one) => resultOf(one, options.pids().length > 0))
  } finally {
    for (const one of running) close(one.clients)
  }
}

const open = (connections: number, options: RunOptions): Promise<Client[]> =>
  Promise.all(Array.from({ length: connections }, () => Client.open(options.client)))

function close(clients: readonly Client[]): void {
  for (const client of clients) client.close()
}

/** A turn of a timed phase; `share` of what is left after warming up may be used when it ends. */
async function measure(one: Running, seconds: number, share: number, pids: readonly number[]): Promise<void> {
  const { cell, latencies, sums } = one
  const supply = (cell.supply ?? Number.POSITIVE_INFINITY) * (warmupShare + (1 - warmupShare) * share)
  const sampler = setInterval(() => {
    sums.peak = Math.max(sums.peak, anonymousMemoryBytes(pids))
  }, 100)
  const cpuBefore = cpuSeconds(pids)
  const faultsBefore = pageFaults(pids)
  const started = performance.now()
  try {
    const done = await phase(one, seconds, supply, latencies)
    sums.bytes += done.bytes
    sums.units += done.units
  } finally {
    clearInterval(sampler)
  }
  sums.seconds += (performance.now() - started) / 1000
  sums.cpu += cpuSeconds(pids) - cpuBefore
  sums.faults += pageFaults(pids) - faultsBefore
  sums.peak = Math.max(sums.peak, anonymousMemoryBytes(pids))
}

function resultOf({ cell, latencies, sums }: Running, isOurs: boolean): CellResult {
  const mebibytes = sums.bytes / 1_048_576
  const units = cell.unit === 'MiB' ? mebibytes : cell.unit === 'entries' ? sums.units : latencies.count
  return {
    name: cell.name,
    mode: cell.mode,
    connections: cell.connections,
    operations: latencies.count,
    seconds: sums.seconds,
    operationsPerSecond: latencies.count / sums.seconds,
    mebibytesPerSecond: mebibytes / sums.seconds,
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
    unit: cell.unit,
    cpuSeconds: isOurs ? sums.cpu : undefined,
    unitsPerCpuSecond: isOurs && sums.cpu > 0 ? units / sums.cpu : undefined,
    peakMemoryBytes: isOurs ? sums.peak : undefined,
    pageFaults: isOurs ? sums.faults : undefined,
  }
}

async function phase(
  one: Running,
  seconds: number,
  supply: number,
  latencies: Latencies,
): Promise<{ bytes: number; units: number }> {
  const end = performance.now() + seconds * 1000
  const sums = { bytes: 0, units: 0 }
  await Promise.all(
    one.clients.map(async (client, worker) => {
      let before = performance.now()
      while (before < end && one.next < supply) {
        const done = await one.cell.work(client, one.next++, worker)
        const after = performance.now()
        latencies.add(after - before)
        sums.bytes += done.bytes
        sums.units += done.units ?? 0
        before = after
      }
    }),
  )
  return sums
}
