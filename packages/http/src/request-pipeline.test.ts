/**
 * What becomes of a connection whose bytes cannot be read any longer while a request is under way.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startListener } from './test-listener.fixture.ts'
import { tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'

describe('a request that is the last of its connection', () => {
  it('ends the connection with a request that asks for an upgrade, whose parser loses what came with it', async () => {
    const { port } = await startListener((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      request.on('end', () => response.end(`got ${bytes}`))
    })
    const client = await tlsClient(port)
    const upgrade = `PUT / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc`
    client.write(`${upgrade}GET /lost HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.closed()).toMatch(/^HTTP\/1.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n(?:.+\r\n)*\r\ngot 3$/i)
  })

  it('answers a whole request though what follows it is broken', async () => {
    const { port, listener } = await startListener(async (_request, response) => {
      await new Promise((resolve) => setImmediate(resolve))
      response.end('answer')
    })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\nnot HTTP\r\n\r\n`)
    expect(await client.closed()).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*answer$/)
    expect(listener.stats.rejected).toEqual({ 'malformed-request': 1 })
  })

  it.each([
    ['at once', (response: ServerResponse) => response.end('answer')],
    ['later', (response: ServerResponse) => setImmediate(() => response.end('answer'))],
  ])(
    'has all whole requests before it answered, when they are answered %s, though what follows is broken',
    async (_when, answer) => {
      const { port } = await startListener((_request, response) => {
        answer(response)
      })
      const client = await tlsClient(port)
      const whole = `PUT / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`
      client.write(`${whole}${whole}${whole}not HTTP\r\n\r\n`)
      expect((await client.closed()).match(/HTTP\/1.1 200 OK\r\n(?:.+\r\n)*\r\nanswer/g)).toHaveLength(3)
    },
  )

  it('is not answered when it did not come whole, though those before it are', async () => {
    const { port } = await startListener((request, response) => {
      request.resume()
      request.on('end', () => setImmediate(() => response.end('answer')))
    })
    const client = await tlsClient(port)
    const whole = `GET / HTTP/1.1\r\n${HOST}\r\n`
    client.write(`${whole}${whole}PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n`)
    expect((await client.closed()).match(/HTTP\/1.1 200 OK\r\n(?:.+\r\n)*\r\nanswer/g)).toHaveLength(2)
  })

  it('is cut off when its own body cannot be read', async () => {
    const { port } = await startListener((request, response) => {
      request.on('data', () => undefined)
      request.on('end', () => response.end('never'))
    })
    const client = await tlsClient(port)
    client.write(`PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n`)
    expect(await client.closed()).toBe('')
  })
})
