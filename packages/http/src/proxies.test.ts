/**
 * Trusted proxies: who is believed, and how much.
 *
 * @module
 */

import { describe, expect, it } from 'vitest'
import { TrustedProxies } from './proxies.ts'

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])
const plain = (remoteAddress: string, secure = false) => ({ remoteAddress, secure })

describe('TrustedProxies', () => {
  it('believes nothing from a peer that is not trusted', () => {
    const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }
    expect(proxies.resolve(plain('198.51.100.1'), headers)).toEqual(plain('198.51.100.1'))
    expect(new TrustedProxies([]).resolve(plain('10.1.1.1'), headers)).toEqual(plain('10.1.1.1'))
  })

  it.each([
    ['one address', '203.0.113.9', '203.0.113.9'],
    ['trusted proxies to the right', '203.0.113.9, 10.2.2.2, 192.0.2.7', '203.0.113.9'],
    ['an address that the client made up', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['only trusted proxies', '10.3.3.3, 10.2.2.2', '10.3.3.3'],
    ['a port', '203.0.113.9:4711', '203.0.113.9'],
    ['IPv6', '2001:db8::1', '2001:db8::1'],
    ['IPv6 with a port', '[2001:db8::1]:4711, fd00::2', '2001:db8::1'],
    ['IPv4-mapped IPv6', '203.0.113.9, ::ffff:10.9.9.9', '203.0.113.9'],
    ['no address', 'unknown', '10.1.1.1'],
    ['no address behind a proxy', '203.0.113.9, _hidden, 10.2.2.2', '10.2.2.2'],
    ['an empty header', '', '10.1.1.1'],
  ])('takes the right-most address that is not trusted: %s', (_title, header, expected) => {
    expect(proxies.resolve(plain('10.1.1.1'), { 'x-forwarded-for': header }).remoteAddress).toBe(expected)
  })

  it.each([
    ['https', false, true],
    ['HTTPS', false, true],
    ['http', true, false],
    ['https, http', false, false],
    ['https,https', false, true],
    ['wss', false, false],
    ['', true, true],
    [undefined, true, true],
    [undefined, false, false],
  ])('reads X-Forwarded-Proto %j on a connection with secure %j as %j', (header, secure, expected) => {
    const headers = header === undefined ? {} : { 'x-forwarded-proto': header }
    expect(proxies.resolve(plain('::ffff:10.1.1.1', secure), headers).secure).toBe(expected)
  })

  it.each(['10.0.0.0/33', 'fd00::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0', 'proxy.test', '', '10.0.0.0/-1'])(
    'refuses the range %j',
    (range) => {
      expect(() => new TrustedProxies([range])).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    },
  )
})
