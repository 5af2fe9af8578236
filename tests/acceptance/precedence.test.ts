/**
 * Which encryption a new object gets (server-side-encryption.md 2.3), the bucket's encryption document (2.1, 2.2, AWS
 * column), and `requireEncryption`.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

let server: TestServer
const bucket = 'precedence'
const sse = 'x-amz-server-side-encryption'

type Headers = Readonly<Record<string, string>>

beforeAll(async () => {
  server = await startServer()
  const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
  await server.engine.createKey({ requester, name: 'bucket-key' })
  await server.engine.createKey({ requester, name: 'other-key' })
  await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  await server?.stop()
})

const rule = (inside: string): string =>
  `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inside}</ServerSideEncryptionConfiguration>`
const byDefault = (algorithm: string, keyId = '', rest = ''): string =>
  `<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm>${
    keyId === '' ? '' : `<KMSMasterKeyID>${keyId}</KMSMasterKeyID>`
  }</ApplyServerSideEncryptionByDefault>${rest}</Rule>`

const encryption = { encryption: undefined }
const setRule = async (document: string, name = bucket): Promise<RawResponse> =>
  await server.raw.send({ method: 'PUT', bucket: name, query: encryption, body: document })

async function written(headers: Headers): Promise<readonly (string | undefined)[]> {
  const answer = await server.raw.send({ method: 'PUT', bucket, name: 'x', headers, body: 'x' })
  expect(answer.status).toBe(200)
  const head = await server.raw.send({
    method: 'HEAD',
    bucket,
    name: 'x',
    headers: headers === customer ? headers : {},
  })
  const shown = (headers: RawResponse['headers']) =>
    [sse, `${sse}-aws-kms-key-id`, `${sse}-bucket-key-enabled`, `${sse}-customer-algorithm`].map(
      (name) => headers[name] as string | undefined,
    )
  expect(shown(head.headers)).toEqual(shown(answer.headers))
  return shown(answer.headers)
}

const customer = sseC(keyOne)

describe('a new object', () => {
  it('gets what the deployment says where neither bucket nor request do', async () => {
    expect(await written({})).toEqual(['AES256', undefined, undefined, undefined])
  })

  it("gets its bucket's rule, key and bucket key included", async () => {
    expect(
      (await setRule(rule(byDefault('aws:kms', 'bucket-key', '<BucketKeyEnabled>true</BucketKeyEnabled>')))).status,
    ).toBe(200)
    expect(await written({})).toEqual(['aws:kms', 'bucket-key', 'true', undefined])
  })

  it('gets what its request says, with nothing of the rule mixed in', async () => {
    expect(await written(sseS3)).toEqual(['AES256', undefined, undefined, undefined])
    expect(await written(customer)).toEqual([undefined, undefined, undefined, 'AES256'])
    expect((await written(sseKms('other-key')))[1]).toBe('other-key')
    const unnamed = await written(sseKms())
    expect(unnamed[0]).toBe('aws:kms')
    expect(unnamed[1]).not.toBe('bucket-key')
    // The bucket key is taken from the rule even so, unless the request says otherwise (step 2).
    expect(unnamed[2]).toBe('true')
    expect((await written({ ...sseKms(), [`${sse}-bucket-key-enabled`]: 'false' }))[2]).toBeUndefined()
  })

  it('keeps what it has when the rule goes', async () => {
    await setRule(rule(byDefault('aws:kms', 'bucket-key')))
    await server.raw.send({ method: 'PUT', bucket, name: 'kept', body: 'x' })
    expect((await server.raw.send({ method: 'DELETE', bucket, query: encryption })).status).toBe(204)
    const head = await server.raw.send({ method: 'HEAD', bucket, name: 'kept' })
    expect(head.headers[sse]).toBe('aws:kms')
    expect((await written({}))[0]).toBe('AES256')
  })
})

describe("a bucket's encryption document", () => {
  it('is AES256 where none was set, and comes back as it was set', async () => {
    const fresh = await server.raw.send({ method: 'GET', bucket, query: encryption })
    expect([fresh.status, fresh.element('SSEAlgorithm'), fresh.element('BucketKeyEnabled')]).toEqual([
      200,
      'AES256',
      'false',
    ])
    const blocked = '<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>'
    await setRule(rule(byDefault('aws:kms', 'no-such-key', `<BucketKeyEnabled>true</BucketKeyEnabled>${blocked}`)))
    const found = await server.raw.send({ method: 'GET', bucket, query: encryption })
    const shown = ['SSEAlgorithm', 'KMSMasterKeyID', 'BucketKeyEnabled', 'EncryptionType'].map((name) =>
      found.element(name),
    )
    expect(shown).toEqual(['aws:kms', 'no-such-key', 'true', 'SSE-C'])
    await server.raw.send({ method: 'DELETE', bucket, query: encryption })
  })

  const malformed: readonly (readonly [what: string, document: string])[] = [
    ['no rule', rule('')],
    ['two rules', rule(byDefault('AES256') + byDefault('AES256'))],
    ['an unknown algorithm', rule(byDefault('AES512'))],
    ['an empty algorithm', rule(byDefault(''))],
    ['no algorithm', rule('<Rule><ApplyServerSideEncryptionByDefault></ApplyServerSideEncryptionByDefault></Rule>')],
    ['another root', '<Other></Other>'],
    ['no XML', 'rule'],
    ['nothing', ''],
    ['a document type', `<!DOCTYPE a [<!ENTITY e "x">]>${rule(byDefault('AES256'))}`],
  ]
  it.each(malformed)('with %s is refused', async (_, document) => {
    const answer = await setRule(document)
    expect([answer.status, answer.code]).toEqual([400, 'MalformedXML'])
  })

  it('has no key beside AES256', async () => {
    const answer = await setRule(rule(byDefault('AES256', 'bucket-key')))
    expect([answer.status, answer.code, answer.element('ArgumentName'), answer.message]).toEqual([
      400,
      'InvalidArgument',
      'ApplyServerSideEncryptionByDefault',
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    ])
  })

  it('belongs to a bucket that exists', async () => {
    expect((await setRule(rule(byDefault('AES256')), 'no-such-bucket')).code).toBe('NoSuchBucket')
  })
})

describe('a deployment that requires encryption', () => {
  let strict: TestServer

  beforeAll(async () => {
    strict = await startServer({ defaultEncryption: 'none', requireEncryption: true })
    await strict.raw.send({ method: 'PUT', bucket })
  })

  afterAll(async () => {
    await strict?.stop()
  })

  it('stores and copies nothing without: where nothing is asked for, it is SSE-S3', async () => {
    const send = async (name: string, headers: Headers, body = '') =>
      await strict.raw.send({ method: 'PUT', bucket, name, headers, body })
    const shown = [(await send('plain', {}, 'x')).headers[sse], (await send('c', customer, 'x')).headers[sse]]
    expect(shown).toEqual(['AES256', undefined])
    const copied = await send('copied', { 'x-amz-copy-source': `${bucket}/plain` })
    expect([copied.status, copied.headers[sse]]).toEqual([200, 'AES256'])
    const created = await strict.raw.send({ method: 'POST', bucket, name: 'x', query: { uploads: undefined } })
    expect([created.status, created.headers[sse]]).toEqual([200, 'AES256'])
  })
})
