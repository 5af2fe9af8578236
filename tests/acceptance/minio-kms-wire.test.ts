/**
 * What the real `mc` sent for its commands `admin kms key` and `encrypt`, replayed: MinIO's answers, as `mc` reads them
 * (server-side-encryption.md 7.3, 7.4).
 *
 * @module
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

interface RecordedRequest {
  readonly method: string
  readonly target: string
  /** What it was signed for. */
  readonly region: string
  readonly body?: string
  readonly status: number
  readonly responseBody?: string
}

interface Command {
  readonly command: string
  readonly requests: readonly RecordedRequest[]
}

/** Commands whose last answer is another one here, and why. */
const differences: Readonly<Record<string, readonly [outcome: string, why: string]>> = {
  'mc encrypt set sse-kms nosuchkey p/alpha': ['200', 'as on AWS: the rule is taken, and writes say what is missing'],
  'mc --json encrypt set sse-kms nosuchkey p/alpha': [
    '200',
    'as on AWS: the rule is taken, and writes say what is missing',
  ],
  'mc encrypt set sse-kms p/alpha': ['200', 'as on AWS: a rule without a key means the default key'],
}

const commands: readonly Command[] = JSON.parse(
  await readFile(join(import.meta.dirname, 'testdata/minio-kms-wire.json'), 'utf8'),
)
let server: TestServer

beforeAll(async () => {
  server = await startServer({ defaultEncryption: 'none', defaultKey: 'minio-default' })
  const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
  for (const name of ['testkey-1', 'testkey-2']) await server.engine.createKey({ requester, name })
  await server.raw.send({ method: 'PUT', bucket: 'alpha' })
})

afterAll(async () => {
  await server?.stop()
})

const send = (
  { method, target, region, body }: Omit<RecordedRequest, 'status'>,
  at = server.raw,
): Promise<RawResponse> => {
  const [rawPath = '', query = ''] = target.split('?')
  return at.send({ method, rawPath, query, region, ...(body === undefined ? {} : { body }) })
}

/** What `mc` makes use of: all of the JSON but ids and times; of S3's XML the code. */
function read(target: string, text: string): unknown {
  if (text.startsWith('<')) return /<Code>([^<]*)</.exec(text)?.[1] ?? rule(text)
  if (!target.startsWith('/minio/') || text === '') return text
  const value: unknown = JSON.parse(text)
  if (Array.isArray(value)) return value.map((key: object) => ({ ...key, createdAt: '' }))
  return { ...(value as object), RequestId: '', HostId: '' }
}

/** Of a bucket's rule what the algorithm and the key are. */
const rule = (text: string): readonly string[] =>
  ['SSEAlgorithm', 'KMSMasterKeyID'].map((name) => new RegExp(`<${name}>([^<]*)<`).exec(text)?.[1] ?? '')

it('leaves a line in the access log and a count in the metrics for each request, as S3 does', async () => {
  const target = '/minio/kms/v1/key/create?key-id=made-over-the-network'
  const made = await send({ method: 'POST', target, region: '' })
  const again = await send({ method: 'POST', target, region: '' })
  const unknown = await send({ method: 'GET', target: '/minio/kms/v1/none', region: '' })
  expect([made.status, again.status, unknown.status]).toEqual([200, 500, 400])
  // They are written when the answer is out.
  const linesNow = () =>
    server.accessLog.map((line) => JSON.parse(line)).filter((line) => line.target.startsWith('/minio/'))
  await expect.poll(() => linesNow().length).toBe(3)
  const lines = linesNow()
  const common = { method: 'POST', target, remoteAddress: '127.0.0.1', accessKeyId: server.credentials.accessKeyId }
  const creation = {
    ...common,
    operation: 'kms:CreateKey',
    keyId: 'made-over-the-network',
    account: server.accounts.rootAccountId,
  }
  expect(lines).toMatchObject([
    { ...creation, status: 200, bytesIn: 0, bytesOut: 0, requestId: made.headers['x-amz-request-id'] },
    { ...creation, status: 500, errorCode: 'InternalError' },
    { operation: 'unknown', status: 400, errorCode: 'BadRequest', target: '/minio/kms/v1/none' },
  ])
  const metrics = (await server.raw.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })).text
  expect(metrics).toMatch(/requests_total\{operation="kms:CreateKey",status="200"\} [1-9]/)
  expect(metrics).toMatch(/requests_in_flight 0\b/)
  await server.engine.deleteKey('made-over-the-network')
})

