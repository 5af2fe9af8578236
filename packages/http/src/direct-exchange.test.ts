/**
 * Connections that are served directly, and how they go over to `node:http`.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readBody } from './body.ts'
import type { DirectHandler } from './direct-exchange.ts'
import { DirectReader, type DirectRequest } from './direct-request.ts'
import type { DirectResponse } from './direct-response.ts'
import type { ListenerOptions } from './listener.ts'
import type { Handler } from './request-pipeline.ts'
import { startListener } from './test-listener.fixture.ts'
import { plainClient, type RawClient, tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'
const get = (target: string): string => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`
const put = (target: string, body: string): string =>
  `PUT ${target} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`

const answered = (response: Pick<DirectResponse, 'writeHead' | 'end'>, text: string): void => {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': text.length })
  response.end(text)
}

/** Says which way a request went, and what came of it. */
const byNode: Handler = async (request, response) => {
  const body = await readBody(request, 1_000_000)
  const text = `<node ${request.method} ${request.url} ${body.toString()}>`
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': text.length })
  response.end(text)
}
const direct: DirectHandler = (request, response) => {
  if (request.target === '/declined' || !request.isWhole) return false
  answered(response, `<direct ${request.method} ${request.target} ${request.body.toString()}>`)
}

const start = (changes: Partial<ListenerOptions> = {}) => startListener(byNode, { direct, ...changes })
const bodies = (received: string): readonly string[] => received.match(/<[^>]*>/g) ?? []

describe('a connection that is served directly', () => {
  it('answers one request after the other, with the head that node:http makes', async () => {
    const { port } = await start()
    const client = await tlsClient(port)
    client.write(get('/a'))
    await client.until((text) => text.endsWith('<direct GET /a >'))
    client.write(put('/b', 'xyz'))
    const received = await client.until((text) => text.endsWith('<direct PUT /b xyz>'))
    const other = await tlsClient(port)
    other.write(get('/a#'))
    const usual = await other.until((text) => text.endsWith('<node GET /a# >'))
    const headOf = (text: string): string =>
      text
        .slice(0, text.indexOf('<'))
        .replace(/Date: .*/, 'Date')
        .replace(/Length: \d+/, 'Length')
    expect(headOf(received)).toBe(headOf(usual))
    client.destroy()
    other.destroy()
  })

  it('goes over to node:http for good with the first bytes that are out of the ordinary', async () => {
    const { port } = await start()
    const client = await tlsClient(port)
    client.write(get('/a'))
    await client.until((text) => text.includes('>'))
    client.write(get('/b#c'))
    await client.until((text) => bodies(text).length === 2)
    client.write(get('/d'))
    const received = await client.until((text) => bodies(text).length === 3)
    expect(bodies(received)).toEqual(['<direct GET /a >', '<node GET /b#c >', '<node GET /d >'])
    client.destroy()
  })

  it('loses nothing of a request that comes in parts, nor of several that come at once', async () => {
    const { port } = await start()
    const parts = await tlsClient(port)
    parts.write(put('/a', 'xyz').slice(0, -2))
    const other = await tlsClient(port)
    other.write(get('/other'))
    await other.until((text) => text.includes('>'))
    other.destroy()
    parts.write('yz')
    expect(bodies(await parts.until((text) => text.includes('>')))).toEqual(['<node PUT /a xyz>'])
    parts.destroy()
    const several = await tlsClient(port)
    several.write(`${put('/a', 'x')}${get('/b')}${get('/c')}`)
    const received = await several.until((text) => bodies(text).length === 3)
    expect(bodies(received)).toEqual(['<node PUT /a x>', '<node GET /b >', '<node GET /c >'])
    several.destroy()
  })

  it('gives a request that the direct handler does not want to the other one, whole', async () => {
    const { port } = await start()
    const client = await tlsClient(port)
    client.write(put('/declined', 'xyz'))
    expect(bodies(await client.until((text) => text.includes('>')))).toEqual(['<node PUT /declined xyz>'])
    client.destroy()
  })

  it('handles what comes during a request after it', async () => {
    const waiting: (() => void)[] = []
    const { port } = await start({
      direct: async ({ target }, response) => {
        if (target === '/slow') await new Promise<void>((resolve) => waiting.push(resolve))
        answered(response, `<direct ${target}>`)
      },
    })
    const client = await tlsClient(port)
    client.write(get('/slow'))
    await until(() => waiting.length === 1)
    client.write(get('/a'))
    client.write(get('/b'))
    // A second connection shows that the server has had time to see both.
    const other = await tlsClient(port)
    other.write(get('/other'))
    await other.until((text) => text.includes('>'))
    expect(client.received()).toBe('')
    waiting[0]?.()
    const received = await client.until((text) => bodies(text).length === 3)
    expect(bodies(received).map((body) => body.replace(/<(?:direct|node GET) (\S+) ?>/, '$1'))).toEqual([
      '/slow',
      '/a',
      '/b',
    ])
    client.destroy()
    other.destroy()
  })
})

