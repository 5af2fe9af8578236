import { once } from 'node:events'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { createRequestIds, type Listener, listen, TrustedProxies } from '@strongroom/http'
import type { S3Request, S3Response } from '@strongroom/operations'
import { afterEach, describe, expect, it } from 'vitest'
import { createDirectRouter, createRouter } from './router.ts'
import { type FinishedRequest, s3Bridge } from './s3-bridge.ts'

interface Options {
  /** Small requests are read directly, as a server does. Default `true`. */
  readonly direct?: boolean
  readonly handler?: (request: S3Request) => Promise<S3Response>
  readonly proxies?: readonly string[]
  readonly metricsAccess?: 'local' | 'public'
  readonly metricsToken?: string
  readonly isReady?: boolean
}

let listener: Listener | undefined
const finished: FinishedRequest[] = []
const faults: unknown[] = []
/** Requests that were read directly. */
let direct = 0

afterEach(async () => {
  await listener?.close({ graceMs: 0 })
  listener = undefined
  finished.length = 0
  faults.length = 0
  direct = 0
})

const ok = (body?: S3Response['body'], headers: Record<string, string> = {}): S3Response => ({
  status: 200,
  headers,
  ...(body === undefined ? {} : { body }),
  log: { operation: 'GetObject' },
})

