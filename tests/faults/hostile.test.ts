/**
 * What strangers send on the network: each is answered with its documented error, or cut off, in bounded time; afterwards the
 * server has no more handles than before, no more memory than it may, everything that was acknowledged, and a clean fsck
 * (issue: proof, section 2).
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chunkSigning, encodeChunks, type SignOptions } from '@strongroom/sigv4'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { answerOf, HostileClient } from '../support/hostile-client.ts'
import { caOf, Program, run } from '../support/program.ts'
import { type Endpoint, RawClient } from '../support/raw-client.ts'

const bucket = 'hostile'
const content = randomBytes(3_000_000)
const rootCredentials = { accessKeyId: 'hostile-root', secretAccessKey: 'hostile-root-secret' }
const options: SignOptions = {
  credentials: { accessKeyId: rootCredentials.accessKeyId, secret: Buffer.from(rootCredentials.secretAccessKey) },
  region: 'us-east-1',
}

let base: string
let data: string
let program: Program
let endpoint: Endpoint
let client: RawClient
let hostile: HostileClient
let handlesBefore = 0
let memoryBefore = 0

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-hostile-'))
  data = join(base, 'data')
  program = await Program.start({
    data,
    args: ['--header-timeout', '2s', '--stall-timeout', '2s', '--idle-timeout', '8s', '--region', 'us-east-1'],
    variables: {
      STRONGROOM_ROOT_USER: rootCredentials.accessKeyId,
      STRONGROOM_ROOT_PASSWORD: rootCredentials.secretAccessKey,
    },
  })
  endpoint = { host: '127.0.0.1', port: program.port, ca: await caOf(data) }
  client = new RawClient(endpoint, rootCredentials, 'us-east-1')
  hostile = new HostileClient(endpoint, options)
  await client.send({ method: 'PUT', bucket })
  expect((await client.send({ method: 'PUT', bucket, name: 'kept', body: content })).status).toBe(200)
  handlesBefore = await handlesOpen()
  memoryBefore = await memoryBytes()
})

// A connection that was idle for a test may be closed just as the next one uses it.
beforeEach(() => {
  client.close()
  client = new RawClient(endpoint, rootCredentials, 'us-east-1')
})

afterAll(async () => {
  client?.close()
  await program?.stop()
  await rm(base, { recursive: true })
})

const handlesOpen = async (): Promise<number> => {
  const { readdir } = await import('node:fs/promises')
  return (await readdir(`/proc/${program.pid}/fd`)).length
}

async function memoryBytes(): Promise<number> {
  const status = await readFile(`/proc/${program.pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

const bomb = `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">${'bcdefgh'.replaceAll(/./g, (name) => `<!ENTITY ${name} "&a;&a;&a;&a;">`)}]>`

/** Documents that are none, by what is wrong: what is sent, and what is answered. */
const documents: Readonly<Record<string, readonly [body: string, code: string]>> = {
  'is no XML': ['{"a": 1}', 'MalformedXML'],
  'ends early': ['<Tagging><TagSet><Tag>', 'MalformedXML'],
  'crosses its elements': ['<Tagging><TagSet></Tagging></TagSet>', 'MalformedXML'],
  'declares entities that grow': [`${bomb}<Tagging><TagSet>&h;</TagSet></Tagging>`, 'MalformedXML'],
  'names a document type elsewhere': ['<!DOCTYPE a SYSTEM "file:///etc/passwd"><Tagging/>', 'MalformedXML'],
  'uses an entity of its own': ['<Tagging>&passwd;</Tagging>', 'MalformedXML'],
  'is nested 100,000 deep': ['<a>'.repeat(100_000), 'MalformedXML'],
  'has 200,000 elements': [`<Tagging>${'<a/>'.repeat(200_000)}</Tagging>`, 'MalformedXML'],
  'has 50,000 attributes': [
    `<Tagging ${Array.from({ length: 50_000 }, (_, n) => `a${n}=""`).join(' ')}/>`,
    'MalformedXML',
  ],
  'is no UTF-8': ['<Tagging>\xc0\x80\xff</Tagging>', 'MalformedXML'],
  'has 10 MB': [`<Tagging>${' '.repeat(10_000_000)}</Tagging>`, 'MaxMessageLengthExceeded'],
}
const documentTargets: readonly (readonly [what: string, method: string, query: string])[] = [
  ['tags', 'PUT', 'tagging'],
  ['an encryption configuration', 'PUT', 'encryption'],
  ['a list of deletions', 'POST', 'delete'],
]

