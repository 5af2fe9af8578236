/**
 * What is said of the key service: its cells, and what is asked of them.
 *
 * @module
 */
import { figure, formatRows, whole } from '../table.ts'
import type { LoadResult } from './load.ts'

export interface KesCell {
  readonly operation: string
  readonly connections: number
  readonly result: LoadResult
  readonly cpuSeconds: number
  /** Highest anonymous memory seen, in bytes. */
  readonly peakMemoryBytes: number
}

const perCpuSecond = ({ result, cpuSeconds }: KesCell): number => result.requests / cpuSeconds
const perSecond = ({ result }: KesCell): number => result.requests / result.seconds

const headings = ['operation', 'conn', 'op/s', 'p50 ms', 'p99 ms', 'CPU µs', 'per CPU second', 'anon. MiB'] as const

/** `CPU µs` is server time per request. */
export function formatKesCells(cells: readonly KesCell[]): string {
  const rows = cells.map((cell) => [
    cell.operation,
    String(cell.connections),
    whole(perSecond(cell)),
    cell.result.p50Ms.toFixed(2),
    cell.result.p99Ms.toFixed(2),
    ((cell.cpuSeconds / cell.result.requests) * 1e6).toFixed(1),
    whole(perCpuSecond(cell)),
    whole(cell.peakMemoryBytes / 1_048_576),
  ])
  return formatRows(headings, rows, 1)
}

interface KesFloor {
  readonly name: string
  readonly of: (cell: KesCell) => boolean
  /** Of a cell; of several the worst counts. */
  readonly measured: (cell: KesCell) => number
  readonly floor: number
  readonly isCeiling?: boolean
  /** The last MinIO KES with a client in Go on a machine of this kind, HTTP/1.1; status: HTTP/2. Empty: not measured. */
  readonly kes: string
}

const isDataKey = ({ operation }: KesCell): boolean => operation === 'generate' || operation === 'decrypt'

/** Most of a table: the other connections are shown, but nothing is asked of them. */
const floors: readonly KesFloor[] = [
  ...['generate', 'decrypt'].map((operation) => ({
    name: `${operation} per CPU second, 32 connections`,
    of: (cell: KesCell) => cell.operation === operation && cell.connections === 32,
    measured: perCpuSecond,
    floor: 17_000,
    kes: operation === 'generate' ? '31,000' : '',
  })),
  {
    name: 'status per CPU second, 32 connections',
    of: ({ operation, connections }) => operation === 'status' && connections === 32,
    measured: perCpuSecond,
    floor: 15_000,
    kes: '11,000',
  },
  {
    name: 'generate and decrypt per second, one connection',
    of: (cell) => isDataKey(cell) && cell.connections === 1,
    measured: perSecond,
    floor: 5_000,
    kes: '7,100',
  },
  {
    name: 'p99 in ms, generate and decrypt, 32 connections',
    of: (cell) => isDataKey(cell) && cell.connections === 32,
    measured: ({ result }) => result.p99Ms,
    floor: 6,
    isCeiling: true,
    kes: '5.20',
  },
  {
    name: 'memory in MiB',
    of: () => true,
    measured: ({ peakMemoryBytes }) => peakMemoryBytes / 1_048_576,
    floor: 120,
    isCeiling: true,
    kes: '228',
  },
]

/** The table of floors for the cells that were measured; undefined if none of them has one. */
export function formatKesFloors(cells: readonly KesCell[]): string | undefined {
  const rows = floors.flatMap(({ name, of, measured, floor, isCeiling = false, kes }) => {
    const values = cells.filter(of).map(measured)
    if (values.length === 0) return []
    const worst = isCeiling ? Math.max(...values) : Math.min(...values)
    const isReached = isCeiling ? worst <= floor : worst >= floor
    const asked = `${whole(floor)} at ${isCeiling ? 'most' : 'least'}`
    return [[name, asked, worst < 100 ? figure(worst) : whole(worst), isReached ? 'yes' : 'no', kes]]
  })
  return rows.length === 0 ? undefined : formatRows(['what', 'asked', 'measured', 'reached', 'MinIO KES'], rows, 1)
}
