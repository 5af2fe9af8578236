/**
 * The error catalogue of server-side encryption (server-side-encryption.md 1.5, AWS column), row by row, each as a raw
 * signed request. Rows 31, 33 to 35 are MinIO's alone; 36 and 37 (tampering) belong to the engine's binding tests; 27 needs
 * a key that awaits deletion and 32 a key service that is cut off (kms-outage.test.ts).
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOne, keyTwo, sourceSseC, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import {
  bucket,
  copy,
  customer,
  type Expected,
  get,
  invalidRequest,
  put,
  rows,
  texts,
  uploads,
} from './error-catalogue.fixture.ts'

let server: TestServer

function check(response: RawResponse, expected: Expected): void {
  expect({ status: response.status, code: response.code ?? '' }).toEqual({
    status: expected.status,
    code: expected.code,
  })
  if (expected.message !== undefined) expect(response.message).toBe(expected.message)
  for (const [name, value] of Object.entries(expected.fields ?? {})) {
    expect([name, response.element(name)]).toEqual([name, value])
  }
  // Never any key material, whatever the error.
  for (const key of [keyOne, keyTwo]) expect(response.text).not.toContain(key.base64)
}

async function createUpload(name: keyof typeof uploads, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await server.raw.send({
    method: 'POST',
    bucket,
    name: `upload-${name}`,
    query: { uploads: undefined },
    headers,
  })
  expect(answer.status).toBe(200)
  uploads[name] = answer.element('UploadId') ?? ''
}

beforeAll(async () => {
  server = await startServer({ plaintext: true })
  for (const name of [bucket, 'blocking'])
    expect((await server.raw.send({ method: 'PUT', bucket: name })).status).toBe(200)
  const objects = [
    ['plain', {}, 'data'],
    ['empty', {}, ''],
    ['kms', sseKms(), 'data'],
    ['customer', sseC(keyOne), 'data'],
    ['customer-empty', sseC(keyOne), ''],
  ] as const
  for (const [name, headers, body] of objects) {
    expect((await server.raw.send({ method: 'PUT', bucket, name, headers, body })).status).toBe(200)
  }
  await createUpload('plain', {})
  await createUpload('customer', sseC(keyOne))
  await createUpload('checked', { ...sseC(keyOne), 'x-amz-checksum-algorithm': 'CRC32' })
  const rule =
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>' +
    '<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>'
  expect(
    (await server.raw.send({ method: 'PUT', bucket: 'blocking', query: { encryption: undefined }, body: rule })).status,
  ).toBe(200)
})

afterAll(async () => {
  await server?.stop()
})

describe('the error catalogue', () => {
  for (const { row, what, request, expected } of rows) {
    it(`row ${row}: ${what}`, async () => {
      check(await server.raw.send(typeof request === 'function' ? request() : request), expected)
    })
  }

  it('rows 8, 14, 15 and 16: HEAD answers with the status alone', async () => {
    const cases = [
      ['customer', { ...sseC(keyOne), [`${customer}-algorithm`]: 'AES' }, 400],
      ['customer', {}, 400],
      ['customer', sseC(keyTwo), 403],
      ['customer-empty', sseC(keyTwo), 403],
      ['plain', sseC(keyOne), 400],
    ] as const
    for (const [name, headers, status] of cases) {
      const answer = await server.raw.send({ method: 'HEAD', bucket, name, headers })
      expect([name, answer.status, answer.body.length]).toEqual([name, status, 0])
    }
  })

  it('row 1: no customer key over plain HTTP, neither for the object nor for a copy source', async () => {
    const message = texts.secure('Customer provided keys')
    for (const request of [put(sseC(keyOne)), get('customer', sseC(keyOne)), copy('customer', sourceSseC(keyOne))]) {
      check(await server.plain.send(request), invalidRequest(message))
    }
    const head = await server.plain.send({ method: 'HEAD', bucket, name: 'customer', headers: sseC(keyOne) })
    expect(head.status).toBe(400)
  })

  it('row 2: no KMS encryption over plain HTTP, written or read', async () => {
    const message = texts.secure('AWS KMS managed keys')
    for (const request of [put(sseKms()), get('kms')]) {
      check(await server.plain.send(request), { status: 400, code: 'InvalidArgument', message })
    }
    expect((await server.plain.send(get('plain'))).status).toBe(200)
  })

  it('row 3: KMS encryption needs a signature of version 4', async () => {
    const expected: Expected = {
      status: 400,
      code: 'InvalidArgument',
      message: texts.version4,
      fields: { ArgumentName: 'Authorization' },
    }
    check(await server.raw.send({ ...put(sseKms()), auth: 'none' }), expected)
    const version2 = { ...sseKms(), authorization: 'AWS AKIAX:c2lnbmF0dXJl' }
    check(await server.raw.sendAsIs('PUT', `/${bucket}/new`, version2, 'data'), expected)
  })

  it('row 23: a source key on a plain PUT means nothing', async () => {
    expect((await server.raw.send(put(sourceSseC(keyOne), 'source-key-ignored'))).status).toBe(200)
  })

  it('row 25: names the key that does not exist by its ARN', async () => {
    const answer = await server.raw.send(put(sseKms('no-such-key')))
    expect(answer.message).toMatch(/^Key 'arn:aws:kms:[^:]+:\d{12}:key\/no-such-key' does not exist$/)
  })

  it('row 26: a locked key is disabled, for writing and for reading, until it is unlocked', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'lockable' })
    expect((await server.raw.send(put(sseKms('lockable'), 'under-lock'))).status).toBe(200)
    await server.engine.lockKey('lockable')
    for (const request of [put(sseKms('lockable')), get('under-lock')]) {
      const answer = await server.raw.send(request)
      check(answer, { status: 400, code: 'KMS.DisabledException' })
      expect(answer.message).toMatch(/^arn:aws:kms:.*lockable is disabled\.$/)
    }
    expect((await server.raw.send({ method: 'HEAD', bucket, name: 'under-lock' })).status).toBe(200)
    await server.engine.unlockKey('lockable')
    expect((await server.raw.send(get('under-lock'))).text).toBe('data')
  })

  it("row 28: another account's key answers as a missing one", async () => {
    const other = await server.accounts.createAccount('other')
    const requester = { accountId: other.accountId, isRootAccount: false }
    await server.engine.createKey({ requester, name: 'foreign' })
    check(await server.raw.send(put(sseKms('foreign'))), { status: 400, code: 'KMS.NotFoundException' })
  })

  it('row 29: an object whose key was destroyed cannot be read', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'doomed' })
    expect((await server.raw.send(put(sseKms('doomed'), 'doomed'))).status).toBe(200)
    await server.engine.deleteKey('doomed', { force: true, reason: 'test' })
    check(await server.raw.send(get('doomed')), { status: 403, code: 'AccessDenied', message: texts.goneKey })
    expect((await server.raw.send({ method: 'DELETE', bucket, name: 'doomed' })).status).toBe(204)
  })

  it('row 40: plain HTTP on the TLS port is told what is wrong', async () => {
    const { ca: _, ...endpoint } = server.endpoint
    const answer = await server.rawAt(endpoint).sendAsIs('GET', '/')
    expect([answer.status, answer.text]).toEqual([400, 'Client sent an HTTP request to an HTTPS server.\n'])
  })

  it('row 42: a presigned URL binds what encryption the object gets', async () => {
    for (const headers of [sseS3, sseKms(), sseC(keyOne)]) {
      const url = server.raw.presign({ method: 'PUT', bucket, name: 'presigned' })
      const answer = await server.raw.sendAsIs('PUT', url, headers, 'data')
      check(answer, {
        status: 403,
        code: 'AccessDenied',
        message: 'There were headers present in the request which were not signed',
      })
      expect(answer.element('HeadersNotSigned')?.split(', ').sort()).toEqual(Object.keys(headers).sort())
    }
    const unsigned = await server.raw.send({ ...put({}), unsignedHeaders: sseS3 })
    check(unsigned, { status: 403, code: 'AccessDenied' })
  })
})
