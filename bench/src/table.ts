/**
 * The table that a run prints and the documents show.
 *
 * @module
 */
import type { CellResult } from './run-cell.ts'

const headings = ['cell', 'mode', 'conn', 'op/s', 'MiB/s', 'p50 ms', 'p99 ms', 'CPU', 'per CPU second', 'anon. MiB']

/** A Markdown table, aligned for a terminal. `CPU` is server seconds per 1,000 operations, or per GiB moved. */
export function formatTable(results: readonly CellResult[]): string {
  const rows = [headings, ...results.map(row)]
  const widths = headings.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(headings), rule, ...rows.slice(1).map(line)].join('\n')
}

function row(result: CellResult): readonly string[] {
  return [
    result.name,
    result.mode,
    String(result.connections),
    whole(result.operationsPerSecond),
    result.mebibytesPerSecond >= 10 ? whole(result.mebibytesPerSecond) : '',
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    cpuCost(result),
    result.unitsPerCpuSecond === undefined ? '' : `${whole(result.unitsPerCpuSecond)} ${unitNames[result.unit]}`,
    result.peakMemoryBytes === undefined ? '' : whole(result.peakMemoryBytes / 1_048_576),
  ]
}

const unitNames: Readonly<Record<CellResult['unit'], string>> = { operations: 'op', MiB: 'MiB', entries: 'entries' }

function cpuCost(result: CellResult): string {
  if (result.cpuSeconds === undefined || result.operations === 0) return ''
  if (result.unit !== 'MiB') return `${((result.cpuSeconds / result.operations) * 1000).toFixed(3)} s/1000`
  const gibibytes = (result.mebibytesPerSecond * result.seconds) / 1024
  return `${(result.cpuSeconds / gibibytes).toFixed(3)} s/GiB`
}

function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A page of the documents around a table. @param args what the bench was called with */
export function performancePage(args: readonly string[], table: string): string {
  const quoted = args.map((arg) => (/^[\w./,-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`))
  return [
    '# Performance',
    '',
    'Written by the bench itself: do not edit.',
    '',
    '```',
    `npm run bench -- ${quoted.join(' ')}`,
    '```',
    '',
    'Figures per CPU second are per second of the user and system time of the server and all its threads in the timed phase. The load generator',
    'is another process on the same cores, speaks TLS on kept-alive connections and signs every request. Everything durable: an acknowledged write is',
    'synced. The bare listener is `node:https` of the same runtime that answers at once: no server on it can do more. Memory is anonymous',
    'memory, the highest seen.',
    '',
    table,
  ].join('\n')
}
