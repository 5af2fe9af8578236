/**
 * One cell of the table: prepares what it needs, warms up, then works for a fixed time from a number of connections, and
 * reads the server's processor time around exactly that phase.
 *
 * @module
 */
import { Client, type ClientOptions, type EncryptionMode } from './client.ts'
import { anonymousMemoryBytes, cpuSeconds } from './server-process.ts'
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
}

export interface RunOptions {
  readonly client: ClientOptions
  readonly pids: () => readonly number[]
  readonly secondsPerCell: number
  readonly warmupSeconds: number
}

/** Runs a cell. @throws Error if any request fails: a figure with failures in it would mean nothing. */
export async function runCell(cell: Cell, options: RunOptions): Promise<CellResult> {
  const clients = await Promise.all(Array.from({ length: cell.connections }, () => Client.open(options.client)))
  try {
    await cell.prepare?.(clients)
    const counter = { next: 0 }
    await phase(cell, clients, options.warmupSeconds, counter, new Latencies())
    return await measured(cell, clients, options, counter)
  } finally {
    for (const client of clients) client.close()
  }
}

async function measured(
  cell: Cell,
  clients: readonly Client[],
  options: RunOptions,
  counter: { next: number },
): Promise<CellResult> {
  const pids = options.pids()
  const latencies = new Latencies()
  let peak = 0
  const sampler = setInterval(() => {
    peak = Math.max(peak, anonymousMemoryBytes(pids))
  }, 100)
  const cpuBefore = cpuSeconds(pids)
  const started = performance.now()
  const sums = await phase(cell, clients, options.secondsPerCell, counter, latencies)
  const seconds = (performance.now() - started) / 1000
  const cpu = cpuSeconds(pids) - cpuBefore
  clearInterval(sampler)
  const mebibytes = sums.bytes / 1_048_576
  const units = cell.unit === 'MiB' ? mebibytes : cell.unit === 'entries' ? sums.units : latencies.count
  return {
    name: cell.name,
    mode: cell.mode,
    connections: cell.connections,
    operations: latencies.count,
    seconds,
    operationsPerSecond: latencies.count / seconds,
    mebibytesPerSecond: mebibytes / seconds,
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
    unit: cell.unit,
    cpuSeconds: pids.length === 0 ? undefined : cpu,
    unitsPerCpuSecond: pids.length === 0 || cpu === 0 ? undefined : units / cpu,
    peakMemoryBytes: pids.length === 0 ? undefined : peak,
  }
}

async function phase(
  cell: Cell,
  clients: readonly Client[],
  seconds: number,
  counter: { next: number },
  latencies: Latencies,
): Promise<{ bytes: number; units: number }> {
  const end = performance.now() + seconds * 1000
  const sums = { bytes: 0, units: 0 }
  await Promise.all(
    clients.map(async (client, worker) => {
      let before = performance.now()
      while (before < end) {
        const done = await cell.work(client, counter.next++, worker)
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
