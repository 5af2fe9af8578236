/**
 * Clocks that jump (issue 4, section 1): a server whose time goes forward and back by hours and days orders versions by their
 * writing, keeps what is being written, and takes signatures of its own time only, also across the border of a day.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { FaultServer } from '../support/fault-server.ts'
import type { RawRequest, RawResponse } from '../support/raw-client.ts'
import { contentOf } from './crash-operations.fixture.ts'

const bucket = 'clocks'
const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Forward and back, over the border of a day and of a year, and by little. */
const jumpsMs = [0, dayMs, -dayMs, 400 * dayMs, -400 * dayMs, 1, -5_000, 13 * hourMs, 0]

let data = ''
let server: FaultServer
let offsetMs = 0

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'strongroom-clocks-'))
  server = await FaultServer.start(data)
  await server.client.send({ method: 'PUT', bucket })
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await server.client.send({ method: 'PUT', bucket, query: { versioning: undefined }, body })
})

afterAll(async () => {
  await server.kill()
  await rm(data, { recursive: true, force: true })
})

async function jumpTo(toMs: number): Promise<void> {
  offsetMs = toMs
  await server.setClock(toMs)
}

/** Signed by a client whose clock is the server's, or off by some milliseconds. */
const send = (request: RawRequest, skewMs = 0): Promise<RawResponse> =>
  server.client.send({ ...request, now: () => Date.now() + offsetMs + skewMs })

it('versions are in the order of their writing, whatever the clock did between them', async () => {
  const written: string[] = []
  for (const [index, jumpMs] of jumpsMs.entries()) {
    await jumpTo(jumpMs)
    const answer = await send({ method: 'PUT', bucket, name: 'x', body: contentOf(index % 2 ? 100 : 20_000, index) })
    expect(answer.status).toBe(200)
    written.unshift(String(answer.headers['x-amz-version-id']))
    const current = await send({ method: 'GET', bucket, name: 'x' })
    expect(current.headers['x-amz-version-id']).toBe(written[0])
  }
  const listed = await send({ method: 'GET', bucket, query: { versions: undefined, prefix: 'x' } })
  expect(listed.elements('VersionId')).toEqual(written)
  expect(listed.elements('IsLatest')).toEqual(written.map((_, index) => String(index === 0)))
  expect(new Set(written).size).toBe(jumpsMs.length)
})

it('an upload that is under way is not taken for dead, nor its parts for garbage', async () => {
  await jumpTo(0)
  const created = await send({ method: 'POST', bucket, name: 'parts', query: { uploads: undefined } })
  const uploadId = created.element('UploadId') ?? ''
  const content = contentOf(200_000, 50)
  const query = { uploadId, partNumber: '1' }
  const part = await send({ method: 'PUT', bucket, name: 'parts', query, body: content })
  for (const jumpMs of jumpsMs) {
    await jumpTo(jumpMs)
    // With `repair` the check sweeps first.
    const check = await adminCall(data, 'fsck', { repair: true, verifyData: true })
    expect(Object(check?.result).findings).toEqual([])
  }
  const list = `<Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part>`
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
  await jumpTo(-dayMs)
  expect((await send({ method: 'POST', bucket, name: 'parts', query: { uploadId }, body })).status).toBe(200)
  expect((await send({ method: 'GET', bucket, name: 'parts' })).body.equals(content)).toBe(true)
})

it('a deletion of a bucket or a key that a jump makes look old is finished or refused, never half done', async () => {
  for (const [index, jumpMs] of jumpsMs.entries()) {
    const name = `clocks-${index}`
    expect((await send({ method: 'PUT', bucket: name })).status).toBe(200)
    await jumpTo(jumpMs)
    expect((await send({ method: 'DELETE', bucket: name })).status).toBe(204)
    expect((await adminCall(data, 'createKey', name))?.result).toBeDefined()
    expect((await adminCall(data, 'lockKey', name))?.result?.state).toBe('locked')
    expect((await adminCall(data, 'unlockKey', name))?.result?.state).toBe('enabled')
  }
})

it('a signature of the last second of a day counts in the first of the next, by its own date', async () => {
  const now = Date.now()
  const midnightMs = Math.ceil(now / dayMs) * dayMs
  await jumpTo(midnightMs + 200 - now)
  const get = { method: 'GET', bucket, name: 'x' }
  for (const skewMs of [-1_000, -14 * 60_000, 0]) expect((await send(get, skewMs)).status).toBe(200)
  expect((await send({ ...get, auth: 'query' }, -1_000)).status).toBe(200)
  // And the other way: the client is in the new day already.
  await jumpTo(midnightMs - 1_000 - (Date.now() - now) - now)
  expect((await send(get, 5_000)).status).toBe(200)
})

it('a clock that is off by more than a quarter of an hour is told so, and is good again when it was set right', async () => {
  await jumpTo(dayMs)
  const get = { method: 'GET', bucket, name: 'x' }
  for (const skewMs of [-dayMs, -16 * 60_000, 16 * 60_000, dayMs]) {
    const answer = await send(get, skewMs)
    expect([skewMs, answer.status, answer.code]).toEqual([skewMs, 403, 'RequestTimeTooSkewed'])
  }
  await jumpTo(0)
  expect((await send(get)).status).toBe(200)
})
