/**
 * Errors of the operating system at every step of every operation (issue 4, section 1): a clear error or a whole success,
 * nothing half-written, the same operation works right afterwards in the same process, and no file handle is left open.
 *
 * @module
 */

import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { type FaultPlan, FaultServer } from '../support/fault-server.ts'
import { judge } from './crash-campaign.fixture.ts'
import {
  type CrashOperation,
  contentOf,
  crashOperations,
  plainBucket,
  type Site,
  versionedBucket,
} from './crash-operations.fixture.ts'

/** Set by `npm run crash-matrix`: every step with every code, instead of every third step with one. */
const isFull = process.env.INJECTED_FAULTS === 'full'

const codes = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'] as const

let data = ''
let server: FaultServer
let attempts = 0

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'strongroom-faults-'))
  server = await FaultServer.start(data)
  for (const bucket of [plainBucket, versionedBucket]) await server.client.send({ method: 'PUT', bucket })
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await server.client.send({ method: 'PUT', bucket: versionedBucket, query: { versioning: undefined }, body })
})

afterAll(async () => {
  await server.kill()
  await rm(data, { recursive: true, force: true })
})

/** Sweeps, and expects that nothing is wrong. */
async function expectClean(what: string): Promise<void> {
  // With `repair` the check begins with a sweep; what is repaired is a finding all the same.
  const check = await adminCall(data, 'fsck', { repair: true, verifyData: true })
  expect(Object(check?.result).findings, what).toEqual([])
}

async function prepared(operation: CrashOperation): Promise<Site> {
  attempts += 1
  const site: Site = { server, data, tag: `fault-${attempts}`, notes: new Map() }
  await operation.prepare(site)
  return site
}

/** An answer on the way, to which every step of the operation before it belongs. */
async function fails(site: Site, operation: CrashOperation, plan: FaultPlan): Promise<boolean> {
  await server.plan(plan)
  const isAcknowledged = await operation.act(site)
  await server.plan({ kind: 'off' })
  return isAcknowledged
}

const neverHit = 0

interface Fault {
  readonly index: number
  readonly step: string
  readonly code: string
}

function chosen(steps: readonly string[]): Fault[] {
  const all = steps.flatMap((step, index) => codes.map((code, turn) => ({ index, step, code, turn })))
  return isFull ? all : all.filter(({ index, turn }) => index % 3 === 1 && turn === ((index - 1) / 3) % codes.length)
}

async function goThrough(operation: CrashOperation): Promise<number> {
  const clean = await prepared(operation)
  const before = await operation.observe(clean)
  await server.plan({ kind: 'fail', at: neverHit })
  expect(await operation.act(clean)).toBe(true)
  const { steps } = await server.plan({ kind: 'off' })
  const after = await operation.observe(clean)
  for (const { index, step, code } of chosen(steps)) {
    const what = `${operation.title}: ${code} at ${step}`
    const site = await prepared(operation)
    const isAcknowledged = await fails(site, operation, { kind: 'fail', at: index + 1, code })
    const found = await operation.observe(site)
    const verdict = judge(operation, found, before, after)
    expect(verdict, `${what}: ${found}`).not.toBe('wrong')
    if (isAcknowledged && operation.isInvisible !== true) expect(found, `${what}, acknowledged`).toEqual(after)
    if (verdict === 'old' && operation.isInvisible !== true) {
      expect(await operation.act(site), `${what}, again`).toBe(true)
      expect(await operation.observe(site), `${what}, again`).toEqual(after)
    }
  }
  await expectClean(operation.title)
  return steps.length
}

