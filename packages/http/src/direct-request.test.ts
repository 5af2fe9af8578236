/**
 * Which requests are read directly, and that they are read as `node:http` reads them.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DirectReader } from './direct-request.ts'

const read = (text: string) => new DirectReader().read(Buffer.from(text, 'latin1'))
const HOST = 'Host: localhost:7373\r\n'
const whole = `POST /v1/key/generate/k HTTP/1.1\r\n${HOST}User-Agent: Go-http-client/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n10\r\n{"context":"AA"}\r\n0\r\n\r\n`

describe('a request that came whole', () => {
  it('is read with a body of one chunk, as Go sends it', () => {
    expect(read(whole)).toEqual({
      method: 'POST',
      target: '/v1/key/generate/k',
      rawHeaders: [
        ...['Host', 'localhost:7373', 'User-Agent', 'Go-http-client/1.1', 'Transfer-Encoding', 'chunked'],
        ...['Content-Type', 'application/json', 'Accept-Encoding', 'gzip'],
      ],
      hasBody: true,
      isWhole: true,
      body: Buffer.from('{"context":"AA"}'),
    })
  })

  it('is read with a body of a known length', () => {
    const request = read(`PUT /a%20b HTTP/1.1\r\nHOST:h\r\ncontent-length: \t2 \r\nConnection: Keep-Alive\r\n\r\nxy`)
    expect(request).toEqual({
      method: 'PUT',
      target: '/a%20b',
      rawHeaders: ['HOST', 'h', 'content-length', '2', 'Connection', 'Keep-Alive'],
      hasBody: true,
      isWhole: true,
      body: Buffer.from('xy'),
    })
  })

  it('is read with a query, and with all its headers as they were sent', () => {
    const headers = 'X-Amz-Meta-A: \t a  b \r\nx-amz-meta-a:\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b, c=d\r\n'
    expect(read(`HEAD /a!$&'()+,;=:@b?c=d%20&e+/?:@ HTTP/1.1\r\n${HOST}${headers}\r\n`)).toEqual({
      method: 'HEAD',
      target: "/a!$&'()+,;=:@b?c=d%20&e+/?:@",
      rawHeaders: [
        ...['Host', 'localhost:7373', 'X-Amz-Meta-A', 'a  b', 'x-amz-meta-a', ''],
        ...['Authorization', 'AWS4-HMAC-SHA256 Credential=a/b, c=d'],
      ],
      hasBody: false,
      isWhole: true,
      body: Buffer.alloc(0),
    })
  })

  it.each([
    ['', false],
    ['Content-Length: 0\r\n', false],
    ['Transfer-Encoding: chunked\r\n', true],
  ])('knows whether it has a body: %j', (header, hasBody) => {
    const end = hasBody ? '0\r\n\r\n' : ''
    expect(read(`GET /version HTTP/1.1\r\n${HOST}${header}\r\n${end}`)).toEqual({
      method: 'GET',
      target: '/version',
      rawHeaders: ['Host', 'localhost:7373', ...(header === '' ? [] : header.trim().split(': '))],
      hasBody,
      isWhole: true,
      body: Buffer.alloc(0),
    })
  })
})

describe('a request whose head came whole', () => {
  it('is read with what has come of a small body', () => {
    for (const begun of ['', 'x', 'xy']) {
      expect(read(`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\n${begun}`)).toEqual({
        method: 'PUT',
        target: '/a',
        rawHeaders: ['Host', 'localhost:7373', 'Content-Length', '3'],
        hasBody: true,
        isWhole: false,
        bodyBytes: 3,
        awaitsContinue: false,
        begun: Buffer.from(begun),
      })
    }
  })

  it('is read with what has come of a body of any length, where such bodies are taken', () => {
    const reader = new DirectReader(undefined, true)
    const readLarge = (text: string) => reader.read(Buffer.from(text, 'latin1'))
    const large = `PUT /a HTTP/1.1\r\n${HOST}Content-Length: 5368709120\r\n\r\n`
    expect(readLarge(`${large}${'x'.repeat(100_000)}`)).toMatchObject({ isWhole: false, bodyBytes: 5_368_709_120 })
    const whole = readLarge(`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`)
    expect(whole?.isWhole === true && whole.body.length).toBe(100_000)
    expect(readLarge(`PUT /a HTTP/1.1\r\n${HOST}Content-Length: ${'9'.repeat(16)}\r\n\r\n`)).toBeUndefined()
    expect(readLarge(`GET / HTTP/1.1\r\n${HOST}a: ${'b'.repeat(100_000)}\r\n\r\n`)).toBeUndefined()
    const waiting = (headers: string) => readLarge(`PUT /a HTTP/1.1\r\n${HOST}${headers}\r\n`)
    expect(waiting('Expect: 100-Continue\r\nContent-Length: 1\r\n')).toMatchObject({ awaitsContinue: true })
    for (const expectation of ['100-continue', '100-continue\r\nExpect: 100-continue', '200-ok', '']) {
      const length = expectation === '100-continue' ? 0 : 1
      expect(waiting(`Expect: ${expectation}\r\nContent-Length: ${length}\r\n`)).toBeUndefined()
    }
  })
})

describe('a head that is longer than node:http takes', () => {
  it('is left to node:http', () => {
    const head = `GET / HTTP/1.1\r\n${HOST}\r\n`
    expect(new DirectReader(head.length).read(Buffer.from(head))).toBeDefined()
    for (const shorter of [1, 2, 3]) {
      expect(new DirectReader(head.length - shorter).read(Buffer.from(head))).toBeUndefined()
    }
  })
})

describe('a head that came before on the connection', () => {
  const put = (target: string, length: string, body: string): Buffer =>
    Buffer.from(`PUT ${target} HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n${body}`)

  it('means the same again, with a body of its own, and nothing for another head', () => {
    const reader = new DirectReader()
    for (const body of ['ab', 'cd'])
      expect(reader.read(put('/a', '2', body))).toMatchObject({ body: Buffer.from(body) })
    expect(reader.read(put('/a', '2', 'abc'))).toBeUndefined()
    expect(reader.read(put('/b', '2', 'ef'))).toMatchObject({ target: '/b', body: Buffer.from('ef') })
    expect(reader.read(put('/b', '3', 'efg'))).toMatchObject({ body: Buffer.from('efg') })
    expect(reader.read(put('/b', '3', 'efg').subarray(0, 20))).toBeUndefined()
    expect(reader.read(Buffer.from(`GET /b HTTP/1.1\r\n${HOST}\r\n`))).toMatchObject({ method: 'GET', hasBody: false })
  })

  it('is read in a reader that has seen others as in a new one', () => {
    const reader = new DirectReader()
    const messages = ['/a', '/b'].flatMap((target) => [put(target, '2', 'ab'), put(target, '3', 'abc')])
    const message = fc
      .tuple(fc.constantFrom(...messages), fc.nat(60), fc.option(fc.nat(255)))
      .map(([original, at, byte]) => {
        const bytes = Buffer.from(original)
        if (byte !== null) bytes[at] = byte
        return bytes
      })
    fc.assert(
      fc.property(message, (bytes) => {
        expect(reader.read(bytes)).toEqual(new DirectReader().read(bytes))
      }),
    )
  })
})

/** Each is for node:http, which waits for more of it, refuses it, or does what is not done here. */
const left: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['another method', `OPTIONS / HTTP/1.1\r\n${HOST}\r\n`],
  ['a method in lower case', `get / HTTP/1.1\r\n${HOST}\r\n`],
  ['an empty line before', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['another version', `GET / HTTP/1.0\r\n${HOST}\r\n`],
  ['two spaces', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
  ['a tab for a space', `GET /\tHTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target', `GET http://localhost/ HTTP/1.1\r\n${HOST}\r\n`],
  ['the target of all', `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['a byte that a query does not have', `GET /a?b=<c> HTTP/1.1\r\n${HOST}\r\n`],
  ['a fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['a byte that is not ASCII in the target', `GET /\u00e4 HTTP/1.1\r\n${HOST}\r\n`],
  ['NUL in the target', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  ['a host that is none', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['an empty host', 'GET / HTTP/1.1\r\nHost: \r\n\r\n'],
  ['line feeds alone', `GET / HTTP/1.1\nHost: h\n\n`],
  ['a line feed alone in a header', `GET / HTTP/1.1\r\n${HOST}a: b\n\r\n`],
  ['a carriage return alone', `GET / HTTP/1.1\r\n${HOST}a: b\rc\r\n\r\n`],
  ['a folded header', `GET / HTTP/1.1\r\n${HOST}a: b\r\n c\r\n\r\n`],
  ['a space before the colon', `GET / HTTP/1.1\r\n${HOST}a : b\r\n\r\n`],
  ['a space before the name', `GET / HTTP/1.1\r\n Host: h\r\n\r\n`],
  ['a header without a name', `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`],
  ['a header without a colon', `GET / HTTP/1.1\r\n${HOST}ab\r\n\r\n`],
  ['a control character in a value', `GET / HTTP/1.1\r\n${HOST}a: \x01\r\n\r\n`],
  ['a byte that is not ASCII in a value', `GET / HTTP/1.1\r\n${HOST}a: \u00e4\r\n\r\n`],
  ['an end of the headers without a line feed', `GET / HTTP/1.1\r\n${HOST}\rx`],
  ['the end of a connection', `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`],
  ['an upgrade', `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`],
  ['an expectation', `PUT / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx`],
  ['a trailer announced', `PUT / HTTP/1.1\r\n${HOST}Trailer: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`],
  ['a length and chunks', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunks and a length', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  ['chunks twice', `PUT / HTTP/1.1\r\n${HOST}${'Transfer-Encoding: chunked\r\n'.repeat(2)}\r\n0\r\n\r\n`],
  ['a coding with a tab behind it', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked \t\r\n\r\n0\r\n\r\n`],
  ['another coding', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['a coding in another case', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`],
  ['a signed length', `PUT / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\nx`],
  ['a length in hexadecimal', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 0x1\r\n\r\nx`],
  ['a length with a tab behind it', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 1\t\r\n\r\nx`],
  ['an empty length', `PUT / HTTP/1.1\r\n${HOST}Content-Length: \r\n\r\n`],
  ['less than was announced, and much', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 16384\r\n\r\nx`],
  ['more than was announced', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nxy`],
  ['a second request', `GET / HTTP/1.1\r\n${HOST}\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['two chunks', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1\r\ny\r\n0\r\n\r\n`],
  ['an extension of a chunk', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n`],
  ['a trailer', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\n\r\n`],
  ['a chunk that is longer', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n`],
  ['a size that is none', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n`],
  ['a size with a space', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n`],
  ['a long size', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${'0'.repeat(8)}1\r\nx\r\n0\r\n\r\n`],
  ['too many headers', `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(64)}\r\n`],
  ['a long header', `GET / HTTP/1.1\r\n${HOST}a: ${'b'.repeat(9_000)}\r\n\r\n`],
  ['a long body', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 16384\r\n\r\n${'x'.repeat(16_384)}`],
]

describe('what is out of the ordinary', () => {
  it.each(left)('is left to node:http: %s', (_what, text) => {
    expect(read(text)).toBeUndefined()
  })

  it('is left to node:http: every beginning of a request, and every one with something behind', () => {
    for (let length = 0; length < whole.length; length++) expect(read(whole.slice(0, length))).toBeUndefined()
    expect(read(`${whole}x`)).toBeUndefined()
  })

  it('cannot make a body longer than what came, whatever byte is changed', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(whole, 'latin1')
        bytes[at] = byte
        const request = new DirectReader().read(bytes)
        if (request?.isWhole === true) expect(bytes.includes(request.body)).toBe(true)
      }),
    )
  })
})
