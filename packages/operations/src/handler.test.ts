import { createHash } from 'node:crypto'
import { type CustomerKey, EngineError, type ReadHead } from '@strongroom/engine'
import { describe, expect, it } from 'vitest'
import { accountId, testBucket, testHandler } from './handler.fixture.ts'
import { operationNames } from './operations.ts'

const head: ReadHead = {
  head: {
    name: 'name',
    etag: 'abc',
    sizeBytes: 5,
    lastModifiedMs: 0,
    metadata: { userMetadata: new Map() },
    tagCount: 0,
    encryption: { mode: 'sse-kms', keyId: 'key', bucketKeyEnabled: false },
  },
  contentLength: 5,
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const key = Buffer.alloc(32, 1)
const customerKey = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': key.toString('base64'),
  'x-amz-server-side-encryption-customer-key-md5': md5(key),
}

describe('the handler', () => {
  it('answers with ids, length and what the log needs', async () => {
    const { send } = testHandler({ getObject: async () => ({ ...head, body: Buffer.from('hello') }) })
    const { status, headers, text, log } = await send({})
    expect([status, text]).toEqual([200, 'hello'])
    expect(headers).toMatchObject({
      'x-amz-request-id': 'REQUEST',
      'x-amz-id-2': 'HOST',
      'content-length': '5',
      etag: '"abc"',
      'x-amz-server-side-encryption': 'aws:kms',
    })
    expect(log).toEqual({
      operation: 'GetObject',
      bucket: 'bucket',
      name: 'name',
      accountId,
      accessKeyId: 'TESTKEY',
      encryptionMode: 'sse-kms',
      keyId: 'key',
    })
  })

  it.each([
    ['key', 'key'],
    ['arn:aws:kms:key', 'arn:aws:kms:key'],
    ['arn:aws:kms:us-east-1:100000000001:key/k', 'arn:aws:kms:us-east-1:100000000001:key/k'],
    [key.toString('base64'), undefined],
    [`arn:aws:kms:${key.toString('base64')}`, undefined],
    [`arn:aws:kms:${key.toString('base64')}:100000000001:key/k`, undefined],
    [`arn:aws:kms:us-east-1:${key.toString('base64')}:key/k`, undefined],
    ['', undefined],
  ])('logs %j as the id of a key only if it is one', async (keyId, logged) => {
    const encryption = { mode: 'sse-kms', keyId, bucketKeyEnabled: false } as const
    const found = { ...head, head: { ...head.head, encryption }, body: Buffer.from('hello') }
    const { send } = testHandler({ getObject: async () => found })
    const { log } = await send({})
    expect([log.encryptionMode, log.keyId]).toEqual(['sse-kms', logged])
  })

  it('sends no body with HEAD, neither with an object nor with an error', async () => {
    const { send } = testHandler({ headObject: async () => head })
    const found = await send({ method: 'HEAD' })
    expect([found.status, found.body, found.headers['content-length']]).toEqual([200, undefined, '5'])
    const denied = await send({ method: 'HEAD', signed: false })
    expect([denied.status, denied.body, denied.log.errorCode]).toEqual([403, undefined, 'AccessDenied'])
  })

  it('answers an error with its code, text and fields, and the request id', async () => {
    const { send, faults } = testHandler({
      getObject: async () => {
        throw new EngineError('NoSuchKey', { headers: { 'x-amz-delete-marker': 'true' } })
      },
    })
    const { status, headers, text } = await send({})
    expect(status).toBe(404)
    expect(headers).toMatchObject({ 'content-type': 'application/xml', 'x-amz-delete-marker': 'true' })
    expect(text).toContain('<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>name</Key>')
    expect(text).toContain('<RequestId>REQUEST</RequestId><HostId>HOST</HostId>')
    expect(faults).toEqual([])
  })

  it('tells clients nothing of a fault of ours, and reports it once', async () => {
    const fault = new Error('secret detail of /etc/keys')
    const { send, faults } = testHandler({
      getObject: async () => {
        throw fault
      },
    })
    const { status, text, log } = await send({})
    expect([status, log.errorCode]).toEqual([500, 'InternalError'])
    expect(text).not.toContain('secret detail')
    expect(faults).toEqual([fault])
  })

  it('reports a store or a key service that failed, with its cause, and not a server that is only busy', async () => {
    const cause = new Error('input/output error')
    const failures = [new EngineError('ServiceUnavailable', { cause }), new EngineError('SlowDown')]
    const { send, faults } = testHandler({
      getObject: async () => {
        throw failures.shift()
      },
    })
    const failed = await send({})
    expect([failed.status, failed.text.includes('input/output'), faults]).toEqual([
      503,
      false,
      [expect.objectContaining({ cause })],
    ])
    const busy = await send({})
    expect([busy.status, faults.length]).toEqual([503, 1])
  })

  it('takes an error whose code is not in the table for a fault of ours', async () => {
    const { send, faults } = testHandler({
      getObject: async () => {
        throw new EngineError('NoSuchCode', { message: 'inside' })
      },
    })
    const { status, text } = await send({})
    expect([status, text.includes('inside'), faults.length]).toEqual([500, false, 1])
  })

  it('asks the engine for nothing before the signature was good', async () => {
    const touched = async (): Promise<never> => expect.fail('the engine was asked')
    const { send } = testHandler({ bucket: touched, getObject: touched, putObject: touched })
    for (const method of ['GET', 'PUT', 'HEAD', 'DELETE', 'POST']) {
      expect((await send({ method, signed: false, rawQuery: method === 'POST' ? 'uploads' : '' })).status).toBe(403)
    }
  })

  it('lets nobody near a bucket of another account', async () => {
    const { send } = testHandler({ bucket: async () => ({ ...testBucket, ownerAccountId: '222222222222' }) })
    for (const rawPath of ['/bucket', '/bucket/name']) {
      for (const method of ['GET', 'PUT', 'HEAD', 'DELETE']) {
        if (rawPath === '/bucket' && method === 'PUT') continue
        expect([rawPath, method, (await send({ rawPath, method })).status]).toEqual([rawPath, method, 403])
      }
    }
  })

  it('zeroes the key of a customer when the operation has answered, well or not', async () => {
    const keys: CustomerKey[] = []
    const { send } = testHandler({
      getObject: async ({ customerKey: sent }) => {
        if (sent !== undefined) keys.push(sent)
        throw new EngineError('AccessDenied')
      },
      putObject: async ({ encryption }) => {
        if (encryption.mode === 'sse-c') keys.push(encryption.customerKey)
        return { etag: '0', lastModifiedMs: 0, sizeBytes: 0, encryption: { mode: 'sse-c', customerKeyMd5: '' } }
      },
    })
    for (const method of ['GET', 'PUT']) await send({ method, headers: customerKey })
    expect(keys.map(({ key }) => Buffer.from(key).toString('hex'))).toEqual(['00'.repeat(32), '00'.repeat(32)])
  })

  it('ends the data that it has opened when the answer cannot be made', async () => {
    let isOpen = true
    const body: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => body,
      next: async () => ({ done: false, value: Buffer.from('hello') }),
      return: async () => {
        isOpen = false
        return { done: true, value: undefined }
      },
    }
    const { send } = testHandler({ getObject: async () => ({ ...head, body }) })
    const { status } = await send({ rawQuery: 'response-content-type=a%0Ab' })
    expect({ status, isOpen }).toEqual({ status: 400, isOpen: false })
  })

  it('refuses a customer key over plain HTTP before it looks at the signature', async () => {
    const { send } = testHandler({})
    const { status, text } = await send({ secure: false, signed: false, headers: customerKey })
    expect([status, /<Code>([^<]*)/.exec(text)?.[1]]).toEqual([400, 'InvalidRequest'])
  })

  it('refuses what the bucket encrypts with KMS over plain HTTP, whoever asked for that', async () => {
    const encryption = { algorithm: 'aws:kms', bucketKeyEnabled: false, blocksSseC: false } as const
    const { send } = testHandler({ bucket: async () => ({ ...testBucket, encryption }) })
    expect((await send({ method: 'PUT', secure: false })).text).toContain('must be made over a secure connection')
    const byDefault = testHandler({}, { defaultEncryption: 'sse-kms' })
    expect((await byDefault.send({ method: 'PUT', secure: false })).status).toBe(400)
  })

  it('refuses large documents for which there is no room, before it reads them', async () => {
    const { send, faults } = testHandler({}, { documentBytes: 200_000 })
    const post = async (rawQuery: string, sizeBytes: number) =>
      await send({ method: 'POST', rawQuery, rawPath: '/bucket/name', body: new Uint8Array(sizeBytes) })
    expect((await post('uploadId=0', 100_001)).log.errorCode).toBe('SlowDown')
    expect((await post('uploadId=0', 100_000)).log.errorCode).toBe('MalformedXML')
    expect((await post('uploadId=0', 100_000)).status).toBe(400)
    expect(faults).toEqual([])
  })

  it('knows the names of all its operations', () => {
    expect(operationNames).toHaveLength(50)
    expect(operationNames).toContain('PostObject')
  })
})

