/**
 * Bodies of any known length on connections that are served directly.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { DirectBody } from './direct-body.ts'
import type { DirectHandler } from './direct-exchange.ts'
import type { DirectRequest } from './direct-request.ts'
import type { DirectResponse } from './direct-response.ts'
import type { ListenerOptions } from './listener.ts'
import type { Handler } from './request-pipeline.ts'
import { startListener } from './test-listener.fixture.ts'
import { tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'
const put = (length: number, headers = ''): string =>
  `PUT /a HTTP/1.1\r\n${HOST}${headers}Content-Length: ${length}\r\n\r\n`
const get = `GET /b HTTP/1.1\r\n${HOST}\r\n`
const expectation = 'Expect: 100-continue\r\n'
const go = 'HTTP/1.1 100 Continue\r\n\r\n'

const answered = (response: Pick<DirectResponse, 'writeHead' | 'end'>, text: string, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': text.length })
  response.end(text)
}

const byNode: Handler = (_request, response) => {
  response.end('<node>')
}

const start = (direct: DirectHandler, changes: Partial<ListenerOptions> = {}) =>
  startListener(byNode, { direct, directBodies: 'any', ...changes })

async function digestOf(request: DirectRequest): Promise<string> {
  const hash = createHash('sha256')
  if (request.isWhole) hash.update(request.body)
  else for await (const piece of request.bodyChunks()) hash.update(piece)
  return hash.digest('hex')
}

const told: DirectHandler = async (request, response) => answered(response, `<${await digestOf(request)}>`)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const answers = (received: string): readonly string[] => received.match(/<[^>]*>/g) ?? []

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setImmediate(resolve))
}

describe('a large body', () => {
  it('comes whole, with a request behind it, and the connection stays what it was', async () => {
    const { port } = await start(told)
    const client = await tlsClient(port)
    const content = randomBytes(3_000_001)
    for (let round = 1; round <= 2; round++) {
      client.write(put(content.length))
      client.write(content)
      client.write(get)
      const received = await client.until((text) => answers(text).length === 2 * round)
      expect(answers(received).slice(-2)).toEqual([`<${sha256(content)}>`, `<${sha256(Buffer.alloc(0))}>`])
    }
    client.destroy()
  })

  it('is read whole by who wants it whole', async () => {
    const { port } = await start(async (request, response) => {
      answered(response, `<${sha256(request.isWhole ? request.body : await request.readBody())}>`)
    })
    const client = await tlsClient(port)
    const content = randomBytes(300_000)
    client.write(put(content.length))
    client.write(content)
    expect(answers(await client.until((text) => text.includes('>')))).toEqual([`<${sha256(content)}>`])
    client.destroy()
  })

  it('is not taken from the connection before it is asked for', async () => {
    let ask = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      ask = resolve
    })
    const { port, listener } = await start(
      async (request, response) => {
        await asked
        answered(response, `<${await digestOf(request)}>`)
      },
      { limits: { bodyStallMs: 20 } },
    )
    const client = await tlsClient(port)
    const content = Buffer.alloc(64 * 1024 * 1024, 'a')
    let isSent = false
    client.write(put(content.length))
    client.socket.write(content, () => {
      isSent = true
    })
    // Longer than the stall time: it is not the client who is waited for.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(isSent).toBe(false)
    ask()
    expect(answers(await client.until((text) => text.includes('>')))).toEqual([`<${sha256(content)}>`])
    expect(listener.stats.timeouts.body).toBe(0)
    client.destroy()
  })

  it.each<[string, Partial<ListenerOptions>, 'destroy' | 'end' | undefined]>([
    ['when the client has gone', {}, 'destroy'],
    ['when the client has ended its side', {}, 'end'],
    ['when nothing more of it comes in time', { limits: { bodyStallMs: 100 } }, undefined],
  ])('fails %s', async (_when, options, leaving) => {
    let outcome: unknown
    let taken = 0
    const { port, listener } = await start(async (request, response) => {
      try {
        if (!request.isWhole) for await (const piece of request.bodyChunks()) taken += piece.length
      } catch (error) {
        outcome = error
      }
      answered(response, '<late>')
    }, options)
    const client = await tlsClient(port)
    client.write(put(1_000_000))
    client.write(Buffer.alloc(300_000))
    await until(() => taken === 300_000)
    if (leaving === 'destroy') client.destroy()
    else if (leaving === 'end') client.socket.end()
    await until(() => outcome !== undefined && listener.stats.connections === 0)
    expect(outcome).toMatchObject({ code: 'aborted' })
    expect(listener.stats.timeouts.body).toBe(leaving === undefined ? 1 : 0)
    client.destroy()
  })

  it('that is refused ends the connection, and the client that goes on sending sees why', async () => {
    const { port } = await start((_request, response) => answered(response, '<refused>', 403))
    const client = await tlsClient(port)
    client.write(put(16 * 1024 * 1024))
    for (let i = 0; i < 8; i++) client.write(Buffer.alloc(1024 * 1024))
    const received = await client.closed()
    expect(received).toMatch(/^HTTP\/1.1 403 .*\r\nConnection: close\r\n\r\n<refused>$/s)
  })

  it('that is left half-way ends the connection, too; a shorter one is thrown away', async () => {
    const { port } = await start(async (request, response) => {
      if (!request.isWhole) for await (const _piece of request.bodyChunks()) break
      answered(response, '<left>')
    })
    const client = await tlsClient(port)
    client.write(put(200_000))
    client.write(Buffer.alloc(100_000))
    await client.until((text) => answers(text).length === 1)
    client.write(Buffer.alloc(100_000))
    client.write(put(10_000_000))
    client.write(Buffer.alloc(100_000))
    const received = await client.closed()
    expect(received.match(/Connection: [a-z-]+/g)).toEqual(['Connection: keep-alive', 'Connection: close'])
    expect(answers(received)).toEqual(['<left>', '<left>'])
  })
})

describe('a client that waits for 100 Continue', () => {
  it('gets it when its body is read, once, and stays', async () => {
    const { port } = await start(told)
    const client = await tlsClient(port)
    const content = randomBytes(100_000)
    for (let round = 1; round <= 2; round++) {
      client.write(put(content.length, expectation))
      await client.until((text) => text.endsWith(go))
      client.write(content)
      const received = await client.until((text) => answers(text).length === round)
      expect(received.split(go)).toHaveLength(round + 1)
      expect(answers(received).at(-1)).toBe(`<${sha256(content)}>`)
    }
    client.destroy()
  })

  it('gets none when it is refused, and the connection ends however short the body', async () => {
    const { port } = await start((_request, response) => answered(response, '<refused>', 403))
    const client = await tlsClient(port)
    client.write(put(10, expectation))
    expect(await client.closed()).toMatch(/^HTTP\/1.1 403 .*\r\nConnection: close\r\n\r\n<refused>$/s)
  })

  it('gets none when it has begun to send', async () => {
    const { port } = await start(told)
    const client = await tlsClient(port)
    client.write(Buffer.concat([Buffer.from(put(6, expectation)), Buffer.from('abc')]))
    client.write('def')
    const received = await client.until((text) => text.endsWith('>'))
    expect(received).not.toContain(' 100 ')
    expect(answers(received)).toEqual([`<${sha256(Buffer.from('abcdef'))}>`])
    client.destroy()
  })

  it('is not blamed while nobody has told it to send', async () => {
    let ask = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      ask = resolve
    })
    const { port, listener } = await start(
      async (request, response) => {
        await asked
        answered(response, `<${await digestOf(request)}>`)
      },
      { limits: { bodyStallMs: 20 } },
    )
    const client = await tlsClient(port)
    client.write(put(3, expectation))
    await new Promise((resolve) => setTimeout(resolve, 100))
    ask()
    await client.until((text) => text.endsWith(go))
    client.write('abc')
    expect(answers(await client.until((text) => text.endsWith('>')))).toEqual([`<${sha256(Buffer.from('abc'))}>`])
    expect(listener.stats.timeouts.body).toBe(0)
    client.destroy()
  })
})

describe('DirectBody', () => {
  function made(begun: Uint8Array, bodyBytes: number, awaitsContinue = false) {
    const flow: string[] = []
    const body = new DirectBody(Buffer.from(begun), bodyBytes, awaitsContinue, {
      pause: () => void flow.push('pause'),
      resume: () => void flow.push('resume'),
      sendContinue: () => void flow.push('continue'),
    })
    return { body, flow }
  }
  const piece = (): Buffer => Buffer.alloc(65_536)

  it('stops the connection with each large piece, until the next one is wanted, and not at the end', async () => {
    const { body, flow } = made(piece(), 3 * 65_536)
    expect(flow).toEqual(['pause'])
    expect((await body.next()).value).toHaveLength(65_536)
    expect([body.isWanted, flow]).toEqual([false, ['pause']])
    const second = body.next()
    expect([body.isWanted, flow]).toEqual([true, ['pause', 'resume']])
    body.push(piece())
    expect([body.isWanted, flow]).toEqual([false, ['pause', 'resume', 'pause']])
    expect((await second).value).toHaveLength(65_536)
    const third = body.next()
    expect(body.push(Buffer.concat([piece(), Buffer.from('next')])).toString()).toBe('next')
    expect((await third).value).toHaveLength(65_536)
    expect(await body.next()).toEqual({ done: true, value: undefined })
    expect(flow).toEqual(['pause', 'resume', 'pause', 'resume'])
  })

  it('stops it when many small pieces wait', () => {
    const { body, flow } = made(Buffer.alloc(0), 1_000_000)
    for (let i = 0; i < 63; i++) body.push(Buffer.alloc(1_024))
    expect(flow).toEqual([])
    body.push(Buffer.alloc(1_024))
    expect(flow).toEqual(['pause'])
  })

  it('keeps nothing that nobody wants', async () => {
    const { body, flow } = made(piece(), 3 * 65_536)
    body.discard()
    body.push(piece())
    expect(flow).toEqual(['pause', 'resume'])
    expect(body.isWanted).toBe(true)
    expect(await body.next()).toEqual({ done: true, value: undefined })
    body.push(piece())
    expect(body.isWanted).toBe(false)
  })
})
