import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  makeLoopbackCertificate,
  type VendorAnswer,
  type VendorRequest,
  VendorServer,
} from '../../../../tests/support/vendor-server.ts'
import { StoreClient, type StoreClientOptions, type StoreRequest } from './store-client.ts'

const get: StoreRequest = { method: 'GET', path: '/k?x=secret-query' }
const put: StoreRequest = { method: 'PUT', path: '/k', body: 'value' }

describe('the client of key stores', () => {
  let server: VendorServer
  let pauses: number[]
  const clients: StoreClient[] = []

  beforeEach(async () => {
    pauses = []
    server = await VendorServer.start(() => ({ status: 200, json: { ok: true } }))
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await server.close()
  })

  const open = (options: Partial<StoreClientOptions> = {}, clock: { nowMs: number } = { nowMs: 0 }): StoreClient => {
    const client = new StoreClient(
      { store: 'Test', endpoint: server.endpoint, tls: { ca: [server.caPem] }, ...options },
      {
        now: () => clock.nowMs,
        random: () => 0,
        sleep: async (milliseconds) => {
          pauses.push(milliseconds)
          clock.nowMs += milliseconds
        },
      },
    )
    clients.push(client)
    return client
  }

  it('says of settings that cannot be sent that they cannot, without them', async () => {
    const header: StoreRequest = { ...get, headers: { authorization: 'Basic secret\nkey' } }
    const error: unknown = await open()
      .send(header)
      .catch((reason) => reason)
    expect(error).toMatchObject({ code: 'unreachable', isOutcomeUnknown: false })
    expect(String(error)).toContain('credentials or TLS settings')
    expect(String(error)).not.toContain('secret')
    const client = open({ tls: { ca: [server.caPem], cert: 'nonsense', key: 'nonsense' } })
    await expect(client.send(get)).rejects.toMatchObject({ code: 'unreachable' })
    expect(server.requests).toEqual([])
  })

  it('keeps its connections', async () => {
    const client = open()
    const ports = new Set<string>()
    server.answerWith(({ headers }) => {
      ports.add(String(headers.connection))
      return { status: 200, json: {} }
    })
    for (let i = 0; i < 5; i++) await client.send(get)
    expect(server.connections).toBe(1)
    expect([...ports]).toEqual(['keep-alive'])
  })

  it('pauses longer and longer, with jitter, and then gives the last answer', async () => {
    server.fail('server-error', 100)
    expect((await open().send(get)).status).toBe(500)
    expect(pauses).toEqual([100, 200, 400])
    expect(server.requests.length).toBe(4)
  })

  it.each([
    ['1', 1_000],
    ['0', 0],
  ])('waits as long as Retry-After %s says', async (value, milliseconds) => {
    let asked = 0
    server.answerWith(() => (asked++ === 0 ? { status: 429, headers: { 'retry-after': value } } : { status: 200 }))
    expect((await open().send(put)).status).toBe(200)
    expect(pauses).toEqual([milliseconds + 50])
  })

  it('reads Retry-After as a date on the clock of the service', async () => {
    server.clockSkewMs = 86_400_000
    let asked = 0
    server.answerWith(() => {
      const date = new Date(server.now() + 3_000).toUTCString()
      return asked++ === 0 ? { status: 503, headers: { 'retry-after': date } } : { status: 200 }
    })
    expect((await open().send(put)).status).toBe(200)
    expect(Math.abs((pauses[0] ?? 0) - 3_050)).toBeLessThanOrEqual(1_000)
  })

  it('does not wait longer than it may', async () => {
    server.answerWith(() => ({ status: 429, headers: { 'retry-after': '60' } }))
    expect((await open({ totalTimeoutMs: 10_000 }).send(get)).status).toBe(429)
    expect(pauses).toEqual([])
  })

  it.each(['cut', 'lost-answer', 'truncated'] as const)(
    'does not repeat what must not be done twice, and says that its outcome is unknown: %s',
    async (fault) => {
      server.fail(fault, 1)
      await expect(open().send(put)).rejects.toMatchObject({ code: 'unreachable', isOutcomeUnknown: true })
      expect(server.requests.length).toBe(1)
      server.fail(fault, 1)
      expect((await open().send({ ...put, isRepeatable: true })).status).toBe(200)
    },
  )

  it('repeats anything where there was no connection, and knows that nothing was done', async () => {
    const client = open()
    await server.close()
    await expect(client.send(put)).rejects.toMatchObject({
      code: 'unreachable',
      isOutcomeUnknown: false,
      message: expect.stringContaining('ECONNREFUSED'),
    })
    expect(pauses.length).toBe(3)
    server = await VendorServer.start(() => ({ status: 200 }))
  })

  it('asks once when told so', async () => {
    server.fail('server-error', 100)
    await open().send({ ...get, isSingleAttempt: true })
    expect(server.requests.length).toBe(1)
  })

  it('does not read an answer without end', async () => {
    server.answerWith(() => ({ status: 200, text: 'x'.repeat(100_000) }))
    await expect(open().send({ ...get, maxAnswerBytes: 1_000 })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('1000 bytes'),
    })
  })

  it('names store, host, method and path, and neither query nor secrets', async () => {
    const client = open({ secrets: () => ['token-1234'] })
    const answer: VendorAnswer = { status: 403, text: '' }
    server.answerWith(() => answer)
    const error = client.refusal(get, await client.send(get), {
      needs: 'the right to read',
      said: `bad token token-1234\u0000\u001b[31m ${'x'.repeat(500)}`,
    })
    expect(error.code).toBe('permission-denied')
    expect(error.message).toMatch(
      /^Test at 127\.0\.0\.1:\d+: GET \/k answered 403: bad token \*\*\* \[31m x+; it needs the/,
    )
    expect(error.message.length).toBeLessThan(400)
    const secret: StoreRequest = { ...put, isSecret: true }
    expect(client.refusal(secret, await client.send(secret), { said: 'value' }).message).not.toContain('value')
  })

  it('sends requests under the path of its endpoint', async () => {
    await open({ endpoint: `${server.endpoint}/base/` }).send(get)
    await open({ endpoint: `${server.endpoint}/base` }).send(get)
    expect(server.requests.map(({ path }) => path)).toEqual(['/base/k', '/base/k'])
  })

  describe('with redirects', () => {
    it('follows one to where it may, with everything', async () => {
      // Two certificates of one name would be one authority to a client.
      const certificate = await makeLoopbackCertificate(['other.example'])
      const other = await VendorServer.start(() => ({ status: 200, json: { other: true } }), certificate)
      server.answerWith(() => ({ status: 307, headers: { location: `${other.endpoint}/there` } }))
      const redirectHosts = [new URL(other.endpoint).host]
      const client = open({ maxRedirects: 1, redirectHosts, tls: { ca: [server.caPem, other.caPem] } })
      expect((await client.send({ ...put, headers: { 'x-token': 't' } })).status).toBe(200)
      expect(other.requests[0]).toMatchObject({ method: 'PUT', path: '/there', body: 'value' })
      expect(other.requests[0]?.headers['x-token']).toBe('t')
      await other.close()
    })

    it.each(['http://127.0.0.1:1/k', 'nonsense://x', ''])('does not follow one to %j', async (location) => {
      server.answerWith(() => ({ status: 307, headers: { location } }))
      const { status } = await open({ maxRedirects: 1 }).send(get)
      expect(status).toBe(307)
    })

    it('sends nothing to a host or port that it was not told of, and says so', async () => {
      const certificate = await makeLoopbackCertificate(['other.example'])
      const other = await VendorServer.start(() => ({ status: 200, json: { other: true } }), certificate)
      server.answerWith(() => ({ status: 307, headers: { location: `${other.endpoint}/there` } }))
      const { port, host } = new URL(other.endpoint)
      for (const redirectHosts of [undefined, [], ['127.0.0.1'], [`elsewhere:${port}`]]) {
        const client = open({ maxRedirects: 1, redirectHosts, tls: { ca: [server.caPem, other.caPem] } })
        await expect(client.send({ ...put, isRepeatable: true })).rejects.toMatchObject({
          code: 'unreachable',
          status: 307,
          message: expect.stringContaining(`answered 307, to ${host}, which is not among its redirect hosts`),
        })
      }
      expect(other.requests).toEqual([])
      expect(server.requests).toHaveLength(4)
      await other.close()
    })

    it.each(['https://a', 'a/b', 'u@a', 'a?', 'a b', ''])('takes %j for no host', (host) => {
      expect(() => open({ redirectHosts: [host] })).toThrow(/a redirect host is a name/)
    })

    it('does not go round in circles', async () => {
      server.answerWith(() => ({ status: 302, headers: { location: '/again' } }))
      expect((await open({ maxRedirects: 1 }).send(get)).status).toBe(302)
      expect(server.requests.length).toBe(2)
    })
  })

  it('shows its certificate to a service that wants one', async () => {
    const { cert, key } = await makeLoopbackCertificate(['the-client'])
    await open({ tls: { ca: [server.caPem], cert, key } }).send(get)
    expect(server.requests[0]?.clientName).toBe('the-client')
  })

  describe('through a proxy', () => {
    let proxy: Server
    let asked: { readonly target: string; readonly authorization: string | undefined }[]

    beforeEach(async () => {
      asked = []
      proxy = createServer((request, response) => {
        asked.push({
          target: `${request.method} ${request.url}`,
          authorization: request.headers['proxy-authorization'],
        })
        response.end('{"from":"proxy"}')
      })
      proxy.on('connect', (request, socket) => {
        asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] })
        if (request.url?.startsWith('forbidden')) {
          socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
          return
        }
        const upstream = connect(server.port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n')
          upstream.pipe(socket)
          socket.pipe(upstream)
        })
        upstream.on('error', () => socket.destroy())
        socket.on('error', () => upstream.destroy())
      })
      proxy.listen(0, '127.0.0.1')
      await once(proxy, 'listening')
    })

    afterEach(async () => {
      for (const client of clients.splice(0)) client.close()
      proxy.closeAllConnections()
      proxy.close()
      await once(proxy, 'close')
    })

    const proxyUrl = (user = ''): string => `http://${user}127.0.0.1:${(proxy.address() as AddressInfo).port}`

    it('reaches a service by its name through a tunnel, keeps the tunnel, and still wants the right certificate', async () => {
      const certificate = await makeLoopbackCertificate(['vault.example'])
      await server.close()
      server = await VendorServer.start(() => ({ status: 200, json: {} }), certificate)
      const endpoint = `https://vault.example:${server.port}`
      const client = open({ endpoint, tls: { ca: [server.caPem] }, proxy: { https: proxyUrl('user:p%40ss@') } })
      for (let i = 0; i < 3; i++) expect((await client.send(get)).status).toBe(200)
      const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
      expect(asked).toEqual([{ target: `vault.example:${server.port}`, authorization }])

      const wrong = open({ endpoint: `https://other.example:${server.port}`, proxy: { https: proxyUrl() } })
      await expect(wrong.send(get)).rejects.toMatchObject({ message: expect.stringContaining('certificate') })
    })

    it('says which proxy refused', async () => {
      const client = open({ endpoint: 'https://forbidden.example', proxy: { https: proxyUrl() } })
      await expect(client.send(get)).rejects.toMatchObject({
        code: 'unreachable',
        isOutcomeUnknown: false,
        message: expect.stringMatching(/proxy 127\.0\.0\.1:\d+ answered 403/),
      })
    })

    it('asks for plaintext services in absolute form', async () => {
      const client = open({ endpoint: 'http://vault.example:8200', proxy: { http: proxyUrl() } })
      expect(client.json(get, await client.send(get))).toEqual({ from: 'proxy' })
      expect(asked[0]?.target).toBe('GET http://vault.example:8200/k?x=secret-query')
    })

    it('reaches this machine directly', async () => {
      await open({ proxy: { https: proxyUrl() } }).send(get)
      expect(asked).toEqual([])
    })
  })
})

describe('answers that make no sense', () => {
  const cases: readonly [string, (request: VendorRequest) => VendorAnswer][] = [
    ['an array', () => ({ status: 200, text: '[1]' })],
    ['half an object', () => ({ status: 200, text: '{"a":' })],
    ['nothing', () => ({ status: 200, text: '' })],
    ['a number', () => ({ status: 200, text: '5' })],
    ['null', () => ({ status: 200, text: 'null' })],
    ['broken text', () => ({ status: 200, text: '\ufffd\u0000' })],
    ['deep nesting', () => ({ status: 200, text: '['.repeat(100_000) })],
  ]

  it.each(cases)('are refused: %s', async (_, handler) => {
    const server = await VendorServer.start(handler)
    const client = new StoreClient({ store: 'Test', endpoint: server.endpoint, tls: { ca: [server.caPem] } })
    const answer = await client.send(get)
    expect(() => client.json(get, answer)).toThrow('not a JSON object')
    client.close()
    await server.close()
  })
})
