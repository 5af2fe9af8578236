/**
 * What the bench writes: the page, section by section, the floors, and what is said beside a curve.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import type { CellResult } from '../run-cell.ts'
import { describeCurve } from './curve.ts'
import { formatFloors } from './floors.ts'
import { commandOf, composePage, type Section } from './page.ts'

const section = (part: Section['part'], body: string): Section => ({
  part,
  command: `npm run bench -- --part ${part}`,
  date: '2026-11-23',
  machine: 'a machine',
  server: 'Bun',
  body,
})

describe('the page', () => {
  it('has every part in its place from the first one written', () => {
    const page = composePage(undefined, section('churn', 'the figures of churn'))
    const headings = page.split('\n').filter((line) => line.startsWith('## '))
    expect(headings).toHaveLength(9)
    expect(headings.at(-1)).toBe('## Where the time goes')
    expect(page).toContain('Not measured yet: `npm run bench -- --part cells`.')
    expect(page).toContain('the figures of churn')
  })

  it('replaces one section and keeps the others and what was written by hand', () => {
    const first = composePage(undefined, section('churn', 'old churn'))
    const byHand = first.replace('Nothing was written here yet.', () => 'In TLS, $& mostly: $1.')
    const second = composePage(composePage(byHand, section('cells', 'the cells')), section('churn', 'new $1 churn'))
    expect(second).toContain('the cells')
    expect(second).toContain('new $1 churn')
    expect(second).not.toContain('old churn')
    expect(second).toContain('In TLS, $& mostly: $1.')
    expect(composePage(second, section('churn', 'new $1 churn'))).toBe(second)
  })

  it('says the command of one part, with what else it was called with', () => {
    const args = ['--part', 'cells,growth', '--seconds', '3', '--write', 'page.md', '--json=x', '--cells', 'PUT 4 KiB']
    expect(commandOf('growth', args, 'page.md')).toBe(
      "npm run bench -- --part growth --seconds 3 --cells 'PUT 4 KiB' --write page.md",
    )
  })
})

const cell = (name: string, mode: CellResult['mode'], unitsPerCpuSecond: number): CellResult => ({
  name,
  mode,
  connections: 32,
  operations: 1000,
  seconds: 1,
  operationsPerSecond: 1000,
  mebibytesPerSecond: 0,
  p50Ms: 1,
  p99Ms: 2,
  cpuSeconds: 1000 / unitsPerCpuSecond,
  unit: 'operations',
  unitsPerCpuSecond,
  peakMemoryBytes: 100 * 1_048_576,
  pageFaults: 0,
})

const cellsOf = (table: string | undefined): string[][] =>
  (table ?? '')
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((text) => text.trim()))

describe('the floors', () => {
  it('say from the figures whether one is reached, and what encryption costs a GET', () => {
    const table = formatFloors([cell('GET 4 KiB', 'none', 8000), cell('GET 4 KiB', 'sse-kms', 7600)])
    expect(cellsOf(table).map((row) => row.slice(1, 8))).toEqual([
      ['GET 4 KiB', 'none', '8,000', '8,000', 'yes', '2,700', '2.96 x'],
      ['GET 4 KiB', 'sse-kms', '8,000', '7,600', 'no, 95 %', '1,540', '4.94 x'],
      ['GET 4 KiB: cost against none', 'sse-kms', '2 % more', '5.3 % more', 'no', '', ''],
    ])
  })

  it('have memory among them, and that it does not grow with each crowd of uploads', () => {
    const name = 'PUT 64 MiB, 64 at a time'
    const again = { ...cell(`${name}, again`, 'sse-kms', 600), peakMemoryBytes: 200 * 1_048_576 }
    const rows = cellsOf(formatFloors([cell(name, 'sse-kms', 600), again]))
    expect(rows.map((row) => row[5])).toEqual(['yes', 'no'])
  })

  it('are not there for cells that have none', () => {
    expect(formatFloors([cell('mixed 4 KiB', 'none', 1)])).toBeUndefined()
  })
})

describe('the text beside a curve', () => {
  const curve = (values: readonly number[]): string =>
    describeCurve({
      title: 't',
      unit: 'ms',
      points: values.map((value, at) => ({ label: `10^${at}`, value })),
      whyRising: 'It rises.',
      whyFalling: 'It falls.',
    })

  it('gives the reason of the direction in which it goes, and none where it is flat', () => {
    expect(curve([100, 110, 95])).toBe('Flat: between 95.0 and 110.')
    expect(curve([100, 150, 300])).toBe('3.00 times as high at 10^2 as at 10^0. It rises.')
    expect(curve([100, 90, 50])).toBe('Down to 50 % at 10^2 of what it is at 10^0. It falls.')
  })

  it('gives none where it comes back to where it began', () => {
    expect(curve([100, 200, 105])).toBe(
      'As high at 10^2 as at 10^0, between 100 and 200 on the way: it goes up and down, and not with what grows.',
    )
  })
})
