/**
 * Host names and ClientHellos: hostile input.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LONGEST_CLIENT_HELLO, readClientHello } from './client-hello.ts'
import { resolveLimits, sweepIntervalMs } from './limits.ts'
import { isHost } from './request-guard.ts'

describe('isHost', () => {
  it.each([
    'a',
    'a.b:9000',
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]',
    '[2001:db8::1]:443',
    'bucket.s3.example.org',
    'a_b',
    'a:',
  ])('takes %j', (host) => {
    expect(isHost(host)).toBe(true)
  })
  it.each([
    '',
    ':80',
    'a:b',
    'a:123456',
    'a b',
    'a/b',
    'a@b',
    'a?b',
    'a#b',
    '[::1',
    '[]',
    '[g::1]',
    '[::1]x',
    'ä',
    'a:1:2',
    'a'.repeat(300),
  ])('refuses %j', (host) => {
    expect(isHost(host)).toBe(false)
  })
})

/** A ClientHello with the extensions given (RFC 8446 4.1.2). */
function clientHello(extensions: Uint8Array, sessionId = new Uint8Array(32)): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([sessionId.length]),
    sessionId,
    Buffer.from([0, 2, 0x13, 1, 1, 0]),
    u16(extensions.length),
    extensions,
  ])
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
  return Buffer.concat([Buffer.from([0x16, 3, 1]), u16(handshake.length), handshake])
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

function extension(type: number, data: Uint8Array): Buffer {
  return Buffer.concat([u16(type), u16(data.length), data])
}

function serverName(name: string): Buffer {
  const entry = Buffer.concat([Buffer.from([0]), u16(name.length), Buffer.from(name)])
  return extension(0, Buffer.concat([u16(entry.length), entry]))
}

describe('readClientHello', () => {
  it('finds the name behind other extensions, in lower case', () => {
    const hello = clientHello(Buffer.concat([extension(43, Buffer.from([2, 3, 4])), serverName('A.Example')]))
    expect(readClientHello(hello)).toEqual({ kind: 'hello', servername: 'a.example' })
  })

  it('knows a hello without a name', () => {
    expect(readClientHello(clientHello(new Uint8Array(0)))).toEqual({ kind: 'hello', servername: undefined })
  })

  it('asks for more until the record is whole', () => {
    const hello = clientHello(serverName('a.example'))
    for (let at = 0; at < hello.length; at += 1) {
      expect(readClientHello(hello.subarray(0, at))).toEqual({ kind: 'incomplete' })
    }
  })

  it('knows plain HTTP by its first byte', () => {
    expect(readClientHello(Buffer.from('G'))).toEqual({ kind: 'not-tls' })
  })

  it('never throws, never waits for more than a record, and never finds a name that was not sent', () => {
    const hello = clientHello(serverName('a.example'))
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.nat(255), fc.uint8Array(), (at, value, tail) => {
        const bytes = Buffer.concat([hello, tail])
        bytes[at] = value
        const result = readClientHello(bytes)
        if (result.kind === 'hello' && result.servername !== undefined) {
          expect(bytes.toString('latin1').toLowerCase()).toContain(result.servername)
        }
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 400 }), (bytes) => {
        const longest = Buffer.concat([Buffer.from([0x16]), bytes, Buffer.alloc(LONGEST_CLIENT_HELLO)])
        expect(readClientHello(longest).kind).toBe('hello')
      }),
    )
  })
})

describe('resolveLimits', () => {
  it('refuses limits that are not positive whole numbers', () => {
    for (const connections of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => resolveLimits({ connections })).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    }
  })

  it('looks at connections often enough for the shortest time-out, and no more than once in 5 ms', () => {
    expect(sweepIntervalMs(resolveLimits())).toBe(625)
    expect(sweepIntervalMs(resolveLimits({ idleTimeoutMs: 80 }))).toBe(10)
    expect(sweepIntervalMs(resolveLimits({ idleTimeoutMs: 1 }))).toBe(5)
  })
})
