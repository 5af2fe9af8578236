/**
 * What is said of the key service's figures.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import { formatKesFloors, type KesCell } from './kes-report.ts'

const cell = (operation: string, connections: number, requests: number, p99Ms = 1): KesCell => ({
  operation,
  connections,
  result: { requests, seconds: 1, p50Ms: 1, p99Ms },
  cpuSeconds: 1,
  peakMemoryBytes: connections * 1_048_576,
})

const rowsOf = (cells: readonly KesCell[]): string[][] =>
  (formatKesFloors(cells) ?? '')
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((text) => text.trim()))
    .map((row) => row.slice(2, 5))

describe('the floors of the key service', () => {
  it('are judged by the worst of the cells that they are about', () => {
    const rows = rowsOf([
      cell('generate', 32, 17_000, 2),
      cell('decrypt', 32, 16_999, 6.5),
      cell('generate', 1, 9_000),
      cell('decrypt', 1, 5_000),
      cell('status', 256, 1, 100),
    ])
    expect(rows).toEqual([
      ['17,000 at least', '17,000', 'yes'],
      ['17,000 at least', '16,999', 'no'],
      ['5,000 at least', '5,000', 'yes'],
      ['6 at most', '6.50', 'no'],
      ['120 at most', '256', 'no'],
    ])
  })
})