describe('mc', () => {
  it.each(commands)('$command', async ({ command, requests }) => {
    for (const [index, request] of requests.entries()) {
      const answer = await send(request)
      const difference = index === requests.length - 1 ? differences[command] : undefined
      if (difference !== undefined) {
        expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(difference[0])
        continue
      }
      expect([request.target, answer.status]).toEqual([request.target, request.status])
      expect(read(request.target, answer.text)).toEqual(read(request.target, request.responseBody ?? ''))
    }
  })
})

describe("the routes of MinIO's KMS API", () => {
  const get = (target: string, region = '') => send({ method: 'GET', target, region })

  it('tell what keeps the keys, and the version', async () => {
    expect(JSON.parse((await get('/minio/kms/v1/status')).text)).toMatchObject({
      'default-key-id': 'minio-default',
      endpoints: expect.any(Object),
    })
    expect(JSON.parse((await get('/minio/kms/v1/version')).text)).toEqual({ version: '0' })
    const older = await send({ method: 'POST', target: '/minio/admin/v3/kms/status', region: '' })
    expect(JSON.parse(older.text)).toMatchObject({ 'default-key-id': 'minio-default' })
  })

  it('list by prefix', async () => {
    const names = async (pattern: string): Promise<readonly string[]> => {
      const keys: readonly { readonly name: string }[] = JSON.parse(
        (await get(`/minio/kms/v1/key/list?pattern=${pattern}`)).text,
      )
      return keys.map(({ name }) => name)
    }
    expect(await names('testkey-')).toEqual(['testkey-1', 'testkey-2'])
    expect(await names('nothing')).toEqual([])
  })

  it('say in MinIO’s words that there is no such route', async () => {
    for (const [method, target] of [
      ['GET', '/minio/kms/v1/nosuch'],
      ['POST', '/minio/kms/v1/key/list?pattern=*'],
      ['POST', '/minio/kms/v1/key/create'],
    ] as const) {
      const answer = await send({ method, target, region: '' })
      expect([target, answer.status, answer.code]).toEqual([target, 400, 'BadRequest'])
      expect(answer.text).toContain(`An unsupported API call for method: ${method} at '${target.split('?')[0]}'`)
    }
    const other = await get('/minio/admin/v4/kms/status')
    expect([other.status, JSON.parse(other.text).Code]).toEqual([426, 'XMinioAdminVersionMismatch'])
    expect((await get('/minio/admin/v3/info')).status).toBe(426)
    const metrics = await get('/minio/kms/v1/metrics')
    expect([metrics.status, JSON.parse(metrics.text).Message]).toEqual([
      500,
      'We encountered an internal error, please try again. (requested functionality is not supported)',
    ])
  })

  it('take nobody but the first account, and no wrong signature', async () => {
    const target = '/minio/kms/v1/key/list?pattern=*'
    const { accessKeyId, secretAccessKey } = await server.accounts.createAccount('tenant')
    const others = [
      [{ accessKeyId, secretAccessKey }, 'AccessDenied'],
      [{ accessKeyId: server.credentials.accessKeyId, secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch'],
      [{ accessKeyId: 'AKIANOBODYATALLXXXXX', secretAccessKey }, 'InvalidAccessKeyId'],
    ] as const
    for (const [credentials, code] of others) {
      const answer = await send({ method: 'GET', target, region: '' }, server.raw.as(credentials))
      expect([answer.status, JSON.parse(answer.text).Code]).toEqual([403, code])
    }
  })

  it('say what is wrong with a key that is locked', async () => {
    await server.engine.lockKey('testkey-2')
    const answer = await get('/minio/kms/v1/key/status?key-id=testkey-2')
    expect(JSON.parse(answer.text)).toEqual({ 'key-id': 'testkey-2', 'encryption-error': 'the key is locked' })
  })

  it('are not taken from a bucket of that name', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'minio' })
    const name = 'kms/v1/key/status'
    expect((await server.raw.send({ method: 'PUT', bucket: 'minio', name, body: 'mine' })).status).toBe(200)
    expect((await server.raw.send({ method: 'GET', bucket: 'minio', name })).text).toBe('mine')
    const unsigned = await server.raw.send({ method: 'GET', rawPath: `/minio/${name}`, auth: 'none' })
    expect([unsigned.status, unsigned.code]).toEqual([403, 'AccessDenied'])
  })
})