describe('a document', () => {
  const cases = Object.entries(documents).flatMap(([what, [body, code]]) =>
    documentTargets.map(([target, method, query]) => ({ what, target, method, query, body, code })),
  )

  it.each(cases)('that $what is refused as $target', async ({ method, query, body, code }) => {
    const bytes = Buffer.from(body, 'latin1')
    const headers = { 'content-md5': createHash('md5').update(bytes).digest('base64') }
    const answer = await client.send({ method, bucket, query: { [query]: undefined }, headers, body: bytes })
    expect([answer.status, answer.code]).toEqual([400, code])
  })
})

const put = (name: string) => ({ method: 'PUT', path: `/${bucket}/${name}` })
const get = (path: string) => ({ method: 'GET', path })
const withLength = (head: string, length: number | string, body: string) =>
  `${head}Content-Length: ${length}\r\n\r\n${body}`

/** Bytes of a whole connection; the answer. A status of 0: cut off without an answer. */
const exchanges: Readonly<Record<string, readonly [bytes: () => string, status: number, code?: string]>> = {
  'a length below zero': [() => withLength(hostile.sign(put('new')).head, -1, 'a'), 400],
  'a length with a sign': [() => withLength(hostile.sign(put('new')).head, '+1', 'a'), 400],
  'a length with an exponent': [() => withLength(hostile.sign(put('new')).head, '1e3', 'a'), 400],
  'a length beyond all numbers': [() => withLength(hostile.sign(put('new')).head, '9'.repeat(30), 'a'), 400],
  'a length beyond all objects': [
    () => withLength(hostile.sign(put('new')).head, '9'.repeat(15), 'a'),
    400,
    'EntityTooLarge',
  ],
  'two lengths': [() => withLength(`${hostile.sign(put('new')).head}Content-Length: 1\r\n`, 2, 'ab'), 400],
  'a length and chunks': [
    () => withLength(`${hostile.sign(put('new')).head}Transfer-Encoding: chunked\r\n`, 5, '0\r\n\r\n'),
    400,
  ],
  'another coding': [() => `${hostile.sign(put('new')).head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  'chunked twice': [() => `${hostile.sign(put('new')).head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
  'a chunk of no size': [() => `${hostile.sign(put('new')).head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 0],
  'an upload without a length': [() => `${hostile.sign(put('empty')).head}\r\n`, 411, 'MissingContentLength'],
  'a space before a colon': [() => `${hostile.sign(get(`/${bucket}/kept`)).head}X-A : b\r\n\r\n`, 400],
  'a folded header': [() => `${hostile.sign(get(`/${bucket}/kept`)).head}X-A: b\r\n c\r\n\r\n`, 400],
  'a header with a null': [() => `${hostile.sign(get(`/${bucket}/kept`)).head}X-A: b\0c\r\n\r\n`, 400],
  '1,000 headers': [() => `${hostile.sign(get(`/${bucket}/kept`)).head}${'X-A: b\r\n'.repeat(1000)}\r\n`, 431],
  'a header of 1 MiB': [
    () => `${hostile.sign(get(`/${bucket}/kept`)).head}X-A: ${'b'.repeat(1024 * 1024)}\r\n\r\n`,
    431,
  ],
  'a target of 1 MiB': [() => `GET /${'a'.repeat(1024 * 1024)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
  'no host': [() => 'GET / HTTP/1.1\r\n\r\n', 400],
  'two hosts': [() => 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  'a host with a path': [() => 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  'a target with another host': [() => 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'another version': [() => 'GET / HTTP/3.7\r\nHost: a\r\n\r\n', 400],
  'a method of its own': [() => 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'a request for a tunnel': [() => 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 405],
  'no HTTP': [
    () =>
      `${randomBytes(2000)
        .toString('latin1')
        .replaceAll(/[\r\n]/g, 'x')}\r\n\r\n`,
    400,
  ],
  'a target that is no UTF-8': [() => `${hostile.sign(get(`/${bucket}/%c0%80`)).head}\r\n`, 400, 'InvalidURI'],
  'an escape that is none': [() => `${hostile.sign(get(`/${bucket}/%zz`)).head}\r\n`, 400, 'InvalidURI'],
  'an escape that is cut': [() => `${hostile.sign(get(`/${bucket}/%4`)).head}\r\n`, 400, 'InvalidURI'],
  'a path out of the bucket': [
    () => `${hostile.sign(get(`/${bucket}/../../../etc/passwd`)).head}\r\n`,
    404,
    'NoSuchKey',
  ],
  'an escaped path out of the bucket': [
    () => `${hostile.sign(get(`/${bucket}/..%2f..%2fetc%2fpasswd`)).head}\r\n`,
    404,
    'NoSuchKey',
  ],
  'a bucket that is a path': [() => `${hostile.sign(get('/..%2f..%2fetc/passwd')).head}\r\n`, 400, 'InvalidBucketName'],
  'a bucket of dots': [() => `${hostile.sign(get('/../../etc/passwd')).head}\r\n`, 400, 'InvalidBucketName'],
  'a name with a null': [() => `${hostile.sign(get(`/${bucket}/a%00b`)).head}\r\n`, 404, 'NoSuchKey'],
}

describe('a request with', () => {
  it.each(Object.entries(exchanges))('%s gets its answer and nothing else', async (_, [bytes, status, code]) => {
    const answer = await hostile.exchange(bytes())
    expect([answer.status, code === undefined ? '' : answer.code]).toEqual([status, code ?? ''])
    expect(answer.count).toBe(status === 0 ? 0 : 1)
    if (status >= 400) {
      expect(answer.code).toMatch(/^[A-Z]\w+$/)
      const id = /^x-amz-request-id: ([0-9A-F]{16})\r$/m.exec(answer.text)?.[1] ?? 'none'
      expect(answer.text).toContain(`<RequestId>${id}</RequestId>`)
    }
  })

  it.each(['bytes=-0', 'bytes=3000000-', 'bytes=99999999999999999999-'])('the range %s is refused', async (range) => {
    const answer = await client.send({ method: 'GET', bucket, name: 'kept', headers: { range } })
    expect([answer.status, answer.code]).toEqual([416, 'InvalidRange'])
  })

  it.each(['bytes=5-2', 'bytes=--5', 'bytes=0-0,1-1', 'bytes=a-b', 'lines=0-1', `bytes=0-${'9'.repeat(1000)}`])(
    'the range %s gets the whole',
    async (range) => {
      const answer = await client.send({ method: 'GET', bucket, name: 'kept', headers: { range } })
      expect([answer.status, answer.body.equals(content)]).toEqual([200, true])
    },
  )

  it('a length that is too short leaves no second request in what follows', async () => {
    const { head } = hostile.sign(get(`/${bucket}/kept`))
    const keptAlive = hostile.sign(put('short')).head.replace('Connection: close\r\n', '')
    const answer = await hostile.exchange(withLength(keptAlive, 3, `abcGARBAGE ${head}\r\n`))
    expect([answer.status, answer.count]).toEqual([200, 1])
    expect((await client.send({ method: 'GET', bucket, name: 'short' })).text).toBe('abc')
  })
})

describe('a signature', () => {
  const changes: Readonly<Record<string, (signature: string) => string>> = {
    wrong: (signature) => signature.replace(/^./, (first) => (first === '0' ? '1' : '0')),
    'cut short': (signature) => signature.slice(0, 40),
    empty: () => '',
    'too long': (signature) => `${signature}00`,
  }

  it.each(Object.entries(changes))('that is %s is refused', async (_, change) => {
    const { signed, head } = hostile.sign(get(`/${bucket}/kept`))
    const answer = await hostile.exchange(`${head.replace(signed.signature, change(signed.signature))}\r\n`)
    expect([400, 403]).toContain(answer.status)
    expect(['SignatureDoesNotMatch', 'AuthorizationHeaderMalformed']).toContain(answer.code)
  })

  const pieces = [randomBytes(8192), randomBytes(8192), randomBytes(500)]
  /** Chunk headers, contents and line ends, three for each chunk. */
  const orders: Readonly<
    Record<string, readonly [order: (chunks: readonly Uint8Array[]) => readonly Uint8Array[], code: string]>
  > = {
    'a chunk comes twice': [([a, , c, end]) => [a, a, c, end].filter(isThere), 'SignatureDoesNotMatch'],
    'two chunks change places': [([a, b, c, end]) => [b, a, c, end].filter(isThere), 'SignatureDoesNotMatch'],
    'the last chunk is missing': [([a, b, , end]) => [a, b, end].filter(isThere), 'SignatureDoesNotMatch'],
    'the end is missing': [(chunks) => chunks.slice(0, 3), 'IncompleteBody'],
    'a byte differs': [([a, b, c, end]) => [changed(a), b, c, end].filter(isThere), 'SignatureDoesNotMatch'],
  }

  it.each(Object.entries(orders))('of chunks does not hold when %s', async (_, [order, code]) => {
    const headers = { 'x-amz-decoded-content-length': String(8192 * 2 + 500), 'content-encoding': 'aws-chunked' }
    const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
    const { signed, head } = hostile.sign({ ...put('chunked'), headers, payloadHash })
    const parts = [...encodeChunks(pieces, chunkSigning(signed, { ...options, payloadHash }))]
    const chunks = [0, 3, 6].map((at) => Buffer.concat(parts.slice(at, at + 3)))
    const body = Buffer.concat(order([...chunks, Buffer.concat(parts.slice(9))]))
    const answer = await hostile.exchange(`${head}Content-Length: ${body.length}\r\n\r\n`, body)
    expect(answer.code).toBe(code)
    expect((await client.send({ method: 'HEAD', bucket, name: 'chunked' })).status).toBe(404)
  })
})

const isThere = (chunk: Uint8Array | undefined): chunk is Uint8Array => chunk !== undefined
const changed = (chunk: Uint8Array | undefined): Uint8Array => {
  const copy = Buffer.from(chunk ?? [])
  copy[4000] = (copy[4000] ?? 0) ^ 1
  return copy
}

/** Of the phases: the server has something to say to the client, who does not read it and so does not see the end either. */
const unread: readonly string[] = ['in the middle of a header', 'in the middle of the answer']

/** Connections that come so far and no further. */
const phases: Readonly<Record<string, () => Promise<Socket>>> = {
  'before the handshake': () => hostile.connectBelow(),
  'in the middle of the handshake': async () => {
    const socket = await hostile.connectBelow()
    socket.write(Buffer.from('160301020001', 'hex'))
    return socket
  },
  'after the handshake': () => hostile.connect(),
  'in the middle of a header': () => sent('GET / HTTP/1.1\r\nHost: a\r\nX-A'),
  'before the body': () => sent(withLength(hostile.sign(put('cut')).head, 3_000_000, '')),
  'in the middle of the body': () => sent(withLength(hostile.sign(put('cut')).head, 3_000_000, 'x'.repeat(1_000_000))),
  'in the middle of a signed chunk': () => sent(startOfChunks('2000;chunk-signature=')),
  'in the middle of a trailer': () =>
    sent(startOfChunks('0\r\nx-amz-checksum-crc32:AAA', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')),
  'in the middle of the answer': async () => {
    // Who has more waiting has more time.
    const headers = { range: 'bytes=0-499999' }
    const socket = await sent(`${hostile.sign({ ...get(`/${bucket}/kept`), headers }).head}\r\n`)
    socket.pause()
    return socket
  },
}

async function sent(bytes: string): Promise<Socket> {
  const socket = await hostile.connect()
  socket.write(Buffer.from(bytes, 'latin1'))
  return socket
}

function startOfChunks(start: string, payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'): string {
  const trailer: Record<string, string> = payloadHash.endsWith('TRAILER')
    ? { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    : {}
  const headers = { 'x-amz-decoded-content-length': '8192', 'content-encoding': 'aws-chunked', ...trailer }
  return withLength(hostile.sign({ ...put('cut'), headers, payloadHash }).head, 9000, start)
}

describe('a client that goes away or stops', () => {
  it.each(Object.entries(phases))('%s is gone for the server, too', async (_, begin) => {
    const sockets = await Promise.all(Array.from({ length: 20 }, begin))
    for (const socket of sockets) socket.destroy()
    await untilHandlesAre(handlesBefore)
    expect((await client.send({ method: 'HEAD', bucket, name: 'cut' })).status).toBe(404)
  })

  describe('together with others that do', () => {
    interface Stopped {
      readonly sockets: readonly Socket[]
      readonly ends: Promise<unknown>
      /** What another client got meanwhile. */
      readonly served: Buffer
    }
    const stopped = new Map<string, Stopped>()

    // One kind after the other, so that also a slow machine is done with the handshakes of each in their time.
    beforeAll(async () => {
      client.close()
      for (const [phase, begin] of Object.entries(phases)) {
        const sockets = await Promise.all(Array.from({ length: 20 }, begin))
        const ends = Promise.all(sockets.map((socket) => new Promise((closed) => socket.once('close', closed))))
        stopped.set(phase, { sockets, ends, served: (await client.send({ method: 'GET', bucket, name: 'kept' })).body })
      }
    })

    it.each(Object.keys(phases))(
      '%s is cut off in time, while others are served',
      { timeout: 120_000 },
      async (phase) => {
        const { sockets, ends, served } = stopped.get(phase) ?? expect.fail('not begun')
        expect(served.equals(content)).toBe(true)
        // The server's side has to be gone, as that of all the others is by then.
        if (unread.includes(phase)) {
          await untilHandlesAre(handlesBefore)
          for (const socket of sockets) socket.destroy()
        }
        await ends
      },
    )
  })

  it('after every few bytes of its header has no more time for it than others', async () => {
    const socket = await hostile.connect()
    const answer = answerOf(socket)
    const trickle = setInterval(() => socket.writable && socket.write('X-A: b\r\n'), 100)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    expect((await answer).status).toBe(408)
    clearInterval(trickle)
  })
})

/** The keep-alive connection of the client may be there or not. */
async function untilHandlesAre(wanted: number): Promise<void> {
  for (;;) {
    if ((await handlesOpen()) <= wanted + 1) return
    await new Promise((done) => setTimeout(done, 50))
  }
}

describe('an upload', () => {
  it('of a thousand parts, in no order and many of them twice, is completed only as it should be', async () => {
    const name = 'parts'
    const created = await client.send({ method: 'POST', bucket, name, query: { uploads: undefined } })
    const uploadId = created.element('UploadId') ?? ''
    const numbers = Array.from({ length: 1000 }, (_, n) => String(((n * 7919) % 10_000) + 1))
    const etags = new Map<string, string>()
    for (const number of [...numbers, ...numbers.slice(0, 100)]) {
      const part = await client.send({
        method: 'PUT',
        bucket,
        name,
        query: { uploadId, partNumber: number },
        body: number,
      })
      etags.set(number, String(part.headers.etag))
    }
    const complete = async (list: readonly string[]): Promise<string | undefined> => {
      const parts = list.map(
        (number) => `<Part><PartNumber>${number}</PartNumber><ETag>${etags.get(number)}</ETag></Part>`,
      )
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
      return (await client.send({ method: 'POST', bucket, name, query: { uploadId }, body })).code
    }
    const sorted = numbers.toSorted((a, b) => Number(a) - Number(b))
    expect(await complete(numbers)).toBe('InvalidPartOrder')
    expect(await complete([...sorted, ...sorted])).toBe('InvalidPartOrder')
    expect(await complete(sorted)).toBe('EntityTooSmall')
    expect(await complete(Array.from({ length: 20_000 }, () => '1'))).toBe('MalformedXML')
    const aborted = await client.send({ method: 'DELETE', bucket, name, query: { uploadId } })
    expect(aborted.status).toBe(204)
  }, 180_000)
})

describe('after all of it', () => {
  it('the server has no more handles, hardly more memory, no error in its log, and all that it acknowledged', async () => {
    await untilHandlesAre(handlesBefore)
    expect((await memoryBytes()) - memoryBefore).toBeLessThan(250 * 1024 * 1024)
    expect(program.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect((await client.send({ method: 'GET', bucket, name: 'kept' })).body.equals(content)).toBe(true)
    const listed = await client.send({ method: 'GET', bucket, query: { 'list-type': '2' } })
    expect(listed.elements('Key')).toEqual(['kept', 'short'])
    client.close()
    expect(await program.stop()).toBe(0)
    const check = await run(['fsck', '--verify-data', '--data', data])
    expect([check.code, check.error]).toEqual([0, ''])
  }, 180_000)
})