describe('a body that is on its way', () => {
  const bodyOf = async (request: DirectRequest): Promise<Buffer> =>
    request.isWhole ? request.body : await request.readBody()
  const part = (from: number, to: number): string => put('/a', 'abcdef').slice(from, to)
  const headBytes = put('/a', 'abcdef').length - 6

  it('is gathered, whatever its pieces are and whatever comes behind it', async () => {
    const { port } = await start({
      direct: async (request, response) => {
        answered(response, `<direct ${request.target} ${(await bodyOf(request)).toString()}>`)
      },
    })
    for (const ends of [[0], [1, 3], [5], [1, 2, 3, 4, 5]]) {
      const client = await tlsClient(port)
      let from = 0
      for (const end of ends) {
        client.write(part(from, headBytes + end))
        from = headBytes + end
        const other = await tlsClient(port)
        other.write(get('/other'))
        await other.until((text) => text.includes('>'))
        other.destroy()
      }
      client.write(part(from, headBytes + 6) + get('/b'))
      const received = await client.until((text) => bodies(text).length === 2)
      expect(bodies(received)).toEqual(['<direct /a abcdef>', '<direct /b >'])
      client.destroy()
    }
  })

  it('is thrown away when nobody has read it, and the connection lives on', async () => {
    const { port } = await start({ direct: ({ target }, response) => answered(response, `<direct ${target}>`) })
    const client = await tlsClient(port)
    client.write(part(0, headBytes + 2))
    await client.until((text) => bodies(text).length === 1)
    client.write('cdef')
    client.write(put('/b', ''))
    const received = await client.until((text) => bodies(text).length === 2)
    expect(bodies(received)).toEqual(['<direct /a>', '<direct /b>'])
    client.destroy()
  })

  it.each<[string, Partial<ListenerOptions>, (client: RawClient) => void]>([
    ['when the client has gone', {}, (client) => client.destroy()],
    ['when the client has ended its side', {}, (client) => void client.socket.end()],
    ['when nothing more of it comes in time', { limits: { bodyStallMs: 100 } }, () => undefined],
  ])('fails %s, as one by node:http does', async (_when, options, leave) => {
    let outcome: unknown
    const { port, listener } = await start({
      ...options,
      direct: async (request, response) => {
        outcome = await bodyOf(request).catch((error: unknown) => error)
        answered(response, '<late>')
      },
    })
    const client = await tlsClient(port)
    client.write(part(0, headBytes + 2))
    await until(() => listener.stats.connections === 1)
    leave(client)
    await until(() => outcome !== undefined && listener.stats.connections === 0)
    expect(outcome).toMatchObject({ code: 'aborted' })
    expect(client.received()).toBe('')
    expect(listener.stats.timeouts.body).toBe(options.limits === undefined ? 0 : 1)
    client.destroy()
  })

  it('is waited for when the listener closes', async () => {
    let isAsked = false
    const { port, listener } = await start({
      direct: async (request, response) => {
        isAsked = true
        answered(response, `<direct ${(await bodyOf(request)).toString()}>`)
      },
    })
    const client = await tlsClient(port)
    client.write(part(0, headBytes + 2))
    await until(() => isAsked)
    const closing = listener.close({ graceMs: 5_000 })
    client.write('cdef')
    expect(await client.closed()).toMatch(/Connection: close\r\n\r\n<direct abcdef>$/)
    await closing
  })
})