describe('an error of the operating system', () => {
  it('at any step of any operation leaves the old or the new, and no handle open', {
    timeout: isFull ? 3_600_000 : 120_000,
  }, async () => {
    // Once without faults: connections and caches have their handles then.
    for (const operation of crashOperations.slice(0, 4)) await operation.act(await prepared(operation))
    const { handlesOpen } = await server.report()
    let steps = 0
    for (const operation of crashOperations) {
      steps += await goThrough(operation)
      if (isFull) console.log(`${operation.title}: ${steps} steps so far`)
    }
    expect(steps).toBeGreaterThan(200)
    expect((await server.report()).handlesOpen).toBeLessThanOrEqual(handlesOpen + 2)
    await server.stop()
    server = await FaultServer.start(data)
    const check = await adminCall(data, 'fsck', { repair: false, verifyData: true })
    expect(Object(check?.result)).toMatchObject({ findings: [], withheld: 0 })
    expect(Object(check?.result).checked.blobsBeingWritten).toBeUndefined()
  })

  it.each([
    ['EIO', 503, 'ServiceUnavailable'],
    ['EMFILE', 503, 'ServiceUnavailable'],
    ['EACCES', 503, 'ServiceUnavailable'],
    ['ENOSPC', 507, 'XMinioStorageFull'],
  ])('%s while an object is written is answered %i %s, as long as it lasts', async (code, status, s3Code) => {
    const put = { method: 'PUT', bucket: plainBucket, name: `lasting-${code}`, body: contentOf(300_000, 5) }
    for (const only of [['create'], ['write'], ['sync']]) {
      await server.plan({ kind: 'fail', at: 1, isSticky: true, code, only })
      for (let i = 0; i < 3; i += 1) {
        const answer = await server.client.send(put)
        expect([only, answer.status, answer.code]).toEqual([only, status, s3Code])
      }
      await server.plan({ kind: 'off' })
    }
    const { status: absent } = await server.client.send({ method: 'HEAD', bucket: plainBucket, name: put.name })
    expect(absent).toBe(404)
    expect((await server.client.send(put)).status).toBe(200)
  })
})

describe('a medium that cannot be read', () => {
  const name = 'unreadable'
  const content = contentOf(3_000_000, 6)
  // Opening a directory is something that happens in the background.
  const isReadOfBlob = /^(?:open|read) blobs\/\w{16}\/\w\w\/\w{48}$/

  it('is an error before the first byte, or a broken connection, and never a short answer', async () => {
    await server.client.send({ method: 'PUT', bucket: plainBucket, name, body: content })
    const get = { method: 'GET', bucket: plainBucket, name }
    await server.plan({ kind: 'fail', at: neverHit })
    expect((await server.client.send(get)).body.equals(content)).toBe(true)
    const { steps } = await server.plan({ kind: 'off' })
    expect(steps.filter((step) => step.startsWith('read')).length).toBeGreaterThan(3)
    for (const index of steps.keys()) {
      await server.plan({ kind: 'fail', at: index + 1, code: 'EIO', only: ['open', 'read', 'close'] })
      const answer = await server.tried(get)
      const step = (await server.plan({ kind: 'off' })).steps[index] ?? ''
      // Undefined: the connection broke. What comes as a success is whole: only closing the file may have failed.
      if (answer?.status === 200) expect(answer.body.equals(content), step).toBe(true)
      else expect([undefined, 503], step).toContain(answer?.status)
      if (isReadOfBlob.test(step)) expect(answer?.status, step).not.toBe(200)
    }
    expect((await server.client.send(get)).body.equals(content)).toBe(true)
  })

  it('that gives other bytes than were written breaks the answer off, and what is intact can still be read', async () => {
    const rotten = 'rotten'
    await server.client.send({ method: 'PUT', bucket: plainBucket, name: rotten, body: content })
    await flipLastByte(await newestFile(join(data, 'blobs')))
    const get = { method: 'GET', bucket: plainBucket, name: rotten }
    const answer = await server.tried(get)
    expect([undefined, 500]).toContain(answer?.status)
    const first = await server.client.send({ ...get, headers: { range: 'bytes=0-99999' } })
    expect([first.status, first.body.equals(content.subarray(0, 100_000))]).toEqual([206, true])
    const last = await server.tried({ ...get, headers: { range: 'bytes=2999000-2999999' } })
    expect(last?.status).not.toBe(206)
    await server.client.send({ method: 'DELETE', bucket: plainBucket, name: rotten })
  })
})

async function newestFile(directory: string): Promise<string> {
  let newest = { path: '', mtimeMs: 0 }
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mtimeMs } = await stat(path)
    if (entry.isFile() && mtimeMs > newest.mtimeMs) newest = { path, mtimeMs }
  }
  return newest.path
}

async function flipLastByte(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, size - 1)
    await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, size - 1)
  } finally {
    await file.close()
  }
}
