/**
 * A handler over an engine of a few given methods, and signed requests to it.
 *
 * @module
 */

import type { Accounts } from '@strongroom/accounts'
import type { Bucket, Engine } from '@strongroom/engine'
import { signRequest } from '@strongroom/sigv4'
import { createS3Handler, type S3HandlerOptions } from './handler.ts'
import { headerRecord, type S3Request, type S3Response } from './request.ts'

export const accountId = '111111111111'
const credentials = { accessKeyId: 'TESTKEY', secret: Buffer.from('test secret') }

export const testBucket: Bucket = {
  id: '0'.repeat(32),
  name: 'bucket',
  ownerAccountId: accountId,
  createdAtMs: 0,
  versioning: 'unset',
  recordVersion: 1,
}

/** Methods that are not given fail the test that calls them. */
export function engineOf(methods: Partial<Engine>): Engine {
  const all: Partial<Engine> = { bucket: async () => testBucket, ...methods }
  return new Proxy(all as Engine, {
    get: (target, name) => {
      const method = Reflect.get(target, name)
      if (method === undefined) throw new Error(`the engine was not to be asked for ${String(name)}`)
      return method
    },
  })
}

const accounts: Pick<Accounts, 'lookup' | 'rootAccountId'> = {
  rootAccountId: accountId,
  lookup: async (accessKeyId) =>
    accessKeyId === credentials.accessKeyId
      ? { principal: { accountId, accessKeyId, isRootAccount: true }, secret: Uint8Array.from(credentials.secret) }
      : undefined,
}

export interface TestRequest {
  readonly method?: string
  readonly rawPath?: string
  readonly rawQuery?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly secure?: boolean
  /** Default true. */
  readonly signed?: boolean
}

export interface TestHandler {
  /** Faults reported by the handler. */
  readonly faults: unknown[]
  send(request: TestRequest): Promise<S3Response & { readonly text: string }>
}

export function testHandler(engine: Partial<Engine>, options: Partial<S3HandlerOptions> = {}): TestHandler {
  const faults: unknown[] = []
  const handle = createS3Handler({
    engine: engineOf(engine),
    accounts,
    region: 'eu-test-1',
    onUnexpectedError: (error) => faults.push(error),
    ...options,
  })
  return {
    faults,
    send: async (input) => {
      const response = await handle(requestOf(input))
      return { ...response, text: await textOf(response.body) }
    },
  }
}

function requestOf(input: TestRequest): S3Request {
  const { method = 'GET', rawPath = '/bucket/name', rawQuery = '', secure = true, body = new Uint8Array(0) } = input
  const plain = { host: 'localhost', 'content-length': String(body.length), ...input.headers }
  const payloadHash = 'UNSIGNED-PAYLOAD'
  const signing = { credentials, region: 'eu-test-1', payloadHash }
  const headers =
    input.signed === false ? plain : signRequest({ method, rawPath, rawQuery, headers: plain }, signing).headers
  return {
    method,
    rawPath,
    rawQuery,
    headers: headerRecord(Object.entries(headers).flat()),
    body: { declaredLength: body.length, read: async () => body, stream: () => oneChunk(body) },
    secure,
    remoteAddress: '127.0.0.1',
    requestId: 'REQUEST',
    hostId: 'HOST',
  }
}

async function* oneChunk(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}

async function textOf(body: S3Response['body']): Promise<string> {
  if (body === undefined || typeof body === 'string') return body ?? ''
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