async function start(options: Options): Promise<number> {
  const proxies = new TrustedProxies(options.proxies ?? [])
  const s3 = s3Bridge({
    handler: options.handler ?? (async () => ok('s3')),
    proxies,
    requestIds: createRequestIds(),
    onBegin: () => {},
    onEnd: (request) => finished.push(request),
    onBodyError: (error) => faults.push(error),
    failedResponse: () => ({
      status: 500,
      headers: { 'content-length': '6' },
      body: 'failed',
      log: { errorCode: 'InternalError' },
    }),
    now: () => performance.now(),
  })
  const handler = createRouter({
    kmsApi: async (_, response) => void response.writeHead(299).end(),
    s3,
    proxies,
    isReady: async () => options.isReady ?? true,
    isWhole: async () => false,
    metrics: { contentType: 'text/plain', text: async () => 'strongroom_up 1\n' },
    metricsAccess: options.metricsAccess ?? 'local',
    metricsToken: options.metricsToken,
  })
  const directly = createDirectRouter(s3)
  listener = await listen({
    endpoints: [{ host: '127.0.0.1', port: 0, plaintext: true }],
    handler,
    ...(options.direct === false
      ? {}
      : {
          direct: (request, response, connection) => {
            const running = directly(request, response, connection)
            if (running !== false) direct += 1
            return running
          },
          directBodies: 'any',
        }),
  })
  return listener.addresses[0]?.port ?? 0
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

const ask = (
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> =>
  new Promise((done, failed) => {
    // Who asks for the end of the connection is served by node:http.
    const sent = { connection: 'keep-alive', ...headers }
    request({ port, host: '127.0.0.1', path, method, headers: sent, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => {
        text += piece
      })
      answer.once('error', failed)
      answer.once('end', () => done({ status: answer.statusCode, headers: answer.headers, text }))
    })
      .once('error', failed)
      .end(body)
  })

describe.each([
  ['by node:http', false],
  ['read directly', true],
])('the S3 bridge, of requests %s', (_way, isDirect) => {
  it('gives the handler what was sent, and sends what it answers', async () => {
    let seen: S3Request | undefined
    let content = ''
    const port = await start({
      direct: isDirect,
      handler: async (incoming) => {
        seen = incoming
        content = Buffer.from(await incoming.body.read(100)).toString()
        return ok('written', { etag: '"1"', 'content-length': '7' })
      },
    })
    const answer = await ask(port, '/bucket/a%20b//..?x-id=PutObject&y', {
      method: 'PUT',
      headers: { 'X-Amz-Meta-A': 'b' },
      body: 'hello',
    })
    expect(answer).toMatchObject({ status: 200, text: 'written', headers: { etag: '"1"' } })
    expect(seen).toMatchObject({
      method: 'PUT',
      rawPath: '/bucket/a%20b//..',
      rawQuery: 'x-id=PutObject&y',
      secure: false,
      remoteAddress: '127.0.0.1',
      headers: { 'x-amz-meta-a': 'b' },
    })
    expect(seen?.requestId).toMatch(/^[0-9A-F]{16}$/)
    expect(content).toBe('hello')
    expect(direct).toBe(isDirect ? 1 : 0)
    expect(finished).toMatchObject([{ status: 200, bytesIn: 5, bytesOut: 7, log: { operation: 'GetObject' } }])
  })

  it('joins a header that was sent twice, so that neither copy wins silently', async () => {
    const port = await start({ direct: isDirect, handler: async ({ headers }) => ok(headers['x-twice'] ?? '') })
    const socket = connect(port, '127.0.0.1')
    socket.end('GET / HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n')
    let text = ''
    socket.on('data', (piece) => {
      text += piece
    })
    await once(socket, 'close')
    expect(text).toContain('\r\n1,2\r\n')
  })

  it.each(['read', 'stream'] as const)('gives a body that comes behind its head: %s', async (how) => {
    let ask = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      ask = resolve
    })
    const port = await start({
      direct: isDirect,
      handler: async ({ body }) => {
        ask()
        if (how === 'read') return ok(await body.read(5))
        const pieces: Uint8Array[] = []
        for await (const piece of body.stream()) pieces.push(piece)
        return ok(Buffer.concat(pieces))
      },
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('PUT /b/o HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe')
    await asked
    socket.write('llo')
    await until(() => finished.length === 1)
    socket.destroy()
    expect(finished).toMatchObject([{ status: 200, bytesIn: 5, bytesOut: 5 }])
    expect(direct).toBe(isDirect ? 1 : 0)
  })

  it('counts nothing of a body whose client has gone, and says so', async () => {
    let ask = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      ask = resolve
    })
    const port = await start({
      direct: isDirect,
      handler: async ({ body }) => {
        ask()
        const outcome = await body.read(5).catch((error: unknown) => error)
        return {
          ...ok(),
          status: outcome instanceof Error && 'code' in outcome && outcome.code === 'aborted' ? 400 : 200,
        }
      },
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('PUT /b/o HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe')
    await asked
    socket.destroy()
    await until(() => finished.length === 1)
    expect(finished).toMatchObject([{ status: 400, bytesIn: 0 }])
  })

  it('says no body, a known length, or a length that is not known', async () => {
    const port = await start({ direct: isDirect, handler: async ({ body }) => ok(String(body.declaredLength)) })
    expect((await ask(port, '/')).text).toBe('0')
    expect((await ask(port, '/', { method: 'PUT', body: 'abc' })).text).toBe('3')
    expect(
      (await ask(port, '/', { method: 'PUT', body: 'abc', headers: { 'transfer-encoding': 'chunked' } })).text,
    ).toBe('undefined')
  })

  it('names the errors of a body as operations know them', async () => {
    const port = await start({
      direct: isDirect,
      handler: async ({ body }) => {
        try {
          await body.read(2)
          return ok('read')
        } catch (error) {
          return ok(error instanceof Error && 'code' in error ? String(error.code) : 'no code')
        }
      },
    })
    expect((await ask(port, '/', { method: 'PUT', body: 'abc' })).text).toBe('too-large')
  })

  it('streams a body, and cuts the connection when it fails midway', async () => {
    async function* pieces(fail: boolean): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(100_000, 'a')
      yield Buffer.alloc(100_000, 'b')
      if (fail) throw new Error('not authentic')
    }
    const port = await start({
      direct: isDirect,
      handler: async ({ rawPath }) => ok(pieces(rawPath === '/fail'), { 'content-length': '200000' }),
    })
    expect((await ask(port, '/whole')).text).toHaveLength(200_000)
    await expect(ask(port, '/fail')).rejects.toThrow()
    expect(faults).toMatchObject([{ message: 'not authentic' }])
    expect(finished).toMatchObject([
      { bytesOut: 200_000 },
      // The last piece was held back.
      { status: 200, bytesOut: 100_000, log: { operation: 'GetObject', errorCode: 'InternalError' } },
    ])
    expect(finished[0]?.log.errorCode).toBeUndefined()
  })

  it('tells of a client that went away, and of the bytes that it took', async () => {
    const client = new AbortController()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(100_000, 'a')
    }
    const port = await start({
      direct: isDirect,
      handler: async () => ok(endless(), { 'content-length': '1000000000000000' }),
    })
    const { body } = await fetch(`http://127.0.0.1:${port}/`, { signal: client.signal })
    await body?.getReader().read()
    client.abort()
    await until(() => finished.length > 0)
    expect(finished).toMatchObject([{ status: 200, log: { errorCode: 'ClientDisconnected' } }])
    expect(finished[0]?.bytesOut).toBeGreaterThan(0)
    expect(faults).toEqual([])
  })

  it('counts what came of a body, not what was announced', async () => {
    const port = await start({ direct: isDirect, handler: async () => ({ ...ok(), status: 403 }) })
    const headers = { 'content-length': '9007199254740991' }
    expect((await ask(port, '/b/o', { method: 'PUT', headers, body: 'x' })).status).toBe(403)
    expect(finished).toMatchObject([{ status: 403, bytesIn: 0 }])
  })

  it('answers with an error when a body fails before its first byte', async () => {
    async function* nothing(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(0)
      throw new Error('not authentic')
    }
    const port = await start({
      direct: isDirect,
      handler: async () => ok(nothing(), { 'content-length': '10', etag: '"1"' }),
    })
    const answer = await ask(port, '/')
    expect(answer).toMatchObject({ status: 500, text: 'failed' })
    expect(answer.headers.etag).toBeUndefined()
    expect(finished).toMatchObject([{ status: 500, bytesOut: 6 }])
  })

  it('ends a body whose headers cannot be sent, and answers with an error', async () => {
    let isOpen = true
    const body: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => body,
      next: async () => ({ done: true, value: undefined }),
      return: async () => {
        isOpen = false
        return { done: true, value: undefined }
      },
    }
    const port = await start({ direct: isDirect, handler: async () => ok(body, { 'x-amz-meta-name': 'a\nb' }) })
    expect((await ask(port, '/')).status).toBe(500)
    expect(isOpen).toBe(false)
    expect(faults).toHaveLength(1)
  })

  it('keeps the content length of an answer to HEAD', async () => {
    const port = await start({ direct: isDirect, handler: async () => ok(undefined, { 'content-length': '12345' }) })
    expect((await ask(port, '/b/o', { method: 'HEAD' })).headers['content-length']).toBe('12345')
  })
})

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setImmediate(resolve))
}

