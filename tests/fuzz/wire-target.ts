/**
 * Bytes on a connection to a whole server, which answers each with HTTP or ends the connection, and goes on.
 *
 * @module
 */

import { connect } from 'node:net'
import { presign, signRequest } from '@strongroom/sigv4'
import { startServer, type TestServer } from '../support/test-server.ts'
import type { Target } from './targets.ts'

/** Starts a server with a listener for plain HTTP. */
export async function wireTarget(): Promise<Target> {
  const server = await startServer({ plaintext: true })
  await server.raw.send({ method: 'PUT', bucket: 'fuzz' })
  let count = 0
  return {
    inputs: inputsFor(server),
    check: async (input) => {
      const answer = await exchange(server.plain.endpoint.port, input)
      const fault = faultOf(answer) ?? server.faults[0]
      if (fault !== undefined || ++count % 50 > 0) return fault
      const healthy = await server.plain.send({ method: 'GET', bucket: 'fuzz' })
      return healthy.status === 200 ? undefined : `the next request was answered with ${healthy.status}`
    },
    close: async () => {
      const { findings } = await server.fsck()
      await server.stop()
      if (findings.length > 0) throw new Error(`fsck: ${JSON.stringify(findings.slice(0, 5))}`)
    },
  }
}

function inputsFor(server: TestServer): Buffer[] {
  const host = `127.0.0.1:${server.plain.endpoint.port}`
  const of = (
    method: string,
    rawPath: string,
    rawQuery: string,
    body: string,
    more: Record<string, string> = {},
  ): Buffer => {
    const unsigned = { method, rawPath, rawQuery, headers: { host, ...more } }
    const { headers } = signRequest(unsigned, { ...server.signOptions, payloadHash: 'UNSIGNED-PAYLOAD' })
    const lines = Object.entries({ ...headers, 'content-length': String(body.length) }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    return Buffer.from(
      `${method} ${rawPath}${rawQuery === '' ? '' : `?${rawQuery}`} HTTP/1.1\r\n${lines.join('')}\r\n${body}`,
    )
  }
  const plain = { method: 'GET', rawPath: '/fuzz/a', rawQuery: '', headers: { host } }
  const url = presign(plain, { ...server.signOptions, expiresSeconds: 3600 })
  const boundary = 'xxBOUNDARYxx'
  const field = (name: string, value: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const form = `${field('key', 'formed')}${field('file', 'content')}--${boundary}--\r\n`
  const put = of('PUT', '/fuzz/a', '', 'content of an object', { 'content-type': 'text/plain', 'x-amz-meta-a': 'b' })
  const get = of('GET', '/fuzz/a', '', '', { range: 'bytes=0-5' })
  return [
    put,
    get,
    of('GET', '/fuzz', 'list-type=2&prefix=a&max-keys=10', ''),
    of('POST', '/fuzz', 'delete', '<Delete><Object><Key>b</Key></Object></Delete>', {
      'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==',
    }),
    of('POST', '/fuzz', '', form, { 'content-type': `multipart/form-data; boundary=${boundary}` }),
    Buffer.from(`GET /fuzz/a?${url} HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    Buffer.from(
      `PUT /fuzz/c HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ),
    Buffer.concat([put, get, get]),
  ]
}

/** All that comes back until the server ends the connection, which it does soon, for nothing comes after the input. */
function exchange(port: number, input: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: false }, () => socket.end(input))
    let text = ''
    socket.on('data', (piece) => {
      text += piece.toString('latin1')
    })
    // A server that cuts the connection while it is written to.
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

function faultOf(answer: string): string | undefined {
  if (answer !== '' && !/^HTTP\/1\.[01] [1-5]\d\d /.test(answer))
    return `no HTTP: ${JSON.stringify(answer.slice(0, 200))}`
  return /^HTTP\/1\.1 500 /m.test(answer) ? `an internal error: ${JSON.stringify(answer.slice(0, 2000))}` : undefined
}
