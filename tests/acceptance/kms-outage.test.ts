/**
 * What goes on while the key service is cut off: listings, HEAD, DELETE and tagging in every mode; and what does not, which
 * answers 503 quickly (promises 5 and 6 of DESIGN 1; row 32 of the error catalogue).
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'outage'
const modes = { default: {}, 'sse-s3': sseS3, 'sse-kms': sseKms(), 'sse-c': sseC(keyOne) } as const
const read = (mode: string) => (mode === 'sse-c' ? sseC(keyOne) : {})
const contents = 'data'.repeat(30_000)
let server: TestServer

beforeAll(async () => {
  server = await startServer({ hasNoWorkers: true })
  await server.raw.send({ method: 'PUT', bucket })
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await server.raw.send({ method: 'PUT', bucket, query: { versioning: undefined }, body })
  for (const [mode, headers] of Object.entries(modes)) {
    for (const name of [mode, `${mode}-doomed`]) {
      expect((await server.raw.send({ method: 'PUT', bucket, name, headers, body: contents })).status).toBe(200)
    }
    await server.raw.send({ method: 'PUT', bucket, name: `${mode}-empty`, headers, body: '' })
    const created = await server.raw.send({
      method: 'POST',
      bucket,
      name: mode,
      query: { uploads: undefined },
      headers,
    })
    const uploadId = created.element('UploadId') ?? ''
    const query = { uploadId, partNumber: '1' }
    await server.raw.send({ method: 'PUT', bucket, name: mode, query, headers: read(mode), body: 'part' })
    uploads.set(mode, uploadId)
  }
  server.kms.cut()
})

const uploads = new Map<string, string>()

afterAll(async () => {
  await server?.stop()
})

describe('while the key service cannot be reached', () => {
  it('listings of every kind go on, with the entity tags', async () => {
    const queries = [{}, { 'list-type': '2' }, { versions: undefined }, { uploads: undefined }] as const
    for (const query of queries) {
      const answer = await server.raw.send({ method: 'GET', bucket, query })
      expect([query, answer.status]).toEqual([query, 200])
      expect(answer.elements('Key').length).toBeGreaterThanOrEqual(4)
    }
    expect((await server.raw.send({ method: 'GET' })).elements('Name')).toEqual([bucket])
  })

  it.each(Object.keys(modes))('HEAD, attributes, tags and parts of %s go on', async (mode) => {
    const headers = read(mode)
    const head = await server.raw.send({ method: 'HEAD', bucket, name: mode, headers })
    expect([head.status, head.headers['content-length']]).toEqual([200, String(contents.length)])
    const attributes = await server.raw.send({
      method: 'GET',
      bucket,
      name: mode,
      query: { attributes: undefined },
      headers: { ...headers, 'x-amz-object-attributes': 'ETag,ObjectSize' },
    })
    expect([attributes.status, attributes.element('ETag')]).toEqual([
      200,
      String(head.headers.etag).replaceAll('"', ''),
    ])
    const body = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
    expect(
      (await server.raw.send({ method: 'PUT', bucket, name: mode, query: { tagging: undefined }, body })).status,
    ).toBe(200)
    const tags = await server.raw.send({ method: 'GET', bucket, name: mode, query: { tagging: undefined } })
    expect([tags.status, tags.element('Value')]).toEqual([200, 'v'])
    const uploadId = uploads.get(mode) ?? ''
    const parts = await server.raw.send({ method: 'GET', bucket, name: mode, query: { uploadId } })
    expect([parts.status, parts.elements('Size')]).toEqual([200, ['4']])
  })

  it.each(Object.keys(modes))('DELETE of %s goes on', async (mode) => {
    expect((await server.raw.send({ method: 'DELETE', bucket, name: `${mode}-doomed` })).status).toBe(204)
    const uploadId = uploads.get(mode) ?? ''
    expect((await server.raw.send({ method: 'DELETE', bucket, name: mode, query: { uploadId } })).status).toBe(204)
  })

  it.each(['default', 'sse-s3', 'sse-kms'] as const)(
    'writing and reading %s is refused as unavailable, within seconds',
    async (mode) => {
      const started = performance.now()
      for (const request of [
        { method: 'PUT', bucket, name: 'new', headers: modes[mode], body: 'data' },
        { method: 'GET', bucket, name: mode },
      ]) {
        const answer = await server.raw.send(request)
        expect([answer.status, answer.code]).toEqual([503, 'ServiceUnavailable'])
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
      }
      expect(performance.now() - started).toBeLessThan(10_000)
    },
  )

  it("reading and writing under a client's own key goes on", async () => {
    const got = await server.raw.send({ method: 'GET', bucket, name: 'sse-c', headers: sseC(keyOne) })
    expect([got.status, got.text.length]).toEqual([200, contents.length])
    expect(
      (await server.raw.send({ method: 'PUT', bucket, name: 'new', headers: sseC(keyOne), body: 'x' })).status,
    ).toBe(200)
  })

  it('a conditional write that fails its condition says so', async () => {
    const headers = { ...sseKms(), 'if-none-match': '*' }
    expect((await server.raw.send({ method: 'PUT', bucket, name: 'sse-kms', headers, body: 'x' })).status).toBe(412)
  })

  it('nothing is lost: when it is back, everything can be read', async () => {
    server.kms.restore()
    for (const mode of Object.keys(modes)) {
      const got = await server.raw.send({ method: 'GET', bucket, name: mode, headers: read(mode) })
      expect([mode, got.status, got.text === contents]).toEqual([mode, 200, true])
    }
  })
})
