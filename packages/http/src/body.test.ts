/**
 * Bodies over real connections: bounded reading, early leaving, back-pressure, failing sources, clients that go away.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { bodyChunks, readBody, sendBody } from './body.ts'
import { startListener } from './test-listener.fixture.ts'
import { type RawClient, tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'

/** Serves one action and makes its outcome observable. */
async function serve(
  action: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>,
): Promise<{ readonly client: RawClient; readonly port: number; readonly outcome: Promise<unknown> }> {
  let tell: (value: unknown) => void = () => undefined
  const outcome = new Promise<unknown>((resolve) => {
    tell = resolve
  })
  const { port } = await startListener(async (request, response) => {
    await action(request, response).then(tell, (error: unknown) => {
      tell(error)
      if (!response.headersSent && !response.destroyed) response.end('failed')
    })
  })
  const client = await tlsClient(port)
  client.socket.on('error', () => undefined)
  return { client, port, outcome }
}

const put = (length: number): string => `PUT / HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n`

describe('readBody', () => {
  it('reads a body that comes in one piece, in many and not at all', async () => {
    const seen: string[] = []
    const { port } = await startListener(async (request, response) => {
      seen.push((await readBody(request, 100)).toString())
      response.end('ok')
    })
    const client = await tlsClient(port)
    client.write(`${put(3)}abc`)
    await client.until((text) => text.endsWith('ok'))
    client.write(`PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n`)
    await client.until((text) => text.match(/200 OK/g)?.length === 2)
    client.write(`${put(0)}GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.match(/200 OK/g)?.length === 4)
    expect(seen).toEqual(['abc', 'def', '', ''])
    client.destroy()
  })

  it('refuses an announced length over the limit before reading', async () => {
    const { client, outcome } = await serve((request) => readBody(request, 10))
    client.write(`PUT / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n`)
    expect(await outcome).toMatchObject({ code: 'body-too-large' })
    expect(await client.closed()).not.toContain('100 Continue')
  })

  it('refuses a chunked body over the limit as soon as it is over it', async () => {
    const { client, outcome } = await serve((request) => readBody(request, 10))
    client.write(`PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n`)
    expect(await outcome).toMatchObject({ code: 'body-too-large' })
    expect(await client.closed()).toContain('failed')
  })

  it('reports a client that goes away', async () => {
    const { client, outcome } = await serve((request) => {
      request.once('data', () => client.destroy())
      return readBody(request, 10)
    })
    client.write(`${put(5)}abc`)
    expect(await outcome).toMatchObject({ name: 'HttpError', code: 'aborted' })
  })
})

describe('bodyChunks', () => {
  it('gives every byte in order, also to a slow consumer', async () => {
    const size = 3_000_000
    const body = Buffer.alloc(size).map((_, at) => at % 251)
    const { client, outcome } = await serve(async (request, response) => {
      let at = 0
      for await (const chunk of bodyChunks(request)) {
        await new Promise((resolve) => setImmediate(resolve))
        if (Buffer.compare(chunk, body.subarray(at, at + chunk.length)) !== 0) throw new Error(`differs after ${at}`)
        at += chunk.length
      }
      response.end('ok')
      return at
    })
    client.write(put(size))
    client.write(body)
    expect(await outcome).toBe(size)
    await client.until((text) => text.endsWith('ok'))
    client.destroy()
  })

  it('stops the client when the consumer does not read', async () => {
    let proceed: () => void = () => undefined
    const { client, outcome } = await serve(async (request) => {
      const chunks = bodyChunks(request)
      await chunks.next()
      await new Promise<void>((resolve) => {
        proceed = resolve
      })
      const before = request.socket.bytesRead
      let rest = 0
      for await (const chunk of chunks) rest += chunk.length
      return { before, rest }
    })
    const size = 40_000_000
    client.write(put(size))
    client.write(Buffer.alloc(size))
    // Both kernels' buffers are full when the client's queue no longer shrinks.
    let last = -1
    const timer = setInterval(() => {
      if (client.socket.writableLength === last) {
        clearInterval(timer)
        proceed()
      }
      last = client.socket.writableLength
    }, 100)
    const { before, rest } = (await outcome) as { before: number; rest: number }
    expect(before).toBeLessThan(2_000_000)
    expect(rest).toBeGreaterThan(size - 2_000_000)
    client.destroy()
  })

  it('keeps the connection when the consumer leaves early', async () => {
    const { port } = await startListener(async (request, response) => {
      for await (const chunk of bodyChunks(request)) {
        if (chunk.length > 0) break
      }
      response.end('left')
    })
    const client = await tlsClient(port)
    client.write(put(100_000))
    client.write(Buffer.alloc(100_000))
    await client.until((text) => text.endsWith('left'))
    client.write(`${put(1)}x`)
    await client.until((text) => text.match(/left/g)?.length === 2)
    client.destroy()
  })

  it('reports a client that goes away between two pieces', async () => {
    const { client, outcome } = await serve(async (request) => {
      for await (const chunk of bodyChunks(request)) if (chunk.length > 0) client.destroy()
    })
    client.write(`${put(10)}abc`)
    expect(await outcome).toMatchObject({ code: 'aborted' })
  })

  it('ends at once for a request without a body', async () => {
    const { client, outcome } = await serve(async (request) => (await bodyChunks(request).next()).done)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    expect(await outcome).toBe(true)
    client.destroy()
  })
})

describe('sendBody', () => {
  const get = `GET / HTTP/1.1\r\n${HOST}\r\n`

  it('sends pieces in order and enforces the announced length', async () => {
    const { client, outcome } = await serve((_request, response) => {
      response.setHeader('Content-Length', 6)
      return sendBody(response, pieces('ab', '', 'cd', 'ef'))
    })
    client.write(get)
    expect(await outcome).toBe(6)
    expect(await client.until((text) => text.endsWith('abcdef'))).toContain('Content-Length: 6')
    client.destroy()
  })

  it('sends bytes that are there already', async () => {
    const { client, outcome } = await serve((_request, response) => sendBody(response, Buffer.from('whole')))
    client.write(get)
    expect(await outcome).toBe(5)
    await client.until((text) => text.endsWith('whole'))
    client.destroy()
  })

  it('leaves the response to the caller when the source fails at once', async () => {
    const failure = new Error('not authentic')
    const { client, outcome } = await serve((_request, response) => sendBody(response, failing(failure)))
    client.write(get)
    expect(await outcome).toBe(failure)
    await client.until((text) => text.endsWith('failed'))
    client.destroy()
  })

  it('holds back the last piece and cuts the connection when the source fails after it', async () => {
    const failure = new Error('bad digest')
    const { client, outcome } = await serve((_request, response) => {
      response.setHeader('Content-Length', 4)
      return sendBody(response, failing(failure, 'ab', 'cd'))
    })
    client.write(get)
    expect(await outcome).toBe(failure)
    expect(await client.closed()).not.toContain('cd')
  })

  it.each([
    ['longer', ['abc', 'd', 'efg']],
    ['shorter', ['a', 'b']],
  ])('cuts a response whose source is %s than announced', async (_title, parts) => {
    const { client, outcome } = await serve((_request, response) => {
      response.setHeader('Content-Length', 5)
      return sendBody(response, pieces(...parts))
    })
    client.write(get)
    expect(await outcome).toMatchObject({ code: 'length-mismatch' })
    await client.closed()
  })

  it('does not run ahead of a client that does not read, and ends the source when it goes away', async () => {
    let made = 0
    let isEnded = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          made += 1
          yield Buffer.alloc(65_536)
        }
      } finally {
        isEnded = true
      }
    }
    const { client, outcome } = await serve((_request, response) => sendBody(response, endless()))
    client.socket.pause()
    client.write(get)
    let last = -1
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (made > 0 && made === last) {
          clearInterval(timer)
          resolve()
        }
        last = made
      }, 100)
    })
    expect(made).toBeLessThan(400)
    client.destroy()
    expect(await outcome).toMatchObject({ code: 'aborted' })
    expect(isEnded).toBe(true)
  })

  it('stops when the signal fires', async () => {
    const controller = new AbortController()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let at = 0; ; at += 1) {
        if (at === 10) controller.abort()
        yield Buffer.alloc(1_000)
      }
    }
    const { client, outcome } = await serve((_request, response) =>
      sendBody(response, endless(), { signal: controller.signal }),
    )
    client.write(get)
    expect(await outcome).toMatchObject({ code: 'aborted' })
    await client.closed()
  })
})

async function* pieces(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function* failing(error: Error, ...parts: string[]): AsyncGenerator<Uint8Array> {
  yield* pieces(...parts)
  throw error
}
