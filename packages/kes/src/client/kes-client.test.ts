import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type CannedKes, json, refusal, serverCertificate, startCannedKes } from './canned-kes.fixture.ts'
import { KesClient } from './kes-client.ts'
import type { KesClientOptions } from './kes-connection.ts'

const apiKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const context = Buffer.from('{"b":"b/o"}')

const open: (CannedKes | KesClient)[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

async function start(...args: Parameters<typeof startCannedKes>): Promise<CannedKes> {
  const kes = await startCannedKes(...args)
  open.push(kes)
  return kes
}

const pauses: number[] = []

async function connect(
  endpoints: readonly (CannedKes | string)[],
  options: Partial<KesClientOptions> = {},
  now = Date.now,
): Promise<KesClient> {
  pauses.length = 0
  const client = await KesClient.open(
    {
      endpoints: endpoints.map((each) => (typeof each === 'string' ? each : each.url)),
      credentials: { apiKey },
      ca: [serverCertificate],
      ...options,
    },
    { now, random: () => 0, sleep: async (milliseconds) => void pauses.push(milliseconds) },
  )
  open.push(client)
  return client
}

/** An address at which nobody listens. */
async function closedAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

describe('the KES client', () => {
  it('sends what the Go SDK sends, with lengths instead of chunks', async () => {
    const kes = await start(json({ plaintext: 'AAAA', ciphertext: 'AQID', hmac: 'AAAA', names: [] }))
    const client = await connect([kes])
    await client.generateDataKey('my-key', context)
    await client.generateDataKey('my-key', new Uint8Array(0))
    await client.encrypt('a', Buffer.from('hello'), new Uint8Array(0))
    await client.decrypt('a', Uint8Array.of(0, 0, 0), Buffer.from('ctx'))
    await client.hmac('a', Buffer.from('m'))
    await client.createKey('a')
    await client.importKey(
      'a',
      Uint8Array.from({ length: 32 }, (_, i) => i),
    )
    await client.listKeys('')
    await client.listKeys('a*')
    await client.describeKey('a/b')
    await client.deleteKey('a')
    expect(kes.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/v1/key/generate/my-key', '{"context":"eyJiIjoiYi9vIn0="}'],
      ['POST', '/v1/key/generate/my-key', '{}'],
      ['POST', '/v1/key/encrypt/a', '{"plaintext":"aGVsbG8="}'],
      ['POST', '/v1/key/decrypt/a', '{"ciphertext":"AAAA","context":"Y3R4"}'],
      ['PUT', '/v1/key/hmac/a', '{"message":"bQ=="}'],
      ['POST', '/v1/key/create/a', ''],
      ['POST', '/v1/key/import/a', '{"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","cipher":"AES256"}'],
      ['GET', '/v1/key/list/', ''],
      ['GET', '/v1/key/list/a', ''],
      ['GET', '/v1/key/describe/a%2Fb', ''],
      ['DELETE', '/v1/key/delete/a', ''],
    ])
    expect(kes.requests.every(({ headers }) => headers['transfer-encoding'] === undefined)).toBe(true)
  })

  it('gives the server its status and words, and no more of a long answer than a line', async () => {
    const kes = await start(refusal(404, 'key does not exist'))
    const client = await connect([kes])
    await expect(client.describeKey('a')).rejects.toMatchObject({
      code: 'refused',
      status: 404,
      message: 'key does not exist',
    })
    kes.answer = refusal(400, `two\nlines ${'x'.repeat(10_000)}`)
    const error: unknown = await client.describeKey('a').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ message: expect.stringMatching(/^two lines x{400,}$/) })
    kes.answer = (_, response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n')
    await expect(client.extension('rotate', 'a')).rejects.toMatchObject({ status: 404, message: '404 page not found' })
  })

  it.each([
    ['not JSON', (_: unknown, response: { end(text: string): unknown }) => response.end('{"plaintext":"AAECAw')],
    ['a list', json([])],
    ['a number for base64', json({ plaintext: 1, ciphertext: 'AA==' })],
    ['bad base64', json({ plaintext: '?', ciphertext: 'AA==' })],
  ])('refuses an answer that is %s, without quoting it', async (_, answer) => {
    const client = await connect([await start(answer)])
    const error: unknown = await client.generateDataKey('k', context).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'invalid-answer', message: expect.not.stringContaining('AAECAw') })
  })

  it('refuses an answer that is longer than any can be', async () => {
    const kes = await start((_, response) => response.end('x'.repeat(2_000_000)))
    const client = await connect([kes])
    await expect(client.status()).rejects.toMatchObject({ message: expect.stringContaining('longer than 1048576') })
  })

  it('tries three times where the server asks for patience, and sends the body each time', async () => {
    const kes = await start(refusal(503, 'change committed but not replicated'))
    const client = await connect([kes])
    await expect(client.encrypt('k', Buffer.from('hello'), context)).rejects.toMatchObject({ status: 503 })
    expect(kes.requests).toHaveLength(3)
    expect(new Set(kes.requests.map(({ body }) => body)).size).toBe(1)
    expect(pauses).toEqual([200, 200])
  })

  it('goes on to another server when one fails, with the whole body, and leaves the failed one alone', async () => {
    const bad = await start(refusal(502, 'failed to read key'))
    const good = await start(json({ ciphertext: 'AQID' }))
    let time = 0
    const client = await connect([bad, good], {}, () => time)
    for (let i = 0; i < 6; i++) await client.encrypt('k', Buffer.from('hello'), context)
    expect(bad.requests).toHaveLength(1)
    expect(good.requests).toHaveLength(6)
    expect(new Set([...bad.requests, ...good.requests].map(({ body }) => body)).size).toBe(1)
    expect(client.endpoints.resting.map(({ url }) => url)).toEqual([bad.url])
    time = 30_001
    bad.answer = json({ ciphertext: 'AQID' })
    for (let i = 0; i < 4; i++) await client.encrypt('k', Buffer.from('hello'), context)
    expect(bad.requests).toHaveLength(3)
    expect(client.endpoints.resting).toEqual([])
  })

  it('tries all servers when all have failed, and recovers at once', async () => {
    const one = await start(refusal(500, 'no'))
    const two = await start(refusal(500, 'no'))
    const client = await connect([one, two])
    await expect(client.status()).rejects.toMatchObject({ status: 500 })
    two.answer = json({ version: 'v' })
    expect(await client.status()).toMatchObject({ version: 'v' })
  })

  it('does not repeat what may have been done', async () => {
    const kes = await start((_, response) => response.destroy())
    const client = await connect([kes, await start(json({}))])
    await expect(client.createKey('k')).rejects.toMatchObject({ code: 'unreachable' })
    expect(kes.requests).toHaveLength(1)
    await expect(client.status()).resolves.toBeDefined()
  })

  it.each([500, 502, 503])(
    'asks once for what is not the same when done twice, and takes %i for an answer',
    async (status) => {
      const failing = refusal(status, 'failed after the write')
      const servers = [await start(failing), await start(failing)] as const
      const calls: readonly ((client: KesClient) => Promise<unknown>)[] = [
        (client) => client.extension('rotate', 'k'),
        (client) => client.extension('lock', 'k'),
        (client) => client.createKey('k'),
        (client) => client.importKey('k', new Uint8Array(32)),
        (client) => client.deleteKey('k'),
      ]
      for (const endpoints of [servers, servers.slice(0, 1)]) {
        const client = await connect(endpoints)
        for (const call of calls) {
          const before = servers[0].requests.length + servers[1].requests.length
          await expect(call(client)).rejects.toMatchObject({ code: 'refused', status })
          expect(servers[0].requests.length + servers[1].requests.length).toBe(before + 1)
        }
      }
      expect(pauses).toEqual([])
    },
  )

  it('asks another server for it where the first was never reached', async () => {
    const good = await start(json({}))
    const client = await connect([await closedAddress(), good, await closedAddress()])
    for (let i = 0; i < 3; i++) await client.createKey('k')
    expect(good.requests).toHaveLength(3)
  })

  it('says that nobody listens, after some attempts', async () => {
    const address = await closedAddress()
    const client = await connect([address])
    await expect(client.createKey('k')).rejects.toMatchObject({
      code: 'unreachable',
      message: `${address}: connection refused`,
    })
    expect(pauses).toHaveLength(2)
  })

  it('waits no longer than it was told', async () => {
    const kes = await start(() => undefined)
    const client = await connect([kes], { callTimeoutMs: 50, totalTimeoutMs: 100 })
    await expect(client.status()).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('no answer within'),
    })
  })

  it('ends its waiting when the caller gives up', async () => {
    const controller = new AbortController()
    const kes = await start(() => controller.abort())
    const client = await connect([kes])
    await expect(client.status({ signal: controller.signal })).rejects.toMatchObject({ code: 'unreachable' })
    await expect(client.status({ signal: controller.signal })).rejects.toMatchObject({ code: 'unreachable' })
    expect(kes.requests).toHaveLength(1)
  })

  it('trusts no server that it was not told to', async () => {
    const kes = await start(json({}))
    const client = await connect([kes], { ca: [] })
    await expect(client.status()).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('the certificate of the server is not trusted'),
    })
    expect(pauses).toEqual([])
    const careless = await connect([kes], { ca: [], insecure: true })
    await expect(careless.status()).resolves.toBeDefined()
  })

  it('reads listings of old servers', async () => {
    const kes = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.end('{"name":"a"}\n{"name":"b"}\n')
    })
    const client = await connect([kes])
    expect(await client.listKeys('')).toEqual({ names: ['a', 'b'], isComplete: true })
  })

  it('asks for what every server takes, and looks through the rest itself', async () => {
    const kes = await start(json({ names: ['a', 'a-b', 'ab'] }))
    const client = await connect([kes])
    expect((await client.listKeys('a-*')).names).toEqual(['a-b'])
    expect((await client.listKeys('_')).names).toEqual([])
    expect((await client.listKeys('*')).names).toHaveLength(3)
    expect(kes.requests.map(({ path }) => path)).toEqual(['/v1/key/list/a', '/v1/key/list/', '/v1/key/list/'])
  })

  it('lists all keys of a server that cannot continue its listings', async () => {
    const all = Array.from({ length: 3_000 }, (_, i) => `key-${i}`).sort()
    const kes = await start(({ path }, response) => {
      const prefix = decodeURIComponent(path.slice('/v1/key/list/'.length))
      const found = all.filter((name) => name.startsWith(prefix))
      const next = found[1024]
      const answer = json({ names: found.slice(0, 1024), ...(next === undefined ? {} : { continue_at: next }) })
      answer({ method: '', path, headers: {}, body: '' }, response)
    })
    const client = await connect([kes])
    expect(await client.listKeys('')).toEqual({ names: all, isComplete: true })
  })

  it('says when a listing is not all there is', async () => {
    const client = await connect([await start(json({ names: ['b'], continue_at: 'a' }))])
    expect(await client.listKeys('')).toEqual({ names: ['b'], isComplete: false })
  })

  it('reads a log line by line until it is told to stop', async () => {
    const controller = new AbortController()
    const kes = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write('{"a":1}\n{"b"')
      response.write(':2}\n')
    })
    const client = await connect([kes])
    const lines: string[] = []
    for await (const line of client.log('audit', controller.signal)) {
      lines.push(line)
      if (lines.length === 2) controller.abort()
    }
    expect(lines).toEqual(['{"a":1}', '{"b":2}'])
    kes.answer = refusal(403, 'not authorized: insufficient permissions')
    const refused = client.log('error', new AbortController().signal)[Symbol.asyncIterator]().next()
    await expect(refused).rejects.toMatchObject({ status: 403 })
  })
})
