/**
 * The error catalogue of server-side encryption (server-side-encryption.md 1.5, AWS column), row by row, each as a raw
 * signed request. `unshown` says why a row is not here; that none is forgotten is a test of its own.
 *
 * @module
 */

import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dsseKms, keyOne, keyTwo, sourceSseC, sseC, sseKms, sseS3 } from '../support/encryption-headers.ts'
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
  unshown,
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

async function createUpload(
  name: keyof typeof uploads,
  headers: Readonly<Record<string, string>>,
  place = bucket,
): Promise<void> {
  const answer = await server.raw.send({
    method: 'POST',
    bucket: place,
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
  await createUpload('blocked', sseC(keyOne), 'blocking')
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

  it('row 27: a key that awaits its deletion, for writing and for reading, until that is taken back', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'leaving' })
    expect((await server.raw.send(put(sseKms('leaving'), 'under-deletion'))).status).toBe(200)
    await server.engine.scheduleKeyDeletion('leaving', { days: 7, force: true, reason: 'test' })
    for (const request of [put(sseKms('leaving')), put(dsseKms('leaving')), get('under-deletion')]) {
      const answer = await server.raw.send(request)
      check(answer, { status: 400, code: 'KMS.KMSInvalidStateException' })
      expect(answer.message).toMatch(/^arn:aws:kms:[^:]+:\d{12}:key\/leaving is pending deletion\.$/)
    }
    expect((await server.raw.send({ method: 'HEAD', bucket, name: 'under-deletion' })).status).toBe(200)
    const listing = await server.raw.send({ method: 'GET', bucket, query: { prefix: 'under-deletion' } })
    expect(listing.elements('Key')).toEqual(['under-deletion'])
    await server.engine.cancelKeyDeletion('leaving')
    check(await server.raw.send(get('under-deletion')), { status: 400, code: 'KMS.DisabledException' })
    await server.engine.unlockKey('leaving')
    expect((await server.raw.send(get('under-deletion'))).text).toBe('data')
  })

  it("row 28: another account's key answers as a missing one", async () => {
    const other = await server.accounts.createAccount('other')
    const requester = { accountId: other.accountId, isRootAccount: false }
    await server.engine.createKey({ requester, name: 'foreign' })
    check(await server.raw.send(put(sseKms('foreign'))), { status: 400, code: 'KMS.NotFoundException' })
  })

  it('row 5: two layers are accepted and echoed back', async () => {
    for (const request of [put(dsseKms(), 'dual'), get('dual')]) {
      const answer = await server.raw.send(request)
      expect([answer.status, answer.headers['x-amz-server-side-encryption']]).toEqual([200, 'aws:kms:dsse'])
    }
  })

  it('row 38: a key id with a space at its edge, which a query can have, does not exist', async () => {
    const query = { 'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': ' k' }
    const url = server.raw.presign({ method: 'PUT', bucket, name: 'new', query })
    check(await server.raw.sendAsIs('PUT', url, {}, 'data'), { status: 400, code: 'KMS.NotFoundException' })
  })

  it('row 29: an object whose key was destroyed cannot be read', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'doomed' })
    expect((await server.raw.send(put(sseKms('doomed'), 'doomed'))).status).toBe(200)
    await server.engine.deleteKey('doomed', { force: true, reason: 'test' })
    check(await server.raw.send(get('doomed')), { status: 403, code: 'AccessDenied', message: texts.goneKey })
    expect((await server.raw.send({ method: 'DELETE', bucket, name: 'doomed' })).status).toBe(204)
  })

  for (const [mode, headers] of Object.entries({ 'SSE-S3': sseS3, 'SSE-KMS': sseKms(), 'DSSE-KMS': dsseKms() })) {
    it(`row 36: stored bytes of ${mode} that are too few are not given out, not even those that are there`, async () => {
      const { path, name } = await storeBlob(headers)
      for (const left of [content.length, 100_000, 10, 0]) {
        await truncate(path, left)
        await expectRefused(name)
      }
      expect((await server.raw.send({ method: 'HEAD', bucket, name })).status).toBe(200)
    })

    it(`row 37: stored bytes of ${mode} that were changed are never given out`, async () => {
      const { path, name } = await storeBlob(headers)
      const stored = await readFile(path)
      for (const [at, isFirst] of [
        [0, true],
        [100, true],
        [65_560, true],
        [stored.length - 30_000, false],
        [stored.length - 1, false],
      ] as const) {
        const changed = Buffer.from(stored)
        changed[at] = (changed[at] ?? 0) ^ 1
        await writeFile(path, changed)
        if (isFirst) await expectRefused(name)
        else await expectCut(name)
        // Nothing before or behind the damage is lost by it.
        const range = { range: isFirst ? `bytes=${content.length - 9}-` : 'bytes=0-8' }
        const rest = await server.raw.send(get(name, range))
        expect(rest.body).toEqual(isFirst ? content.subarray(-9) : content.subarray(0, 9))
        // A copy that has to read the data fails as well.
        const other = mode === 'DSSE-KMS' ? sseS3 : dsseKms()
        check(await server.raw.send(copy(name, other, 'damaged-copy')), { status: 500, code: 'InternalError' })
      }
      await writeFile(path, stored)
      expect((await server.raw.send(get(name))).body.equals(content)).toBe(true)
    })
  }

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

  it('shows every row from 1 to 42, or says why not', async () => {
    const own = await readFile(import.meta.filename, 'utf8')
    const titled = [...own.matchAll(/it\([`'"]rows? ([\d, and]+):/g)].flatMap(
      ([, numbers = '']) => numbers.match(/\d+/g) ?? [],
    )
    const shown = new Set([...titled.map(Number), ...rows.map(({ row }) => row)])
    const all = Array.from({ length: 42 }, (_, index) => index + 1)
    expect(all.filter((row) => shown.has(row) === unshown.has(row))).toEqual([])
  })
})

/** Content of several packages that differ from each other. */
const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => (at * 31 + (at >> 8) * 7) & 0xff))
let blobs = 0

/** Stores an object that has a file of its own, and finds that. */
async function storeBlob(headers: Readonly<Record<string, string>>): Promise<{ path: string; name: string }> {
  const files = async () => {
    const entries = await readdir(join(server.directory, 'blobs'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  }
  const before = new Set(await files())
  blobs += 1
  const name = `blob-${blobs}`
  expect((await server.raw.send({ ...put(headers, name), body: content })).status).toBe(200)
  const [path] = (await files()).filter((file) => !before.has(file))
  if (path === undefined) throw new Error('the object has no file')
  return { path, name }
}

/** Before the first byte: an error that says nothing of the content. */
async function expectRefused(name: string): Promise<void> {
  check(await server.raw.send(get(name)), { status: 500, code: 'InternalError' })
}

/** After the first bytes: nothing but a cut can say it. */
async function expectCut(name: string): Promise<void> {
  await expect(server.raw.send(get(name))).rejects.toThrow()
}
