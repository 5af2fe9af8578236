/**
 * Object names: any UTF-8 up to 1,024 bytes, taken as it is (issue: `..`, `//`, leading slash, spaces, `+`, control
 * characters, 4-byte characters, names that are prefixes of others).
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digest } from '../support/pattern.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'names'
let server: TestServer

/** One of its own for each name; names are no secret, contents are. */
const contentOf = (name: string): string => `content of ${digest(Buffer.from(name))}`

const names = [
  'a',
  'a/',
  'a/b',
  'a//b',
  '/leading',
  '//',
  '..',
  '../..',
  'x/../y',
  'x/./y',
  '.',
  'with space',
  ' edges ',
  'a+b',
  'a%2Bb',
  'a%',
  'question?mark',
  'hash#mark',
  'amp&<>"\'',
  'tab\tline\nreturn\rbell\u0007',
  '\u0001',
  'ünïcödé',
  'e\u0301 is not é',
  '日本語',
  '😀/🔑',
  '\u{10ffff}',
  '\ufffe',
  'back\\slash',
  'star*',
  '~tilde',
  'x'.repeat(1024),
  '€'.repeat(341),
  'a'.repeat(255),
]

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
  for (const name of names) {
    const answer = await server.raw.send({ method: 'PUT', bucket, name, body: contentOf(name) })
    expect([name, answer.status, answer.text]).toEqual([name, 200, ''])
  }
})

afterAll(async () => {
  await server?.stop()
})

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('object names', () => {
  it('each lead to their own object', async () => {
    for (const name of names) {
      const answer = await server.raw.send({ method: 'GET', bucket, name })
      expect([name, answer.status, answer.text]).toEqual([name, 200, contentOf(name)])
    }
  })

  it('are listed in the order of their UTF-8 bytes, encoded on request', async () => {
    const answer = await server.raw.send({ method: 'GET', bucket, query: { 'list-type': '2', 'encoding-type': 'url' } })
    expect(answer.element('EncodingType')).toBe('url')
    const listed = answer.elements('Key').map((key) => decodeURIComponent(key.replaceAll('+', ' ')))
    expect(listed).toEqual([...names].sort(byBytes))
  })

  it('are listed as they are where XML can say them', async () => {
    const sayable = names.filter((name) => ![...name].some((character) => character < ' ' || character === '\ufffe'))
    for (const name of sayable) {
      const answer = await server.raw.send({
        method: 'GET',
        bucket,
        query: { 'list-type': '2', prefix: name, 'max-keys': '1' },
      })
      expect(answer.elements('Key')).toEqual([name])
    }
  })

  it('of more than 1,024 bytes are refused', async () => {
    for (const name of ['x'.repeat(1025), '€'.repeat(342)]) {
      const answer = await server.raw.send({ method: 'PUT', bucket, name, body: '' })
      expect([answer.status, answer.code]).toEqual([400, 'KeyTooLongError'])
    }
  })

  it('that are no UTF-8 or badly escaped are refused', async () => {
    for (const rawPath of [
      `/${bucket}/%ff`,
      `/${bucket}/%`,
      `/${bucket}/%4`,
      `/${bucket}/%c0%80`,
      `/${bucket}/%ed%a0%80`,
    ]) {
      const answer = await server.raw.send({ method: 'GET', rawPath })
      expect([rawPath, answer.status, answer.code]).toEqual([rawPath, 400, 'InvalidURI'])
    }
  })
})

describe('bucket names', () => {
  const refused = [
    'ab',
    'x'.repeat(64),
    'Upper',
    'under_score',
    '1.2.3.4',
    '-a-',
    'a..b',
    'xn--abc',
    'abc-s3alias',
    'a b c',
  ]
  it.each(refused)('%s is refused', async (name) => {
    const answer = await server.raw.send({ method: 'PUT', bucket: name })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidBucketName'])
  })

  it('of 3 to 63 characters with dots and dashes are taken', async () => {
    for (const name of ['abc', 'x'.repeat(63), 'a.b-c.1', '1-2']) {
      expect((await server.raw.send({ method: 'PUT', bucket: name })).status).toBe(200)
      expect((await server.raw.send({ method: 'DELETE', bucket: name })).status).toBe(204)
    }
  })

  it('lead to buckets as a host too, where the server has a domain', async () => {
    const host = `${bucket}.s3.test.example`
    const answer = await server.raw.send({ method: 'GET', rawPath: '/a/b', host })
    expect([answer.status, answer.text]).toEqual([200, contentOf('a/b')])
    const listed = await server.raw.send({ method: 'GET', rawPath: '/', query: { 'max-keys': '1' }, host })
    expect(listed.element('Name')).toBe(bucket)
  })
})
