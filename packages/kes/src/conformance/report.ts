/**
 * The table of a replay, and every answer that is not KES's with its reason.
 *
 * @module
 */
import type { RowResult } from './run.ts'
import type { WireData, WireRow } from './wire-data.ts'

const kinds = ['same', 'deviates', 'wrong'] as const

/** Rows by section of kes-protocol, then what is not the same. */
export function formatReport(results: readonly RowResult[]): string {
  const sections = new Map<string, RowResult[]>()
  for (const result of results) {
    const rows = sections.get(result.row.section) ?? []
    rows.push(result)
    sections.set(result.row.section, rows)
  }
  const lines = [tableLine('section', 'rows', [...kinds])]
  for (const [section, rows] of [...sections].sort(([a], [b]) => compareSections(a, b)))
    lines.push(countLine(section, rows))
  lines.push(countLine('total', results))
  const overHttp2 = results.filter(({ row }) => row.request.http === '2').length
  if (overHttp2 > 0) lines.push('', `${overHttp2} of them were recorded over HTTP/2 and replayed over HTTP/1.1.`)
  for (const kind of ['wrong', 'deviates'] as const) {
    const found = results.filter((result) => result.kind === kind)
    if (found.length > 0) lines.push('', kind === 'wrong' ? 'Wrong:' : 'Otherwise on purpose:')
    for (const { row, detail } of found) lines.push(`  ${row.server}: ${row.id}`, `    ${detail}`)
  }
  return `${lines.join('\n')}\n`
}

/** Which part of the recording a replay against one server was, and what could not be replayed. */
export function formatCoverage({ rows }: WireData, server: string, missing: readonly WireRow[]): string {
  const own = rows.filter((row) => row.server === server)
  const others = [...new Set(rows.map((row) => row.server))].filter((name) => name !== server)
  const left = missing.length === 0 ? [] : ['', 'Left out, for want of --directory, with certificates and key store:']
  return [
    '',
    `${own.length - missing.length} of the ${own.length} rows of the configuration '${server}' were replayed, of ${rows.length} in all.`,
    `The others are of other configurations, each with a server of its own: ${others.join(', ')}.`,
    ...left,
    ...missing.map(({ id }) => `  ${id}`),
    '',
  ].join('\n')
}

function countLine(name: string, results: readonly RowResult[]): string {
  const counts = kinds.map((kind) => String(results.filter((result) => result.kind === kind).length))
  return tableLine(name, String(results.length), counts)
}

function tableLine(name: string, rows: string, counts: readonly string[]): string {
  return [name.padEnd(8), rows.padStart(5), ...counts.map((count) => count.padStart(9))].join(' ')
}

function compareSections(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}