describe('a direct handler that fails', () => {
  it.each<[string, DirectHandler]>([
    [
      'at once',
      () => {
        throw new Error('broken')
      },
    ],
    ['later', () => Promise.reject(new Error('broken'))],
  ])('is an internal error, %s, and the end of the connection', async (_when, failing) => {
    const errors: unknown[] = []
    const { port, listener } = await start({ direct: failing, onHandlerError: (error) => errors.push(error) })
    const client = await tlsClient(port)
    client.write(get('/'))
    expect(await client.closed()).toMatch(/^HTTP\/1.1 500 /)
    expect(errors).toEqual([new Error('broken')])
    expect(listener.stats.rejected).toEqual({ 'handler-failed': 1 })
  })
})

describe('the end of a connection that is served directly', () => {
  it('comes with the answer that is under way when the listener closes, and at once where there is none', async () => {
    let finish = (): void => undefined
    const { port, listener } = await start({
      direct: async ({ target }, response) => {
        if (target === '/slow') {
          await new Promise<void>((resolve) => {
            finish = resolve
          })
        }
        answered(response, '<done>')
      },
    })
    const [slow, idle] = [await tlsClient(port), await tlsClient(port)]
    idle.write(get('/'))
    await idle.until((text) => text.includes('<done>'))
    const before = finish
    slow.write(get('/slow'))
    await until(() => finish !== before)
    const closing = listener.close({ graceMs: 5_000 })
    await idle.closed()
    expect(slow.received()).toBe('')
    finish()
    expect(await slow.closed()).toMatch(/Connection: close\r\n\r\n<done>$/)
    await closing
  })

  it('comes when an answer that was slow to leave has left after the listener began to close', async () => {
    const large = 'x'.repeat(16_000_000)
    let calls = 0
    const { port, listener } = await start({
      direct: (_request, response) => {
        calls++
        answered(response, large)
      },
    })
    const client = await tlsClient(port)
    client.socket.pause()
    client.write(get('/large'))
    await until(() => calls === 1)
    const closing = listener.close({ graceMs: 600_000 })
    client.socket.resume()
    expect((await client.closed()).endsWith(large)).toBe(true)
    await closing
    expect(listener.stats.timeouts.idle).toBe(0)
  })

  it('waits for a client that takes its last answer slowly', async () => {
    const large = 'x'.repeat(16_000_000)
    let finish: (() => void) | undefined
    let [clock, looks] = [0, 0]
    const now = (): number => {
      looks++
      return clock
    }
    const { port, listener } = await start({
      limits: { lingerMs: 40 },
      now,
      direct: async (_request, response) => {
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        answered(response, large)
        clock += 1_000
      },
    })
    const client = await tlsClient(port)
    client.socket.pause()
    client.write(get('/large'))
    await until(() => finish !== undefined)
    const closing = listener.close({ graceMs: 600_000 })
    finish?.()
    await until(() => clock > 0)
    const before = looks
    await until(() => looks > before + 8 || listener.stats.timeouts.linger > 0)
    expect(listener.stats.timeouts.linger).toBe(0)
    client.socket.resume()
    expect((await client.closed()).endsWith(large)).toBe(true)
    await closing
  })

  it('is no failure when the client has gone before its answer', async () => {
    let state = 'none'
    const { port, listener } = await start({
      direct: async (_request, response) => {
        state = 'asked'
        await until(() => response.destroyed)
        answered(response, '<late>')
        state = 'answered'
      },
    })
    const client = await tlsClient(port)
    client.write(get('/'))
    await until(() => state === 'asked')
    client.destroy()
    await until(() => state === 'answered' && listener.stats.connections === 0)
    expect(listener.stats.rejected).toEqual({})
  })

  it('comes when the client is idle, or sends half a request', async () => {
    const { port, listener } = await start({ limits: { idleTimeoutMs: 150, headerTimeoutMs: 150 } })
    const idle = await tlsClient(port)
    idle.write(get('/'))
    expect(await idle.closed()).toMatch(/<direct GET \/ >$/)
    expect(listener.stats.timeouts.idle).toBe(1)
    const half = await tlsClient(port)
    half.write(get('/'))
    await half.until((text) => text.includes('>'))
    half.write('GET / HTTP')
    expect(await half.closed()).toMatch(/>HTTP\/1.1 408 /)
  })

  it('comes when the client takes no answers, and it gets no more than one at a time', async () => {
    const large = 'x'.repeat(16_000_000)
    let calls = 0
    const { port, listener } = await start({
      limits: { responseStallMs: 5 },
      direct: (_request, response) => {
        calls++
        answered(response, large)
      },
    })
    const client = await tlsClient(port)
    client.socket.pause()
    client.write(get('/large'))
    await until(() => calls === 1)
    for (let count = 0; count < 10; count++) client.write(get('/large'))
    await until(() => listener.stats.timeouts.response === 1)
    expect(calls).toBe(1)
    client.destroy()
  })
})

