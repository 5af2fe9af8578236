/**
 * Conditional reads and writes, ranges, part numbers and response overrides.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'conditional'
const content = '0123456789'
let server: TestServer
let etag = ''
let modified = ''

type Headers = Readonly<Record<string, string>>

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
  etag = String((await server.raw.send({ method: 'PUT', bucket, name: 'ten', body: content })).headers.etag)
  modified = String((await server.raw.send({ method: 'HEAD', bucket, name: 'ten' })).headers['last-modified'])
  await server.raw.send({ method: 'PUT', bucket, name: 'empty', body: '' })
})

afterAll(async () => {
  await server?.stop()
})

const get = async (headers: Headers, name = 'ten'): Promise<RawResponse> =>
  await server.raw.send({ method: 'GET', bucket, name, headers })

const put = async (name: string, headers: Headers, body = 'new'): Promise<RawResponse> =>
  await server.raw.send({ method: 'PUT', bucket, name, headers, body })

describe('a conditional read', () => {
  const past = 'Tue, 01 Jan 2019 00:00:00 GMT'
  const other = '"00000000000000000000000000000000"'
  const cases = (): readonly (readonly [headers: Headers, status: number])[] => [
    [{ 'if-match': etag }, 200],
    [{ 'if-match': `${other}, ${etag}` }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': other }, 412],
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': other }, 200],
    [{ 'if-modified-since': past }, 200],
    [{ 'if-modified-since': modified }, 304],
    [{ 'if-unmodified-since': past }, 412],
    [{ 'if-unmodified-since': modified }, 200],
    // The entity tag decides where both are given (RFC 9110 13.2.2, as S3 documents it).
    [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
    [{ 'if-none-match': etag, 'if-modified-since': past }, 304],
  ]

  it('answers 200, 304 or 412, GET and HEAD alike', async () => {
    for (const method of ['GET', 'HEAD']) {
      for (const [headers, status] of cases()) {
        const answer = await server.raw.send({ method, bucket, name: 'ten', headers })
        expect([method, headers, answer.status]).toEqual([method, headers, status])
        if (status !== 200) expect(answer.text).not.toContain(content)
        if (status === 304) expect([answer.text, answer.headers.etag]).toEqual(['', etag])
      }
    }
  })

  it('names the condition that failed', async () => {
    const answer = await get({ 'if-match': other })
    expect([answer.code, answer.element('Condition')]).toEqual(['PreconditionFailed', 'If-Match'])
  })
})

describe('a conditional write', () => {
  it('makes an object only where there is none', async () => {
    expect((await put('once', { 'if-none-match': '*' }, 'first')).status).toBe(200)
    const second = await put('once', { 'if-none-match': '*' }, 'second')
    expect([second.status, second.code]).toEqual([412, 'PreconditionFailed'])
    expect((await get({}, 'once')).text).toBe('first')
  })

  it('replaces an object only if it is the one that is meant', async () => {
    const first = String((await put('replace', {}, 'first')).headers.etag)
    const second = await put('replace', { 'if-match': first }, 'second')
    expect(second.status).toBe(200)
    expect((await put('replace', { 'if-match': first }, 'third')).status).toBe(412)
    const missing = await put('never', { 'if-match': first })
    expect([missing.status, missing.code]).toEqual([404, 'NoSuchKey'])
  })

  it('lets one of many writers at a time make the object', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => await put('race', { 'if-none-match': '*' }, `writer ${writer}`)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses[0]).toBe(200)
    expect(statuses.slice(1).every((status) => status === 412 || status === 409)).toBe(true)
  })

  it('counts for the completion of an upload too', async () => {
    await put('completed', {}, 'there already')
    const query = { uploads: undefined }
    const created = await server.raw.send({ method: 'POST', bucket, name: 'completed', query })
    const uploadId = created.element('UploadId') ?? ''
    const part = await server.raw.send({
      method: 'PUT',
      bucket,
      name: 'completed',
      query: { uploadId, partNumber: '1' },
      body: 'part',
    })
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    const complete = { method: 'POST', bucket, name: 'completed', query: { uploadId }, body }
    const refused = await server.raw.send({ ...complete, headers: { 'if-none-match': '*' } })
    expect([refused.status, refused.code]).toEqual([412, 'PreconditionFailed'])
    expect((await server.raw.send(complete)).status).toBe(200)
  })

  it('does not take both at once', async () => {
    const answer = await put('other', { 'if-match': etag, 'if-none-match': '*' })
    expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
  })
})

describe('a range', () => {
  const cases: readonly (readonly [range: string, status: number, text: string, contentRange: string | undefined])[] = [
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-100', 206, content, 'bytes 0-9/10'],
    ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
    ['bytes=5-2', 200, content, undefined],
    ['bytes=a-b', 200, content, undefined],
    ['lines=1-2', 200, content, undefined],
    ['bytes=0-1,3-4', 200, content, undefined],
  ]
  it.each(cases)('%s answers %d', async (range, status, text, contentRange) => {
    const answer = await get({ range })
    expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([status, text, contentRange])
    expect(answer.headers['content-length']).toBe(String(text.length))
  })

  it('is sent only while the object is the one that If-Range names', async () => {
    const range = 'bytes=2-4'
    for (const value of [etag, modified]) expect((await get({ range, 'if-range': value })).status).toBe(206)
    for (const value of [`W/${etag}`, '"other"', 'Tue, 01 Jan 2019 00:00:00 GMT']) {
      const answer = await get({ range, 'if-range': value })
      expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([200, content, undefined])
    }
    expect((await get({ range, 'if-range': etag, 'if-match': '"other"' })).status).toBe(412)
  })

  it('outside of the object is not satisfiable', async () => {
    for (const [name, range] of [
      ['ten', 'bytes=10-'],
      ['ten', 'bytes=-0'],
      ['empty', 'bytes=0-0'],
    ] as const) {
      const answer = await get({ range }, name)
      expect([name, range, answer.status, answer.code]).toEqual([name, range, 416, 'InvalidRange'])
    }
    expect((await get({ range: 'bytes=10-' })).element('ActualObjectSize')).toBe('10')
  })

  it('and a part number do not go together', async () => {
    const answer = await server.raw.send({
      method: 'GET',
      bucket,
      name: 'ten',
      query: { partNumber: '1' },
      headers: { range: 'bytes=0-1' },
    })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })
})

describe('response overrides', () => {
  const query = {
    'response-content-type': 'text/y',
    'response-content-disposition': 'attachment; filename="x"',
    'response-cache-control': 'no-store',
    'response-content-language': 'de',
    'response-content-encoding': 'x-none',
    'response-expires': 'Thu, 01 Dec 1994 16:00:00 GMT',
  }

  it('take the place of the stored headers', async () => {
    const answer = await server.raw.send({ method: 'GET', bucket, name: 'ten', query })
    expect([answer.status, answer.text]).toEqual([200, content])
    for (const [name, value] of Object.entries(query)) {
      expect(answer.headers[name.slice('response-'.length)]).toBe(value)
    }
  })

  it('cannot smuggle a line break into the headers', async () => {
    const injected = { 'response-content-type': 'text/x\r\nx-injected: yes' }
    const answer = await server.raw.send({ method: 'GET', bucket, name: 'ten', query: injected })
    expect(answer.headers['x-injected']).toBeUndefined()
    expect(answer.status).toBe(400)
  })
})
