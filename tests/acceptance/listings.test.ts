/**
 * Listings: V1 and V2, prefixes, delimiters, markers, pages of every size, owners, and what they look like.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'listings'
const names = ['a', 'a/1', 'a/2', 'a/b/3', 'a0', 'b', 'b/', 'b/x', 'c&d', 'é', '日本/x', '日本/y']
let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
  for (const name of names) await server.raw.send({ method: 'PUT', bucket, name, body: name })
})

afterAll(async () => {
  await server?.stop()
})

type Query = Record<string, string>

const list = async (query: Query): Promise<RawResponse> => await server.raw.send({ method: 'GET', bucket, query })

/** Keys and common prefixes of a page in the order of the page's two lists. */
function page(answer: RawResponse): { keys: string[]; prefixes: string[] } {
  const prefixes = [...answer.text.matchAll(/<CommonPrefixes><Prefix>([^<]*)<\/Prefix><\/CommonPrefixes>/g)]
  return { keys: answer.elements('Key'), prefixes: prefixes.map((match) => match[1] ?? '') }
}

/** What a listing has to say, worked out from the names alone. */
function expected(prefix: string, delimiter: string): { keys: string[]; prefixes: string[] } {
  const keys: string[] = []
  const prefixes = new Set<string>()
  for (const name of [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (!name.startsWith(prefix)) continue
    const found = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    if (found < 0) keys.push(name)
    else prefixes.add(name.slice(0, found + delimiter.length))
  }
  return { keys, prefixes: [...prefixes] }
}

const shapes: readonly (readonly [prefix: string, delimiter: string])[] = [
  ['', ''],
  ['', '/'],
  ['a', '/'],
  ['a/', '/'],
  ['b/', '/'],
  ['日', '/'],
  ['', '本'],
  ['', 'x'],
  ['none', '/'],
]

describe.each(shapes)('a listing of prefix %j with delimiter %j', (prefix, delimiter) => {
  const query: Query = { ...(prefix === '' ? {} : { prefix }), ...(delimiter === '' ? {} : { delimiter }) }

  it.each([1, 2, 3, 1000])('is whole in pages of %d, in V2', async (size) => {
    const found = { keys: [] as string[], prefixes: [] as string[] }
    let token: Query = {}
    for (let isLast = false; !isLast; ) {
      const answer = await list({ 'list-type': '2', 'max-keys': String(size), ...query, ...token })
      const { keys, prefixes } = page(answer)
      found.keys.push(...keys)
      found.prefixes.push(...prefixes)
      expect(answer.element('KeyCount')).toBe(String(keys.length + prefixes.length))
      expect(keys.length + prefixes.length).toBeLessThanOrEqual(size)
      isLast = answer.element('IsTruncated') === 'false'
      expect(answer.element('NextContinuationToken') === undefined).toBe(isLast)
      token = { 'continuation-token': answer.element('NextContinuationToken') ?? '' }
    }
    expect(found).toEqual(expected(prefix, delimiter))
  })

  it.each([1, 2, 1000])('is whole in pages of %d, in V1', async (size) => {
    const found = { keys: [] as string[], prefixes: [] as string[] }
    let marker: Query = {}
    for (let isLast = false; !isLast; ) {
      const answer = await list({ 'max-keys': String(size), ...query, ...marker })
      const { keys, prefixes } = page(answer)
      found.keys.push(...keys)
      found.prefixes.push(...prefixes)
      isLast = answer.element('IsTruncated') === 'false'
      // V1 names the next marker only when there is a delimiter: without one it is the last key.
      const next = answer.element('NextMarker')
      expect(next !== undefined).toBe(!isLast && delimiter !== '')
      marker = { marker: next ?? keys.at(-1) ?? '' }
    }
    expect(found).toEqual(expected(prefix, delimiter))
  })
})

describe('a listing', () => {
  it('begins after start-after, which need not exist', async () => {
    expect(page(await list({ 'list-type': '2', 'start-after': 'b' })).keys[0]).toBe('b/')
    expect(page(await list({ 'list-type': '2', 'start-after': 'a/zzz' })).keys[0]).toBe('a0')
  })

  it('echoes what was asked for', async () => {
    const answer = await list({ 'list-type': '2', prefix: 'a', delimiter: '/', 'max-keys': '1', 'start-after': 'A' })
    const echoed = ['Name', 'Prefix', 'Delimiter', 'MaxKeys', 'StartAfter'].map((name) => answer.element(name))
    expect(echoed).toEqual([bucket, 'a', '/', '1', 'A'])
    expect(answer.headers['content-type']).toBe('application/xml')
  })

  it('of no keys is empty, not truncated', async () => {
    const answer = await list({ 'list-type': '2', 'max-keys': '0' })
    expect([answer.element('KeyCount'), answer.element('IsTruncated')]).toEqual(['0', 'false'])
  })

  it('names owners when asked to, and always in V1', async () => {
    expect((await list({ 'list-type': '2' })).element('ID')).toBeUndefined()
    expect((await list({ 'list-type': '2', 'fetch-owner': 'true' })).element('ID')).toMatch(/^[0-9a-f]{64}$/)
    expect((await list({})).element('ID')).toMatch(/^[0-9a-f]{64}$/)
  })

  it('refuses impossible parameters', async () => {
    const wrong: readonly Query[] = [
      { 'max-keys': '-1' },
      { 'max-keys': 'many' },
      { 'list-type': '2', 'continuation-token': 'not one of ours' },
      { 'encoding-type': 'base64' },
    ]
    for (const query of wrong) {
      const answer = await list(query)
      expect([query, answer.status, answer.code]).toEqual([query, 400, 'InvalidArgument'])
    }
  })

  it('shows plaintext sizes and the entity tags that PUT gave, under every encryption', async () => {
    const wanted = new Map<string, string>()
    for (const [name, headers] of Object.entries({ default: {}, kms: sseKms(), customer: sseC(keyOne) })) {
      const answer = await server.raw.send({
        method: 'PUT',
        bucket,
        name: `z-${name}`,
        headers,
        body: 'x'.repeat(100_000),
      })
      wanted.set(`z-${name}`, String(answer.headers.etag))
    }
    const answer = await list({ 'list-type': '2', prefix: 'z-' })
    const etags = answer.elements('ETag')
    expect(answer.elements('Size')).toEqual(['100000', '100000', '100000'])
    expect(new Map(answer.elements('Key').map((key, index) => [key, etags[index]]))).toEqual(wanted)
    for (const name of wanted.keys()) await server.raw.send({ method: 'DELETE', bucket, name })
  })
})

describe('the listing of buckets', () => {
  it('has pages', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await server.raw.send({ method: 'PUT', bucket: name })
    const found: string[] = []
    let token: Query = {}
    for (let isLast = false; !isLast; ) {
      const answer = await server.raw.send({ method: 'GET', query: { prefix: 'page-', 'max-buckets': '2', ...token } })
      found.push(...answer.elements('Name'))
      token = { 'continuation-token': answer.element('ContinuationToken') ?? '' }
      isLast = answer.element('ContinuationToken') === undefined
    }
    expect(found).toEqual(['page-a', 'page-b', 'page-c'])
  })

  it('shows each account its own', async () => {
    const other = await server.accounts.createAccount('lister')
    const answer = await server.raw.send({ method: 'GET', credentials: other })
    expect([answer.status, answer.elements('Name')]).toEqual([200, []])
  })
})
