/**
 * The listener over real sockets: TLS, plaintext, framing, pipelining, early answers.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { parseCertificatePair } from './certificate-pair.ts'
import { CertificateIndex } from './certificates.ts'
import type { Handler } from './request-pipeline.ts'
import { startListener } from './test-listener.fixture.ts'
import { makeCertificate, plainClient, presentedName, tlsClient } from './test-peers.fixture.ts'

const HOST = 'Host: localhost\r\n'
const ok: Handler = (_request, response) => {
  response.end('ok')
}
const count = (request: IncomingMessage, response: ServerResponse): void => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => response.end(`got ${bytes}`))
}

describe('TLS', () => {
  it('serves HTTP/1.1 over TLS and tells the handler about the connection', async () => {
    const { port } = await startListener((_request, response, connection) => {
      const { secure, remoteAddress, remotePort, servername } = connection
      response.end(JSON.stringify({ secure, remoteAddress, remotePort, servername }))
    })
    const client = await tlsClient(port, { servername: 'LocalHost' })
    client.write(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    const answer = await client.closed()
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toEqual({
      secure: true,
      remoteAddress: '127.0.0.1',
      remotePort: expect.any(Number),
      servername: 'localhost',
    })
  })

  it('tells a plaintext client on the TLS port what is wrong', async () => {
    const { port, listener } = await startListener(ok)
    const client = await plainClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.closed()).toBe(
      'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    )
    expect(listener.stats.plaintextOnTls).toBe(1)
  })

  it('takes a ClientHello that arrives byte by byte', async () => {
    const { port } = await startListener(ok)
    const { createServer } = await import('node:net')
    const proxy = createServer((near) => {
      const far = connect(port, '127.0.0.1')
      far.setNoDelay(true)
      let left = 600
      near.on('data', (chunk: Buffer) => {
        const slow = Math.min(left, chunk.length)
        left -= slow
        for (let at = 0; at < slow; at += 1) far.write(chunk.subarray(at, at + 1))
        if (slow < chunk.length) far.write(chunk.subarray(slow))
      })
      far.pipe(near)
      near.on('close', () => far.destroy())
      far.on('error', () => near.destroy())
      near.on('error', () => far.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const address = proxy.address()
    const client = await tlsClient(typeof address === 'object' && address !== null ? address.port : 0)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.until((text) => text.endsWith('ok'))).toContain('200 OK')
    client.destroy()
    proxy.close()
  })

  it('chooses the certificate by name, also between key types', async () => {
    const pairs = []
    for (const [name, algorithm] of [
      ['default.test', 'ecdsa'],
      ['other.test', 'rsa'],
      ['*.wild.test', 'ecdsa'],
    ] as const) {
      const { cert, key } = await makeCertificate([name], algorithm)
      pairs.push(parseCertificatePair(cert, key))
    }
    const { port } = await startListener(ok, { certificates: new CertificateIndex(pairs) })
    expect(await presentedName(port)).toBe('default.test')
    expect(await presentedName(port, 'OTHER.test')).toBe('other.test')
    expect(await presentedName(port, 'a.wild.test')).toBe('*.wild.test')
    expect(await presentedName(port, 'a.b.wild.test')).toBe('default.test')
    expect(await presentedName(port, 'unknown.test')).toBe('default.test')
  })

  it('speaks TLS 1.2 and 1.3 with AEAD suites and http/1.1 only', async () => {
    const { port } = await startListener(ok)
    for (const [maxVersion, protocol] of [
      ['TLSv1.2', 'TLSv1.2'],
      ['TLSv1.3', 'TLSv1.3'],
    ] as const) {
      const client = await tlsClient(port, { maxVersion, ALPNProtocols: ['h2', 'http/1.1'] })
      const socket = client.socket as TLSSocket
      expect(socket.getProtocol()).toBe(protocol)
      expect(socket.alpnProtocol).toBe('http/1.1')
      client.destroy()
    }
    const refused = [
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' },
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      { ALPNProtocols: ['h2'] },
    ] as const
    for (const options of refused) {
      await expect(
        tlsClient(port, { ...options, ALPNProtocols: [...('ALPNProtocols' in options ? options.ALPNProtocols : [])] }),
      ).rejects.toThrow()
    }
  })

  it('shows the client certificate where one was asked for', async () => {
    const handler: Handler = (_request, response, connection) => {
      const peer = connection.peerCertificate()
      response.end(`peer ${peer?.der.length ?? 'none'} ${peer?.isAuthorized}.`)
    }
    const mine = await makeCertificate(['client.test'])
    const { port } = await startListener(handler, { clientCertificates: { mode: 'request', ca: [mine.cert] } })
    const ask = async (options: object): Promise<string> => {
      const client = await tlsClient(port, options)
      client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
      const answer = await client.until((text) => text.endsWith('.'))
      client.destroy()
      return answer.slice(answer.indexOf('peer'))
    }
    expect(await ask({})).toBe('peer none undefined.')
    expect(await ask(mine)).toMatch(/^peer \d+ true\.$/)
    expect(await ask(await makeCertificate(['stranger.test']))).toMatch(/^peer \d+ false\.$/)
  })

  it('refuses a client without the required certificate', async () => {
    const { cert } = await makeCertificate(['client.test'])
    const { port, listener } = await startListener(ok, { clientCertificates: { mode: 'require', ca: [cert] } })
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.closed()).toBe('')
    expect(listener.stats.tlsFailures).toBe(1)
  })
})

describe('endpoints', () => {
  it('speaks plain HTTP only where asked to', async () => {
    const { port } = await startListener((_request, response, { secure }) => void response.end(`secure ${secure}`), {
      endpoints: [{ host: '127.0.0.1', port: 0, plaintext: true }],
    })
    const client = await plainClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    expect(await client.until((text) => text.includes('secure '))).toContain('secure false')
    client.destroy()
  })

  it('listens on several addresses, of IPv6 too, and names IPv4 peers plainly', async () => {
    const { listener } = await startListener(
      (_request, response, connection) => void response.end(`<${connection.remoteAddress}>`),
      {
        endpoints: [
          { host: '::1', port: 0 },
          { host: '::', port: 0 },
        ],
      },
    )
    const [loopback, any] = listener.addresses
    for (const [port, host, peer] of [
      [loopback?.port, '::1', '<::1>'],
      [any?.port, '127.0.0.1', '<127.0.0.1>'],
    ] as const) {
      const client = await tlsClient(port ?? 0, { host })
      client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
      await client.until((text) => text.endsWith(peer))
      client.destroy()
    }
  })

  it('needs certificates for a TLS endpoint', async () => {
    const { listen } = await import('./listener.ts')
    await expect(listen({ endpoints: [{ host: '127.0.0.1', port: 0 }], handler: ok })).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })

  it('says which address cannot be listened on', async () => {
    const { port } = await startListener(ok)
    await expect(startListener(ok, { endpoints: [{ host: '127.0.0.1', port }] })).rejects.toMatchObject({
      code: 'listen-failed',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    })
  })

  it('refuses connections above the limit', async () => {
    const { port, listener } = await startListener(ok, { limits: { connections: 1 } })
    const first = await tlsClient(port)
    await expect(tlsClient(port)).rejects.toThrow()
    expect(listener.stats.refused).toBe(1)
    first.destroy()
  })
})

describe('requests', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['a missing Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a second Host', `GET / HTTP/1.1\r\n${HOST}host: b\r\n\r\n`, 400],
    ['a malformed Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    [
      'Content-Length with Transfer-Encoding',
      `PUT / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'Transfer-Encoding with Content-Length',
      `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two Content-Lengths', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    ['a list of Content-Lengths', `PUT / HTTP/1.1\r\n${HOST}Content-Length: 4, 4\r\n\r\nabcd`, 400],
    ['a coding before chunked', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
    ['an unknown coding', `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 501],
    ['chunked in HTTP/1.0', `PUT / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 501],
    ['a folded header', `GET / HTTP/1.1\r\n${HOST}x: b\r\n c\r\n\r\n`, 400],
    ['a space before the colon', `GET / HTTP/1.1\r\n${HOST}x : b\r\n\r\n`, 400],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['HTTP/0.9', 'GET /\r\n\r\n', 505],
    ['HTTP/2 in the clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['CONNECT', `CONNECT a:80 HTTP/1.1\r\n${HOST}\r\n`, 405],
    ['bytes that are no HTTP', '\x01\x02\x03\r\n\r\n', 400],
    ['an unknown expectation', `PUT / HTTP/1.1\r\n${HOST}Expect: coffee\r\nContent-Length: 4\r\n\r\n`, 417],
    ['another authority in the target', `GET https://other/ HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['headers over 16 KiB', `GET / HTTP/1.1\r\n${HOST}x: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    ['201 headers', `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(200)}\r\n`, 431],
  ]
  it.each(cases)('refuses %s and ends the connection', async (_title, request, status) => {
    let handled = 0
    const { port } = await startListener((_request, response) => {
      handled += 1
      response.end('ok')
    })
    const client = await tlsClient(port)
    client.write(`${request}GET /smuggled HTTP/1.1\r\n${HOST}\r\n`)
    const answer = await client.closed()
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/\r\nconnection: close\r\n/i)
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(handled).toBe(0)
  })

  it('takes HTTP/1.0 without Host, 200 headers, an absolute target and a bracketed Host', async () => {
    const { port } = await startListener((request, response) => void response.end(`url ${request.url}.`))
    const requests = [
      ['GET /a HTTP/1.0\r\n\r\n', '/a'],
      [`GET /b HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(199)}\r\n`, '/b'],
      [`GET HTTPS://LOCALHOST?c=d HTTP/1.1\r\n${HOST}\r\n`, '/?c=d'],
      ['GET /e HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n', '/e'],
    ] as const
    for (const [request, url] of requests) {
      const client = await tlsClient(port)
      client.write(request)
      expect(await client.until((text) => text.endsWith('.'))).toContain(`url ${url}.`)
      client.destroy()
    }
  })

  it('lets the server dress its rejections', async () => {
    const { port } = await startListener(ok, {
      formatRejection: (code, _status, message) => ({
        status: 400,
        contentType: 'application/xml',
        body: `<Error><Code>${code}</Code><Message>${message}</Message></Error>`,
      }),
    })
    for (const request of [
      `GET / HTTP/1.1\r\n${HOST}x: ${'a'.repeat(17_000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(300)}\r\n`,
    ]) {
      const client = await tlsClient(port)
      client.write(request)
      expect(await client.closed()).toContain('<Code>headers-too-large</Code>')
    }
  })

  it('answers pipelined requests one after the other, in order', async () => {
    let running = 0
    let most = 0
    const { port } = await startListener(async (request, response) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      response.end(`[${request.url}]`)
    })
    const client = await tlsClient(port)
    const names = Array.from({ length: 50 }, (_, at) => `/${at}`)
    client.write(names.map((name) => `PUT ${name} HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`).join(''))
    const answer = await client.until((text) => text.endsWith('[/49]'))
    expect([...answer.matchAll(/\[(\/\d+)\]/g)].map((match) => match[1])).toEqual(names)
    expect(most).toBe(1)
    client.destroy()
  })

  it.each([
    ['head and body of a small answer', 'GET', 'small'],
    ['an answer without a body', 'HEAD', undefined],
  ] as const)('sends %s in one piece', async (_title, method, body) => {
    const { port } = await startListener((_request, response) => {
      response.writeHead(200, { 'Content-Length': 5 }).end(body)
    })
    const client = await tlsClient(port)
    let events = 0
    client.socket.on('data', () => {
      events += 1
    })
    const lastPiece = `\r\n\r\n${body ?? ''}`
    for (let at = 1; at <= 20; at += 1) {
      client.write(`${method} / HTTP/1.1\r\n${HOST}\r\n`)
      await client.until((text) => text.split(lastPiece).length === at + 1)
    }
    expect(events).toBe(20)
    client.destroy()
  })

  it('handles nothing after a request that ends the connection', async () => {
    const seen: (string | undefined)[] = []
    const { port } = await startListener((request, response) => {
      seen.push(request.url)
      response.end('ok')
    })
    const client = await tlsClient(port)
    client.write(`GET /1 HTTP/1.1\r\n${HOST}Connection: close\r\n\r\nDELETE /2 HTTP/1.1\r\n${HOST}\r\n`)
    await client.closed()
    expect(seen).toEqual(['/1'])
  })

  it('drops a client that sends too far ahead', async () => {
    const { port } = await startListener(() => undefined, { limits: { pipelined: 4 } })
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(6))
    expect(await client.closed()).toBe('')
  })

  it('answers 500 where a handler fails before the head, and cuts the connection after it', async () => {
    const errors: unknown[] = []
    const failure = new Error('broken')
    const { port } = await startListener(
      async (request, response) => {
        if (request.url === '/late') response.write('half')
        await Promise.resolve()
        throw failure
      },
      { onHandlerError: (error) => errors.push(error) },
    )
    const early = await tlsClient(port)
    early.write(`GET /early HTTP/1.1\r\n${HOST}\r\n`)
    expect(await early.closed()).toMatch(/^HTTP\/1.1 500 /)
    const late = await tlsClient(port)
    late.socket.on('error', () => undefined)
    late.write(`GET /late HTTP/1.1\r\n${HOST}\r\n`)
    expect(await late.closed()).not.toContain('0\r\n\r\n')
    expect(errors).toEqual([failure, failure])
  })
})

describe('bodies', () => {
  const expecting = `PUT / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`

  it('sends 100 Continue when the handler begins to read', async () => {
    const { port } = await startListener(count)
    const client = await tlsClient(port)
    client.write(expecting)
    await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.write('abcd')
    expect(await client.until((text) => text.endsWith('got 4'))).toContain('HTTP/1.1 200 OK')
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.endsWith('got 0'))
    client.destroy()
  })

  it('sends no 100 Continue to a request that is refused, and closes', async () => {
    const { port } = await startListener((_request, response) => {
      response.statusCode = 403
      response.end('no')
    })
    const client = await tlsClient(port)
    client.write(expecting)
    const answer = await client.closed()
    expect(answer).toMatch(/^HTTP\/1.1 403 /)
    expect(answer).toContain('Connection: close')
    expect(answer).not.toContain('100 Continue')
  })

  it('goes on after an early answer to a small body', async () => {
    const { port } = await startListener(ok)
    const client = await tlsClient(port)
    const body = 'x'.repeat(200_000)
    client.write(`PUT /1 HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n`)
    await client.until((text) => text.endsWith('ok'))
    client.write(`${body}GET /2 HTTP/1.1\r\n${HOST}\r\n`)
    await client.until((text) => text.match(/200 OK/g)?.length === 2)
    client.destroy()
  })

  it('goes on after a handler that read a part of a small body', async () => {
    const { port } = await startListener((request, response) => {
      if (request.method === 'GET') return void response.end('second')
      request.once('data', () => {
        request.pause()
        response.end('first')
      })
    })
    const client = await tlsClient(port)
    const body = 'x'.repeat(200_000)
    client.write(
      `PUT /1 HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}GET /2 HTTP/1.1\r\n${HOST}\r\n`,
    )
    await client.until((text) => text.endsWith('second'))
    client.destroy()
  })

  it('lets a client that is still sending a large body read the early answer', async () => {
    const { port } = await startListener((_request, response) => {
      response.statusCode = 403
      response.end('refused')
    })
    const client = await tlsClient(port)
    client.write(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 8000000\r\n\r\n`)
    for (let at = 0; at < 64; at += 1) client.write(Buffer.alloc(65_536))
    const answer = await client.until((text) => text.endsWith('refused'))
    expect(answer).toContain('Connection: close')
    await client.closed()
  })

  it('reads a chunked body', async () => {
    const { port } = await startListener(count)
    const client = await tlsClient(port)
    client.write(
      `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: u\r\n\r\n`,
    )
    await client.until((text) => text.endsWith('got 5'))
    client.destroy()
  })

  it('does not read ahead the body of a request that waits for the one before it', async () => {
    let release: () => void = () => undefined
    const { port } = await startListener((request, response) => {
      if (request.method === 'GET') release = () => response.end('first')
      else count(request, response)
    })
    const size = 30_000_000
    const client = await tlsClient(port)
    client.write(`GET / HTTP/1.1\r\n${HOST}\r\nPUT / HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`)
    client.write(Buffer.alloc(size))
    let last = -1
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (client.socket.writableLength === last) {
          clearInterval(timer)
          resolve()
        }
        last = client.socket.writableLength
      }, 100)
    })
    expect(last).toBeGreaterThan(size / 2)
    release()
    await client.until((text) => text.endsWith(`got ${size}`))
    client.destroy()
  })

  it.each([
    ['a chunk size that overflows', 'fffffffffffffffff\r\n'],
    ['a chunk extension without end', `1;${'a'.repeat(40_000)}`],
    ['a bare line feed after the chunk size', '1\na\n0\n\n'],
    ['trailers without end', `0\r\nx: ${'a'.repeat(40_000)}`],
  ])('ends a request with %s', async (_title, body) => {
    const { port } = await startListener(count)
    const client = await tlsClient(port)
    client.socket.on('error', () => undefined)
    client.write(`PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`)
    expect(await client.closed()).not.toContain('200 OK')
  })
})
