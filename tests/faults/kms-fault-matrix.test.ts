/**
 * The KMS fault matrix (issue 4 section 1): every way to fail × every S3 operation × every encryption mode, whole and
 * multipart. What is observed is compared with what DESIGN 1 promises 5 and 6 call for, and with the page
 * docs/reference/kms-faults.md, which `npm run matrices` writes.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { operationNames } from '@strongroom/operations'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FaultResponse, FaultServer } from '../support/kms-faults/fault-server.ts'
import { type Fault, faults } from '../support/kms-faults/faulty-kms.ts'
import { type Cell, cellsOf, type Need, prepareBuckets, type Row, rows } from '../support/kms-faults/matrix.ts'
import { describeFaults, goesOn, type Observation } from '../support/kms-faults/page.ts'

const pageFile = resolve(import.meta.dirname, '../../docs/reference/kms-faults.md')
const faultNames = Object.keys(faults) as Fault[]

/** Longer than any refusal takes, on a machine that is busy with other things. */
const longestMs = 5_000

const unavailable = '503 ServiceUnavailable'

/** What a request that needs the key is answered, by fault: to read, and to write. */
const promised: Readonly<Record<Fault, Readonly<Record<Exclude<Need, 'nothing'>, string>>>> = {
  down: { read: unavailable, write: unavailable },
  slow: { read: unavailable, write: unavailable },
  flapping: { read: `${unavailable}, then goes on`, write: `${unavailable}, then goes on` },
  malformed: { read: '500 InternalError', write: '500 InternalError' },
  'wrong key': { read: '500 InternalError', write: goesOn },
  missing: { read: '403 AccessDenied', write: '400 KMS.NotFoundException' },
  locked: { read: '400 KMS.DisabledException', write: '400 KMS.DisabledException' },
  'pending deletion': { read: '400 KMS.KMSInvalidStateException', write: '400 KMS.KMSInvalidStateException' },
  denied: { read: '403 AccessDenied', write: '403 AccessDenied' },
}

function promisedFor(fault: Fault, { need }: Row, { mode }: Cell): string {
  if (need === 'nothing' || mode === 'none' || mode === 'SSE-C') return goesOn
  // Two data keys need two answers in a row, which a service that refuses every second call never gives.
  if (fault === 'flapping' && mode === 'DSSE-KMS' && need === 'write') return `${unavailable}, then ${unavailable}`
  return promised[fault][need]
}

interface Prepared {
  readonly rowName: string
  readonly row: Row
  readonly cell: Cell
  readonly token: string
}

let server: FaultServer
const observed = new Map<
  string,
  { readonly place: Omit<Observation, 'answers'>; readonly answers: Map<Fault, string> }
>()

beforeAll(async () => {
  server = await FaultServer.start()
  await prepareBuckets(server)
})

afterAll(async () => {
  await server?.stop()
})

function textOf({ status, code }: FaultResponse, row?: Row): string {
  const text = code === '' && status < 300 ? goesOn : `${status} ${code}`
  return text === row?.answers ? goesOn : text
}

/** What is answered, and what to a second try where the first was refused for the time being. */
async function ask({ row, cell, token }: Prepared, fault: Fault): Promise<string> {
  const first = await server.send(row.request(cell, token))
  const text = textOf(first, row)
  if (text === goesOn) return row.wrong?.(first, cell) ?? goesOn
  if (text === unavailable) expect(Number(first.headers['retry-after'])).toBeGreaterThan(0)
  // Not one byte of content with a refusal.
  expect(first.body.length).toBeLessThan(2_000)
  if (fault !== 'flapping') return text
  // A request may need two calls, each of which may be the one that is refused.
  for (let tries = 1; ; tries += 1) {
    const again = await server.send(row.request(cell, token))
    const then = row.wrong?.(again, cell) ?? textOf(again)
    if (then !== unavailable || tries === 3) return `${text}, then ${then}`
  }
}

async function prepareAll(fault: string): Promise<Prepared[]> {
  server.kms.begin(undefined)
  server.skipTime()
  const prepared: Prepared[] = []
  for (const [rowName, row] of Object.entries(rows)) {
    for (const cell of cellsOf(rowName, row, fault)) {
      prepared.push({ rowName, row, cell, token: (await row.prepare?.(server, cell)) ?? '' })
    }
  }
  return prepared
}

describe('while the key service fails', () => {
  it('has a row for every operation', () => {
    const named = new Set(Object.keys(rows).map((name) => name.split(' / ')[0]))
    expect([...named].sort()).toEqual([...operationNames])
  })

  it('all operations work while it does not', async () => {
    for (const { row, rowName, cell, token } of await prepareAll('none')) {
      const response = await server.send(row.request(cell, token))
      expect([rowName, cell.mode, textOf(response, row), row.wrong?.(response, cell)]).toEqual([
        rowName,
        cell.mode,
        goesOn,
        undefined,
      ])
    }
  })

  it.each(faultNames)(
    '%s: what needs the key is refused as promised, the rest goes on, and nothing is lost',
    async (fault) => {
      const prepared = await prepareAll(fault)
      const surprises: unknown[] = []
      for (const each of prepared) {
        const { row, rowName, cell } = each
        server.kms.begin(fault)
        // What was known of keys and data keys does not hide what the fault is.
        server.skipTime()
        const started = performance.now()
        const answer = await ask(each, fault)
        const took = performance.now() - started
        if (took > longestMs) surprises.push([rowName, cell.mode, `took ${took} ms`])
        const right = promisedFor(fault, row, cell)
        if (answer !== right) surprises.push([rowName, cell.mode, cell.shape, answer, `promised: ${right}`])
        const id = `${rowName} ${cell.mode} ${cell.shape}`
        const known = observed.get(id) ?? { place: { row: rowName, ...cell }, answers: new Map<Fault, string>() }
        observed.set(id, known)
        known.answers.set(fault, answer)
      }
      expect(surprises).toEqual([])
      await expectRecovery(prepared)
    },
    120_000,
  )

  it('the page says what was observed', async () => {
    const observations = [...observed.values()].map(({ place, answers }) => ({ ...place, answers }))
    const page = describeFaults(observations)
    if (process.env.STRONGROOM_WRITE_MATRICES === 'on') await writeFile(pageFile, page)
    expect(await readFile(pageFile, 'utf8')).toBe(page)
  })
})

/** The same requests, without a restart: what was refused succeeds. */
async function expectRecovery(prepared: readonly Prepared[]): Promise<void> {
  server.kms.begin(undefined)
  server.skipTime()
  const stillWrong: unknown[] = []
  for (const { row, rowName, cell, token } of prepared) {
    const isDone = row.need === 'nothing' || rowName === 'CompleteMultipartUpload'
    if (isDone && observed.get(`${rowName} ${cell.mode} ${cell.shape}`) !== undefined && row.need === 'nothing')
      continue
    const response = await server.send(row.request(cell, token))
    const answer = row.wrong?.(response, cell) ?? textOf(response)
    if (answer !== goesOn) stillWrong.push([rowName, cell.mode, cell.shape, answer])
  }
  expect(stillWrong).toEqual([])
  const { findings, skipped } = await server.fsck()
  expect(findings).toEqual([])
  expect(skipped.map(({ reason }) => reason)).toEqual(['client-held'])
}
