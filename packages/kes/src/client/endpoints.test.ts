import { describe, expect, it } from 'vitest'
import { EndpointPool, parseEndpoint, parseEndpoints } from './endpoints.ts'

describe('the address of a KES server', () => {
  it.each([
    ['127.0.0.1', 'https://127.0.0.1:7373'],
    ['kes.example', 'https://kes.example:7373'],
    ['kes.example:443', 'https://kes.example:443'],
    ['https://kes.example', 'https://kes.example:443'],
    ['http://kes.example:7373/', 'https://kes.example:7373'],
    ['https://[::1]:7373', 'https://[::1]:7373'],
    [' localhost:1 ', 'https://localhost:1'],
  ])('%j means %s', (text, url) => {
    expect(parseEndpoint(text).url).toBe(url)
  })

  it.each(['', 'ftp://x', 'https://', 'https://user:pw@host', 'https://host/path', 'host?x', 'host:99999'])(
    '%j is none',
    (text) => {
      expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'invalid-config' }))
    },
  )

  it('comes in lists and ranges', () => {
    expect(parseEndpoints('a:1,https://b{09...11}.x:{1...2}').map(({ url }) => url)).toEqual([
      'https://a:1',
      ...['09', '10', '11'].flatMap((host) => [`https://b${host}.x:1`, `https://b${host}.x:2`]),
    ])
    expect(() => parseEndpoints('a{2...1}')).toThrow('a range that is none')
    expect(() => parseEndpoints('a{1...999999999}')).toThrow('a range that is none')
  })
})

describe('a pool of KES servers', () => {
  const endpoints = ['a', 'b', 'c'].map(parseEndpoint)
  const hosts = (pool: EndpointPool): string =>
    pool
      .order()
      .map(({ host }) => host)
      .join('')

  it('takes its servers in turn, beginning anywhere', () => {
    const pool = new EndpointPool(endpoints, { now: () => 0, random: () => 0.5, isLocal: () => false })
    expect([hosts(pool), hosts(pool), hosts(pool), hosts(pool)]).toEqual(['bca', 'cab', 'abc', 'bca'])
  })

  it('asks the server of this machine first', () => {
    const pool = new EndpointPool(endpoints, { now: () => 0, random: () => 0, isLocal: (host) => host === 'b' })
    expect([hosts(pool), hosts(pool)]).toEqual(['bac', 'bca'])
  })

  it('lets one request try a server that has rested', () => {
    let time = 0
    const pool = new EndpointPool(endpoints, { now: () => time, random: () => 0, isLocal: () => false })
    const [a] = endpoints
    if (a !== undefined) pool.report(a, false)
    expect(hosts(pool)).toBe('bc')
    time = 30_000
    expect(hosts(pool)).toContain('a')
    expect(hosts(pool)).not.toContain('a')
    if (a !== undefined) pool.report(a, true)
    expect(hosts(pool)).toContain('a')
  })
})