describe('the router', () => {
  it('answers health without credentials', async () => {
    const port = await start({})
    expect((await ask(port, '/minio/health/live')).status).toBe(200)
    expect((await ask(port, '/minio/health/ready?verbose')).status).toBe(200)
    expect((await ask(port, '/minio/health/ready', { method: 'HEAD' })).status).toBe(200)
    expect((await ask(port, '/minio/health/cluster')).status).toBe(503)
  })

  it('is not ready when the stores are not', async () => {
    const port = await start({ isReady: false })
    expect((await ask(port, '/minio/health/ready')).status).toBe(503)
    expect((await ask(port, '/minio/health/live')).status).toBe(200)
  })

  it('leaves what is signed for S3, written, or of another path to S3', async () => {
    const port = await start({})
    expect((await ask(port, '/minio/health/live', { headers: { authorization: 'AWS4-HMAC-SHA256 x' } })).text).toBe(
      's3',
    )
    expect((await ask(port, '/minio/health/live?X-Amz-Signature=1')).text).toBe('s3')
    expect((await ask(port, '/minio/health/live', { method: 'PUT' })).text).toBe('s3')
    expect((await ask(port, '/minio/other')).text).toBe('s3')
    expect((await ask(port, '/strongroom/metrics/x')).text).toBe('s3')
    expect(direct).toBe(0)
    expect((await ask(port, '/minio?x')).text).toBe('s3')
    expect(direct).toBe(1)
  })

  it('shows metrics to this machine, but not through a proxy that nobody vouched for', async () => {
    const port = await start({})
    expect(await ask(port, '/strongroom/metrics')).toMatchObject({ status: 200, text: 'strongroom_up 1\n' })
    expect((await ask(port, '/minio/v2/metrics/cluster')).status).toBe(200)
    expect((await ask(port, '/strongroom/metrics', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status).toBe(403)
  })

  it('asks a trusted proxy where the reader of metrics is', async () => {
    const port = await start({ proxies: ['127.0.0.1'] })
    const from = (address: string) => ask(port, '/strongroom/metrics', { headers: { 'x-forwarded-for': address } })
    expect((await from('192.0.2.1')).status).toBe(403)
    expect((await from('127.0.0.2')).status).toBe(200)
  })

  it('wants the token where there is one', async () => {
    const port = await start({ metricsToken: 'a-token-of-16-characters' })
    expect((await ask(port, '/strongroom/metrics')).status).toBe(403)
    const headers = { authorization: 'Bearer a-token-of-16-characters' }
    expect((await ask(port, '/strongroom/metrics', { headers })).status).toBe(200)
  })
})
