/**
 * Answers to requests that were read directly: the same bytes as `node:http` writes, and what becomes of those that fail.
 *
 * @module
 */

import { describe, expect, it } from 'vitest'
import { type BodyResponse, sendBody } from './body.ts'
import type { DirectHandler } from './direct-exchange.ts'
import { startListener } from './test-listener.fixture.ts'
import { tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'
const get = (target: string): string => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`
const start = (direct: DirectHandler, onHandlerError: (error: unknown) => void = () => undefined) =>
  startListener((_request, response) => void response.end(), { direct, onHandlerError })

describe('an answer to a request that was read directly', () => {
  interface CommonResponse extends BodyResponse {
    setHeader(name: string, value: string): unknown
    writeHead(status: number, headers: Readonly<Record<string, string>>): CommonResponse
    end(body?: string | Uint8Array): unknown
  }
  type Answer = (response: CommonResponse) => unknown
  async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const text of texts) yield Buffer.from(text)
  }
  const answers: readonly (readonly [what: string, answer: Answer])[] = [
    ['text of a known length', (r) => r.writeHead(200, { 'content-length': '5', a: 'b' }).end('<a/>\n')],
    ['text beyond ASCII', (r) => r.writeHead(404, { 'content-length': '3' }).end('\u20ac')],
    ['a header in Latin-1', (r) => r.writeHead(200, { 'x-amz-meta-a': '\u00e4', 'content-length': '0' }).end()],
    ['bytes', (r) => r.writeHead(206, { 'content-length': '3' }).end(Buffer.from([1, 0xff, 0]))],
    [
      'bytes behind a header in Latin-1',
      (r) => r.writeHead(200, { a: '\u00e4', 'content-length': '1' }).end(Buffer.of(7)),
    ],
    [
      'a stream behind a header in Latin-1',
      (r) => {
        // In this order: behind a length Node.js reads this one header as UTF-8.
        r.setHeader('content-disposition', '\u00c3\u00a9')
        r.setHeader('content-length', '2')
        return sendBody(r, pieces('a', 'b'))
      },
    ],
    ['text behind a header in Latin-1', (r) => r.writeHead(200, { a: '\u00e4', 'content-length': '2' }).end('\u00e4')],
    ['a known length without a body', (r) => r.writeHead(200, { 'content-length': '0' }).end()],
    ['no length and no body', (r) => r.writeHead(200, {}).end()],
    ['text of no length', (r) => r.writeHead(200, { etag: '"1"' }).end('text')],
    ['204', (r) => r.writeHead(204, {}).end()],
    ['204 with a length', (r) => r.writeHead(204, { 'content-length': '0' }).end()],
    ['304', (r) => r.writeHead(304, { etag: '"1"' }).end()],
    ['412 and a text', (r) => r.writeHead(412, { 'content-length': '1' }).end('x')],
    [
      'a stream of a known length',
      (r) => {
        r.setHeader('content-length', '6')
        r.setHeader('etag', '"1"')
        return sendBody(r, pieces('abc', '', 'def'))
      },
    ],
    ['a stream of no length', (r) => sendBody(r, pieces('abc', 'def'))],
    [
      'an empty stream',
      (r) => {
        r.setHeader('content-length', '0')
        return sendBody(r, pieces())
      },
    ],
  ]

  /** The head in order, and the body whatever its chunks are. */
  const comparable = (received: string): readonly string[] => {
    const end = received.indexOf('\r\n\r\n')
    const head = received.slice(0, end).replace(/Date: .*/, 'Date')
    const body = received.slice(end + 4)
    return [head, head.includes('chunked') ? body.replace(/(?:^|\r\n)[0-9a-f]+\r\n/g, '') : body]
  }

  it.each(answers)('is the same as one by node:http: %s', async (_what, answer) => {
    const serve = async (_: unknown, response: CommonResponse): Promise<void> => {
      await answer(response)
    }
    let served = 0
    const { port } = await startListener(serve, {
      direct: (request, response) => {
        if (request.target === '/node') return false
        served++
        return serve(request, response)
      },
    })
    for (const method of ['GET', 'HEAD']) {
      const received: (readonly string[])[] = []
      for (const target of ['/node', '/direct']) {
        const client = await tlsClient(port)
        client.write(`${method} ${target} HTTP/1.1\r\n${HOST}\r\n`)
        // A second request shows that the connection can still be used, and where the first answer ended. It is sent when an answer
        // comes: two requests in one piece would both be read by node:http.
        await client.until((text) => text.startsWith('HTTP/1.1 '))
        client.write(`${method} ${target} HTTP/1.1\r\n${HOST}\r\n`)
        const twice = await client.until((text) => {
          const half = text.slice(text.lastIndexOf('HTTP/1.1 '))
          return text.length > half.length && text.length === 2 * half.length
        })
        received.push(comparable(twice.slice(twice.length / 2)))
        client.destroy()
      }
      expect(received[1]).toEqual(received[0])
    }
    expect(served).toBe(4)
  })

  it('has no header that would be two', async () => {
    const errors: unknown[] = []
    const { port } = await start(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '0', 'x-amz-meta-a': 'b\r\nc: d' }).end()
      },
      (error) => errors.push(error),
    )
    const client = await tlsClient(port)
    client.write(get('/'))
    const received = await client.closed()
    expect(received).toMatch(/^HTTP\/1.1 500 /)
    expect(received).not.toContain('c: d')
    expect(errors).toMatchObject([{ code: 'invalid-header' }])
  })

  it('stops while the client does not take it, and ends when the client goes', async () => {
    let given = 0
    let outcome: unknown
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given++
        yield Buffer.alloc(1_048_576)
      }
    }
    const { port, listener } = await start(async (_request, response) => {
      outcome = await sendBody(response, endless()).catch((error: unknown) => error)
    })
    const client = await tlsClient(port)
    client.socket.pause()
    client.write(get('/'))
    let seen = -1
    // Another connection's round trips are the clock.
    while (seen !== given || given === 0) {
      seen = given
      for (let turn = 0; turn < 20; turn++) {
        const other = await tlsClient(port)
        other.destroy()
      }
    }
    expect(given).toBeLessThan(64)
    client.destroy()
    await until(() => outcome !== undefined && listener.stats.connections === 0)
    expect(outcome).toMatchObject({ code: 'aborted' })
  })

  it('is cut off, and never looks whole, when its source fails midway', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc')
      yield Buffer.from('def')
      throw new Error('not authentic')
    }
    const { port, listener } = await start((_request, response) => sendBody(response, failing()).then(() => undefined))
    const client = await tlsClient(port)
    client.write(get('/'))
    expect(await client.closed()).toMatch(/\r\n\r\n3\r\nabc\r\n$/)
    await until(() => listener.stats.connections === 0)
  })
})

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setImmediate(resolve))
}