describe('a request that is read directly', () => {
  const usual = [
    `POST /v1/a%41*b HTTP/1.1\r\n${HOST}User-Agent: Go-http-client/1.1\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    `PUT /bucket/a%20b?x-id=PutObject&y HTTP/1.1\r\n${HOST}Authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=c\r\nx-amz-meta-a:  b \r\nX-Amz-Meta-A:\r\nContent-Length: 3\r\n\r\nabc`,
    `HEAD /bucket/name?versionId=a/b+c HTTP/1.1\r\n${HOST}range: bytes=0-1\r\n\r\n`,
    `PUT /bucket/name HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 30\r\n\r\nabc`,
  ]

  it('is what node:http makes of the same bytes, whatever is changed in them', async () => {
    const seen = (...facts: readonly unknown[]): string => Buffer.from(JSON.stringify(facts)).toString('base64')
    const told: Handler = async (request, response) => {
      const body = await readBody(request, 1_000_000)
      const facts = seen(request.method, request.url, request.rawHeaders, body.toString('latin1'))
      response.writeHead(200, { 'Content-Length': 0, Seen: facts }).end()
    }
    const { port } = await startListener(told, { endpoints: [{ host: '127.0.0.1', port: 0, plaintext: true }] })
    const change = fc.tuple(
      fc.nat(250),
      fc.nat(2),
      fc.string({ unit: fc.constantFrom(...' \t\r\n:aA0/%;,?&=+#"\0ä'), maxLength: 3 }),
    )
    let compared = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...usual), fc.array(change, { maxLength: 2 }), async (whole, changes) => {
        let text = whole
        for (const [at, removed, added] of changes) text = text.slice(0, at) + added + text.slice(at + removed)
        const request = new DirectReader(undefined, true).read(Buffer.from(text, 'latin1'))
        if (request === undefined) return
        compared++
        const missing = request.isWhole ? '' : 'z'.repeat(request.bodyBytes - request.begun.length)
        const body = (request.isWhole ? request.body : request.begun).toString('latin1') + missing
        text += missing
        const client = await plainClient(port)
        client.write(Buffer.from(text, 'latin1'))
        const received = await client.until((answer) => /\r\nSeen: .*\r\n\r\n$/s.test(answer))
        const { method, target, rawHeaders } = request
        expect(received).toContain(`Seen: ${seen(method, target, rawHeaders, body)}\r\n`)
        client.destroy()
      }),
      { numRuns: 400 },
    )
    expect(compared).toBeGreaterThan(100)
  })
})

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setImmediate(resolve))
}
