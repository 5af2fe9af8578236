/**
 * Time-outs and drain over real sockets, on connections handed over by `emit('connection')`, where neither runtime's own
 * time-outs fire.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import type { Handler } from './request-pipeline.ts'
import { startListener } from './test-listener.fixture.ts'
import { plainClient, type RawClient, tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'
const ok: Handler = (_request, response) => {
  response.end('ok')
}
function drain(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  request.on('end', () => response.end('done'))
}

/** Writes a byte now and then until the connection ends. */
function trickle(client: RawClient, byte: string, everyMs: number): void {
  const timer = setInterval(() => client.write(byte), everyMs)
  client.socket.on('error', () => undefined)
  client.socket.on('close', () => clearInterval(timer))
}

describe('time-outs', () => {
  it('drops a client that never begins the handshake', async () => {
    const { port, listener } = await startListener(ok, { limits: { handshakeTimeoutMs: 100 } })
    const client = await plainClient(port)
    expect(await client.closed()).toBe('')
    expect(listener.stats.timeouts.handshake).toBe(1)
  })

  it('drops a client that never ends the handshake', async () => {
    const { port, listener } = await startListener(ok, { limits: { handshakeTimeoutMs: 100 } })
    const client = await plainClient(port)
    client.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 16, 0, 3]))
    await client.closed()
    expect(listener.stats.timeouts.handshake).toBe(1)
  })

  it('drops a connection on which no request comes', async () => {
    const { port, listener } = await startListener(ok, { limits: { headerTimeoutMs: 100 } })
    const client = await tlsClient(port)
    expect(await client.closed()).toBe('')
    expect(listener.stats.timeouts.header).toBe(1)
  })

  it('answers 408 to headers that trickle in', async () => {
    const { port } = await startListener(ok, { limits: { headerTimeoutMs: 150 } })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}x: `)
    trickle(client, 'a', 20)
    expect(await client.closed()).toMatch(/^HTTP\/1.1 408 /)
  })

  it('answers 408 to the headers of a second request that trickle in', async () => {
    const { port } = await startListener(ok, { limits: { headerTimeoutMs: 150 } })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.endsWith('ok'))
    client.write('GET / HTTP/1.1\r\nx: ')
    trickle(client, 'a', 20)
    expect(await client.closed()).toContain('HTTP/1.1 408 ')
  })

  it('closes an idle keep-alive connection', async () => {
    const { port, listener } = await startListener(ok, { limits: { idleTimeoutMs: 120, headerTimeoutMs: 5_000 } })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.endsWith('ok'))
    await client.closed()
    expect(listener.stats.timeouts.idle).toBe(1)
  })

  it('drops a client that stops in the middle of its body, and tells the handler', async () => {
    let tell: (complete: boolean) => void = () => undefined
    const told = new Promise<boolean>((resolve) => {
      tell = resolve
    })
    const { port, listener } = await startListener(
      (request) => {
        request.resume()
        request.on('error', () => undefined)
        request.on('close', () => tell(request.complete))
      },
      { limits: { bodyStallMs: 120 } },
    )
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.write(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`)
    expect(await client.closed()).toBe('')
    expect(listener.stats.timeouts.body).toBe(1)
    expect(await told).toBe(false)
  })

  it('lets a slow but moving body take longer than the stall time', async () => {
    const { port } = await startListener(drain, { limits: { bodyStallMs: 1_000 } })
    const client = await tlsClient(port)
    const begin = performance.now()
    client.write(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n`)
    trickle(client, 'a', 150)
    await client.until((text) => text.endsWith('done'))
    expect(performance.now() - begin).toBeGreaterThan(1_000)
    client.destroy()
  })

  it('does not blame the client for a handler that takes its time', async () => {
    const { port, listener } = await startListener(
      async (request, response) => {
        await new Promise((resolve) => setTimeout(resolve, 300))
        drain(request, response)
      },
      { limits: { bodyStallMs: 50, responseStallMs: 50, idleTimeoutMs: 5_000 } },
    )
    const client = await tlsClient(port)
    client.write(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`)
    await client.until((text) => text.endsWith('done'))
    expect(listener.stats.timeouts.body).toBe(0)
    client.destroy()
  })

  it('drops a client that does not read its response', async () => {
    let closed: () => void = () => undefined
    const gone = new Promise<void>((resolve) => {
      closed = resolve
    })
    const { port, listener } = await startListener(
      (_request, response) => {
        response.on('close', closed)
        const chunk = Buffer.alloc(65_536)
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        }
        response.on('drain', more)
        more()
      },
      { limits: { responseStallMs: 150 } },
    )
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.socket.pause()
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    trickle(client, '\r\n', 20)
    await gone
    expect(listener.stats.timeouts.response).toBe(1)
    client.destroy()
  })
})

describe('a client that asked for the connection to be closed and neither reads nor ends it', () => {
  it.each([2, 3_000_000])(
    'is dropped soon after an answer of %i bytes, and not at the idle time-out',
    async (sizeBytes) => {
      const { port, listener } = await startListener(
        (_request, response) => {
          response.end(Buffer.alloc(sizeBytes))
        },
        { limits: { lingerMs: 50, idleTimeoutMs: 60_000 } },
      )
      const client = await tlsClient(port)
      client.socket.on('error', () => undefined)
      client.socket.pause()
      client.write(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
      await expect.poll(() => listener.stats.connections, { timeout: 4_000 }).toBe(0)
      client.destroy()
    },
  )
})

describe('drain', () => {
  it('finishes the request in flight, closes idle connections at once and refuses new ones', async () => {
    let release: () => void = () => undefined
    let started: () => void = () => undefined
    const isStarted = new Promise<void>((resolve) => {
      started = resolve
    })
    const { port, listener } = await startListener(async (request, response) => {
      if (request.url === '/slow') {
        started()
        await new Promise<void>((resolve) => {
          release = resolve
        })
      }
      response.end(`end of ${request.url}`)
    })
    const idle = await tlsClient(port)
    idle.write(`GET /idle HTTP/1.1\r\n${HOST}\r\n`)
    await idle.until((text) => text.endsWith('/idle'))
    const busy = await tlsClient(port)
    busy.write(`GET /slow HTTP/1.1\r\n${HOST}\r\n`)
    await isStarted
    const closing = listener.close({ graceMs: 10_000 })
    await idle.closed()
    await expect(tlsClient(port)).rejects.toThrow()
    release()
    const answer = await busy.closed()
    expect(answer).toContain('Connection: close')
    expect(answer).toContain('end of /slow')
    await closing
    expect(listener.stats.connections).toBe(0)
  })

  it('ends a keep-alive connection whose response head was out already', async () => {
    let release: () => void = () => undefined
    const { port, listener } = await startListener((_request, response) => {
      response.write('begin ')
      release = () => response.end('end')
    })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.includes('begin'))
    const closing = listener.close({ graceMs: 10_000 })
    release()
    expect(await client.closed()).toContain('0\r\n\r\n')
    await closing
  })

  it('cuts what is not finished when the grace is over', async () => {
    const { port, listener } = await startListener((_request, response) => void response.write('begin'))
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.includes('begin'))
    await listener.close({ graceMs: 50 })
    expect(await client.closed()).not.toContain('0\r\n\r\n')
    expect(listener.stats.connections).toBe(0)
  })

  it('cuts at once when asked a second time', async () => {
    const { port, listener } = await startListener((_request, response) => void response.write('begin'))
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.includes('begin'))
    const first = listener.close({ graceMs: 600_000 })
    await listener.close({ graceMs: 0 })
    await first
    await client.closed()
  })
})
