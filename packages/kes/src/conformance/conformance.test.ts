/**
 * All 354 recorded requests, over real mTLS, against servers that were started from the recorded configurations.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordedServers } from './recorded-servers.ts'
import { formatReport } from './report.ts'
import type { RowResult } from './run.ts'
import { readWireData, type WireData } from './wire-data.ts'

let data: WireData
let servers: RecordedServers
const all: RowResult[] = []

beforeAll(async () => {
  data = await readWireData(fileURLToPath(new URL('../../testdata/kes', import.meta.url)))
  servers = await RecordedServers.open(data)
})

afterAll(() => servers.close())

describe('a server with a recorded configuration answers as real KES did', () => {
  it.each([
    ['main', 281],
    ['skip', 29],
    ['auth-on', 12],
    ['auth-on-skip', 12],
    ['no-admin', 4],
    ['proxy', 3],
    ['down', 13],
  ])('%s: %i rows', async (name, rows) => {
    const results = await servers.replay(name)
    all.push(...results)
    expect(results).toHaveLength(rows)
    const wrong = results.filter(({ kind }) => kind === 'wrong').map(({ row, detail }) => `${row.id}: ${detail}`)
    expect(wrong).toEqual([])
    // A deviation that is none any more has to go.
    const listed = data.deviations.filter(({ id }) => data.rows.some((row) => row.id === id && row.server === name))
    expect(results.filter(({ kind }) => kind === 'deviates').map(({ row }) => row.id)).toEqual(
      expect.arrayContaining(listed.map(({ id }) => id)),
    )
  })

  it('sums up in a table', () => {
    const report = formatReport(all)
    expect(report).toMatch(/total +354 +\d+ +\d+ +0\n/)
    for (const { id } of data.deviations) expect(report).toContain(id)
  })
})
