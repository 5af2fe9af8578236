/**
 * Tables and plots: Markdown for the documents, aligned for a terminal.
 *
 * @module
 */
import type { CellResult } from './run-cell.ts'

/** A Markdown table; all columns but the first `leftColumns` stand to the right. */
export function formatRows(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  leftColumns: number,
): string {
  const widths = headings.map((_, column) =>
    Math.max(3, ...[headings, ...rows].map((cells) => (cells[column] ?? '').length)),
  )
  const pad = (cell: string, column: number): string =>
    column < leftColumns ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((_, at) => pad(cells[at] ?? '', at)).join(' | ')} |`
  const rules = widths.map((width, column) => (column < leftColumns ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(headings), `| ${rules.join(' | ')} |`, ...rows.map(line)].join('\n')
}

const cellHeadings = [
  'cell',
  'mode',
  'conn',
  'op/s',
  'MiB/s',
  'p50 ms',
  'p99 ms',
  'CPU s',
  'per',
  'per CPU second',
  'anon. MiB',
]

/** Results of cells. `CPU s` is server seconds per 1,000 operations, or per GiB moved. */
export function formatCells(results: readonly CellResult[]): string {
  return formatRows(cellHeadings, results.map(cellRow), 2)
}

function cellRow(result: CellResult): readonly string[] {
  return [
    result.name,
    result.mode,
    String(result.connections),
    whole(result.operationsPerSecond),
    result.mebibytesPerSecond >= 10 ? whole(result.mebibytesPerSecond) : '',
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    ...cpuCost(result),
    perCpuSecond(result),
    result.peakMemoryBytes === undefined ? '' : whole(result.peakMemoryBytes / 1_048_576),
  ]
}

const unitNames: Readonly<Record<CellResult['unit'], string>> = { operations: 'op', MiB: 'MiB', entries: 'entries' }

/** `8,120 op`, or nothing for a server elsewhere. */
export function perCpuSecond({ unitsPerCpuSecond, unit }: CellResult): string {
  return unitsPerCpuSecond === undefined ? '' : `${whole(unitsPerCpuSecond)} ${unitNames[unit]}`
}

function cpuCost(result: CellResult): readonly [seconds: string, per: string] {
  if (result.cpuSeconds === undefined || result.operations === 0) return ['', '']
  if (result.unit !== 'MiB') return [((result.cpuSeconds / result.operations) * 1000).toFixed(3), '1,000 op']
  const gibibytes = (result.mebibytesPerSecond * result.seconds) / 1024
  return [(result.cpuSeconds / gibibytes).toFixed(3), 'GiB']
}

/** With thousands separated. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A figure with as many digits as matter. */
export function figure(value: number): string {
  if (value >= 100) return whole(value)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const plotWidth = 40

/** One bar for each point, in a fenced block: a curve in plain text. */
export function plot(
  title: string,
  points: readonly { readonly label: string; readonly value: number }[],
  unit: string,
): string {
  const highest = Math.max(...points.map(({ value }) => value), Number.MIN_VALUE)
  const labelWidth = Math.max(...points.map(({ label }) => label.length))
  const lines = points.map(({ label, value }) => {
    const bar = '#'.repeat(Math.max(1, Math.round((value / highest) * plotWidth)))
    return `${label.padStart(labelWidth)}  ${bar.padEnd(plotWidth)}  ${figure(value)} ${unit}`
  })
  return ['```', title, ...lines, '```'].join('\n')
}
