/**
 * Bad input and clients that mean no good: exact answers, bounded memory and time.
 */
import { connect, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { identityOfCertificate } from '../client/api-key.ts'
import { makeClientCertificates } from '../conformance/client-certificates.ts'
import { exchange } from '../conformance/wire-client.ts'
import { LargeBodies } from './request-body.ts'
import { certificate, identities, startTestServer } from './test-server.fixture.ts'

async function open(port: number): Promise<TLSSocket> {
  const { cert, key } = await certificate('admin')
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Everything until the connection is closed, or until `enough`. */
function received(socket: TLSSocket, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (enough(text)) resolve(text)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

describe('names', () => {
  const invalid = (name: string): string =>
    `{"message":"key name '${name}' is empty, too long or contains invalid characters"\n}`

  it.each([
    ['nothing', '', ''],
    ['81 characters', 'a'.repeat(81), 'a'.repeat(81)],
    ['a slash', 'a%2Fb', 'a/b'],
    ['two parts', 'a/b', 'a/b'],
    ['parent directories', '%2e%2e%2f%2e%2e%2fetc%2fpasswd', '../../etc/passwd'],
    ['NUL', 'a%00b', 'a\\u0000b'],
    ['a line end', 'a%0d%0ax', 'a\\r\\nx'],
    ['letters beyond ASCII', '%e2%82%ac', '€'],
    ['what is not UTF-8', '%ff%fe', '\\ufffd\\ufffd'],
    ['quotes and markup', '%22%3c', '\\"\\u003c'],
    ['a wildcard', '*', '*'],
  ])('of %s are refused in the same words on every route', async (_what, path, shown) => {
    const { send } = await startTestServer()
    for (const [method, route] of [
      ['PUT', '/v1/key/create/'],
      ['POST', '/v1/key/import/'],
      ['GET', '/v1/key/describe/'],
      ['DELETE', '/v1/key/delete/'],
      ['POST', '/v1/key/generate/'],
      ['POST', '/v1/key/decrypt/'],
      ['PUT', '/v1/key/hmac/'],
      ['PUT', '/strongroom/v1/key/lock/'],
    ] as const) {
      expect(await send(method, `${route}${path}`)).toMatchObject({ status: 400, body: invalid(shown) })
    }
  })

  it('of 80 characters are a key’s, and those of our versions and markers are nobody’s', async () => {
    const { send } = await startTestServer()
    const name = 'a'.repeat(80)
    expect((await send('PUT', `/v1/key/create/${name}`)).status).toBe(200)
    expect((await send('GET', `/v1/key/list/${name}`)).body).toBe(`{"names":["${name}"]}\n`)
    for (const reserved of ['k-locked', 'k-v-2']) {
      expect((await send('PUT', `/v1/key/create/${reserved}`)).status).toBe(400)
    }
  })
})

describe('bodies', () => {
  it('above the limit are read up to it, and the answer comes before the rest', async () => {
    const { port, send } = await startTestServer()
    await send('PUT', '/v1/key/create/k')
    const socket = await open(port)
    const answer = received(socket, (text) => text.includes('\n}'))
    socket.write('POST /v1/key/encrypt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n{"plaintext":"')
    socket.write('A'.repeat(1_100_000))
    expect(await answer).toMatch(/^HTTP\/1.1 400 .*Connection: close.*invalid request body/s)
    socket.destroy()
  })

  it('that do not come have the connection cut, and the route’s time is all they get', async () => {
    const { port, send } = await startTestServer({ api: { '/v1/key/encrypt/': { timeoutMs: 500 } } })
    await send('PUT', '/v1/key/create/k')
    const socket = await open(port)
    const startedAt = performance.now()
    socket.write('POST /v1/key/encrypt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"plain')
    expect(await received(socket)).toBe('')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect((await send('GET', '/v1/metrics')).body).toContain('strongroom_kes_request_timeouts_total 1\n')
  })

  it('of the large kind are limited in number, and one identity gets half of what the others leave', () => {
    const large = new LargeBodies()
    const takeAll = (identity: string): number => {
      let taken = 0
      while (large.take(identity)) taken++
      return taken
    }
    expect(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(takeAll)).toEqual([32, 16, 8, 4, 2, 1, 1, 0])
    large.give('b')
    expect([large.take('a'), large.take('h'), large.take('h')]).toEqual([false, true, false])
    for (let at = 0; at < 32; at++) large.give('a')
    large.give('h')
    expect(takeAll('i')).toBe(17)
  })

  it('of the large kind that one client holds back take no places from another', async () => {
    const { port, send } = await startTestServer()
    await send('PUT', '/v1/key/create/k')
    const head = 'POST /v1/key/encrypt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n{"plaintext":"'
    const sockets = await Promise.all(Array.from({ length: 64 }, () => open(port)))
    const answers = sockets.map((socket) => received(socket, (text) => text.includes('\n}')))
    let refused = 0
    for (const answer of answers) void answer.then((text) => (refused += text.includes(' 503 ') ? 1 : 0))
    for (const socket of sockets) socket.write(head + 'A'.repeat(20_000))
    await expect.poll(() => refused, { timeout: 10_000 }).toBe(32)
    const plaintext = 'A'.repeat(40_000)
    expect((await send('POST', '/v1/key/encrypt/k', { plaintext }, 'user')).status).toBe(200)
    expect((await send('POST', '/v1/key/encrypt/k', { plaintext })).status).toBe(503)
    for (const socket of sockets) socket.destroy()
  })

  it('on routes without one are thrown away, and the connection goes on', async () => {
    const { port } = await startTestServer()
    const socket = await open(port)
    const body = 'x'.repeat(1_000)
    const request = `PUT /v1/key/create/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${body}`
    const answers = received(socket, (text) => text.endsWith('}'))
    socket.write(request + request)
    expect((await answers).match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    socket.destroy()
  })

  it('of clients that go away in the middle are no error', async () => {
    const { port, send, errors, audit, server } = await startTestServer()
    await send('PUT', '/v1/key/create/k')
    for (let at = 0; at < 10; at++) {
      const socket = await open(port)
      socket.write('POST /v1/key/encrypt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"plain')
      socket.destroy()
    }
    expect((await send('POST', '/v1/key/generate/k', {})).status).toBe(200)
    await server.close()
    expect(errors()).toBe('')
    expect(audit().split('\n')).toHaveLength(3)
  })
})

describe('clients', () => {
  it('cannot make audit lines long, whatever they ask for', async () => {
    const { port, send, audit, server } = await startTestServer()
    const long = 'a'.repeat(20_000)
    expect((await send('GET', `/v1/key/describe/${long}`, undefined, 'stranger')).status).toBe(403)
    expect((await send('GET', `/v1/key/describe/${long}`)).status).toBe(400)
    const reader = await open(port)
    const line = received(reader, (text) => text.includes('"path"'))
    reader.write('GET /v1/log/audit HTTP/1.1\r\nHost: x\r\n\r\n')
    await expect
      .poll(async () => {
        await send('GET', `/v1/key/describe/${long}`, undefined, 'stranger')
        return (await Promise.race([line, ''])) !== ''
      })
      .toBe(true)
    expect((await line).length).toBeLessThan(2_500)
    reader.destroy()
    await server.close()
    const lines = audit().trimEnd().split('\n')
    for (const text of lines) expect(text.length).toBeLessThan(1_500)
    expect(lines[0]).toContain(`req.path=/v1/key/describe/${'a'.repeat(239)}… `)
  })

  it('without, with a CA’s, and with several certificates are told so, and only the leaf counts', async () => {
    const { byName } = await makeClientCertificates()
    const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
    const { port } = await startTestServer({ adminIdentity: admin })
    const ask = (name: string) =>
      exchange(
        { host: '127.0.0.1', port, certificate: byName.get(name) },
        { method: 'GET', path: '/v1/key/list/', headers: {}, body: undefined, isChunked: false },
      )
    expect((await ask('none')).status).toBeNull()
    expect((await ask('admin')).status).toBe(200)
    for (const name of ['ca', 'caleaf_admin', 'caleaf_forged']) {
      expect(await ask(name)).toMatchObject({
        status: 400,
        body: '{"message":"tls: client certificate is required"\n}',
      })
    }
    expect(await ask('two')).toMatchObject({
      status: 400,
      body: '{"message":"tls: received more than one client certificate"\n}',
    })
    // The key was proved, whoever signed the certificate.
    expect((await ask('ca_forged_leaf')).status).toBe(200)
  })

  it('keep their identity when a session is resumed', async () => {
    const { port } = await startTestServer()
    const { cert, key } = await certificate('admin')
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: version, maxVersion: version }
      const first = connect({ ...options, cert, key })
      const session = new Promise<Buffer>((resolve) => first.once('session', resolve))
      first.write('GET /v1/key/list/ HTTP/1.1\r\nHost: x\r\n\r\n')
      await received(first, (text) => text.includes('names'))
      const resumed = connect({ ...options, session: await session })
      resumed.write('GET /v1/identity/self/describe HTTP/1.1\r\nHost: x\r\n\r\n')
      expect(await received(resumed, (text) => text.includes('}'))).toContain(identities.admin)
      expect(resumed.isSessionReused()).toBe(true)
      first.destroy()
      resumed.destroy()
    }
  })

  it('by the hundred, slow ones among them, are served', async () => {
    const { port, send } = await startTestServer()
    await send('PUT', '/v1/key/create/k')
    const sockets: TLSSocket[] = []
    // A machine that is slow has no time for all the handshakes at once, and a new connection none to be silent.
    while (sockets.length < 150) {
      const opened = await Promise.all(Array.from({ length: 25 }, () => open(port)))
      const greetings = opened.map((socket) => received(socket, (text) => text.endsWith('}\n')))
      for (const socket of opened) socket.write('GET /v1/key/list/ HTTP/1.1\r\nHost: x\r\n\r\n')
      await Promise.all(greetings)
      sockets.push(...opened)
    }
    const slow = await Promise.all(Array.from({ length: 50 }, () => open(port)))
    for (const socket of slow) socket.write('POST /v1/key/generate/k HTTP/1.1\r\nHo')
    const answers = sockets.map((socket) => received(socket, (text) => text.endsWith('}\n')))
    for (const socket of sockets) socket.write('POST /v1/key/generate/k HTTP/1.1\r\nHost: x\r\n\r\n')
    const texts = await Promise.all(answers)
    expect(texts.filter((text) => text.startsWith('HTTP/1.1 200'))).toHaveLength(150)
    // No data key twice.
    expect(new Set(texts.map((text) => text.slice(text.indexOf('{')))).size).toBe(150)
    for (const socket of [...slow, ...sockets]) socket.destroy()
  })
})

describe('a TLS proxy', () => {
  const header = 'X-Tls-Client-Cert'

  async function through(value: readonly string[], as: 'stranger' | 'user' = 'stranger') {
    const server = await startTestServer({
      tls: {
        load: () => certificate('server'),
        proxyIdentities: [identities.stranger],
        proxyCertificateHeader: header,
      },
    })
    const { cert, key } = await certificate(as)
    const headers: Record<string, string> = { 'X-Forwarded-For': '192.0.2.7:4711, 10.0.0.1' }
    if (value[0] !== undefined) headers[header] = value[0]
    if (value[1] !== undefined) headers[header.toLowerCase()] = value[1]
    const answer = await exchange(
      { host: '127.0.0.1', port: server.port, certificate: { cert, key } },
      { method: 'GET', path: '/v1/key/list/', headers, body: undefined, isChunked: false },
    )
    await server.server.close()
    return { answer, audit: server.audit() }
  }

  it('says who is asking, and from where', async () => {
    const user = encodeURIComponent((await certificate('user')).cert)
    const { answer, audit } = await through([user])
    expect(answer.status).toBe(200)
    expect(audit).toContain(`req.ip=192.0.2.7 req.identity=${identities.user}`)
    // Who is no proxy is believed nothing.
    const admin = encodeURIComponent((await certificate('admin')).cert)
    const direct = await through([admin], 'user')
    expect(direct.audit).toContain(`req.ip=127.0.0.1 req.identity=${identities.user}`)
  })

  it('is nobody without an identity, even where the settings name the empty one', async () => {
    const { byName } = await makeClientCertificates()
    const { port } = await startTestServer({
      tls: { load: () => certificate('server'), proxyIdentities: [''], proxyCertificateHeader: header },
    })
    const headers = { [header]: encodeURIComponent((await certificate('admin')).cert) }
    const answer = await exchange(
      { host: '127.0.0.1', port, certificate: byName.get('ca') },
      { method: 'GET', path: '/v1/key/list/', headers, body: undefined, isChunked: false },
    )
    expect(answer).toMatchObject({ status: 400, body: '{"message":"tls: client certificate is required"\n}' })
  })

  it('passes on only certificates that are issued, valid and for clients, where clients are verified', async () => {
    const { byName, rootPem } = await makeClientCertificates()
    const der = (name: string): string => byName.get(name)?.cert ?? ''
    const identity = (name: string): string => identityOfCertificate(der(name))
    const material = await certificate('server')
    const { port } = await startTestServer({
      adminIdentity: identity('issued_exp'),
      policies: [{ name: 'p', allow: ['*'], identities: [identity('issued_srv'), identity('user')] }],
      tls: {
        load: async () => ({ ...material, ca: [rootPem] }),
        verifyClients: true,
        proxyIdentities: [identity('issued')],
        proxyCertificateHeader: header,
      },
    })
    const ask = async (name: string) => {
      const headers = { [header]: encodeURIComponent(der(name)) }
      const answer = await exchange(
        { host: '127.0.0.1', port, certificate: byName.get('issued') },
        { method: 'GET', path: '/v1/key/list/', headers, body: undefined, isChunked: false },
      )
      return answer.status === null ? answer : [answer.status, answer.body]
    }
    for (const name of ['issued_exp', 'issued_srv', 'user']) expect(await ask(name)).toEqual([403, '{"message":""\n}'])
    // Verified, though nobody gave it a right.
    expect(await ask('issued')).toEqual([403, '{"message":"not authorized: insufficient permissions"\n}'])
  })

  it('must say so in one header with one certificate', async () => {
    const user = encodeURIComponent((await certificate('user')).cert)
    const message = async (...values: string[]) => {
      const { answer } = await through(values)
      return answer.status === 400 ? answer.body : answer.status
    }
    expect(await message()).toBe('{"message":"no client certificate is present"\n}')
    expect(await message(user, user)).toBe('{"message":"too many client certificates are present"\n}')
    for (const value of ['x', '%', '-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----']) {
      expect(await message(value)).toBe('{"message":"invalid client certificate"\n}')
    }
  })
})