describe('making a bucket', () => {
  it('asks for it and its settings at once, so that none is there without them', async () => {
    const asked: unknown[] = []
    const { send } = testHandler({
      createBucket: async (input) => {
        asked.push(input)
        return testBucket
      },
    })
    const headers = { 'x-amz-object-ownership': 'BucketOwnerEnforced' }
    expect((await send({ method: 'PUT', rawPath: '/bucket', headers })).status).toBe(200)
    expect(asked).toMatchObject([{ name: 'bucket', objectOwnership: 'BucketOwnerEnforced' }])
  })
})

describe('making a bucket again', () => {
  const createBucket = async (): Promise<never> => {
    throw new EngineError('BucketAlreadyOwnedByYou')
  }

  it('is an error, but for the oldest region', async () => {
    const { send } = testHandler({ createBucket })
    expect((await send({ method: 'PUT', rawPath: '/bucket' })).status).toBe(409)
    const oldest = testHandler({ createBucket }, { region: 'us-east-1', otherRegions: ['eu-test-1'] })
    expect((await oldest.send({ method: 'PUT', rawPath: '/bucket' })).status).toBe(200)
  })
})

describe('deleting many objects', () => {
  const document = (names: readonly string[]): Buffer =>
    Buffer.from(`<Delete>${names.map((name) => `<Object><Key>${name}</Key></Object>`).join('')}</Delete>`)

  it('answers each name in its place, and keeps the order of a name given twice', async () => {
    const seen: string[] = []
    const { send, faults } = testHandler({
      deleteObject: async ({ name }) => {
        seen.push(name)
        if (name === 'denied') throw new EngineError('AccessDenied')
        if (name === 'broken') throw new Error('inside')
        return { deleteMarker: false }
      },
    })
    const body = document(['a', 'denied', 'a', 'broken'])
    const { text } = await send({
      method: 'POST',
      rawPath: '/bucket',
      rawQuery: 'delete',
      headers: { 'content-md5': md5(body) },
      body,
    })
    expect(text.replace(/^.*<DeleteResult[^>]*>/s, '')).toBe(
      '<Deleted><Key>a</Key></Deleted>' +
        '<Error><Key>denied</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>' +
        '<Deleted><Key>a</Key></Deleted>' +
        '<Error><Key>broken</Key><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error></DeleteResult>',
    )
    expect(seen.filter((name) => name === 'a')).toHaveLength(2)
    expect(faults).toHaveLength(1)
  })

  it('refuses a name that is too long, and that name only', async () => {
    const { send, faults } = testHandler({ deleteObject: async () => ({ deleteMarker: false }) })
    const body = document(['a', 'n'.repeat(1025)])
    const headers = { 'content-md5': md5(body) }
    const { text } = await send({ method: 'POST', rawPath: '/bucket', rawQuery: 'delete', headers, body })
    expect(text).toContain('<Deleted><Key>a</Key></Deleted>')
    expect(text).toContain('<Code>KeyTooLongError</Code>')
    expect(faults).toEqual([])
  })

  it('runs a bounded number at a time', async () => {
    let running = 0
    let most = 0
    const { send } = testHandler({
      deleteObject: async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running--
        return { deleteMarker: false }
      },
    })
    const body = document(Array.from({ length: 500 }, (_, n) => `name-${n}`))
    const headers = { 'content-md5': md5(body) }
    const { status } = await send({ method: 'POST', rawPath: '/bucket', rawQuery: 'delete', headers, body })
    expect([status, most]).toEqual([200, 32])
  })

  it('needs a digest of the list', async () => {
    const { send } = testHandler({})
    const { status } = await send({ method: 'POST', rawPath: '/bucket', rawQuery: 'delete', body: document(['a']) })
    expect(status).toBe(400)
  })
})
