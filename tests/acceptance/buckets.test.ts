/**
 * Buckets: making, finding and removing them, location, tags; and what AWS has and this server has not.
 *
 * @module
 */

import { request as httpsRequest } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pattern } from '../support/pattern.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'buckets'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await server.raw.send({ method: 'PUT', bucket })
})

afterAll(async () => {
  expect(server.faults).toEqual([])
  await server?.stop()
})

describe('a bucket', () => {
  it('can be made again by its owner in the oldest region, and keeps what is in it', async () => {
    await server.raw.send({ method: 'PUT', bucket, name: 'kept', body: 'x' })
    expect((await server.raw.send({ method: 'PUT', bucket })).status).toBe(200)
    expect((await server.raw.send({ method: 'GET', bucket, name: 'kept' })).text).toBe('x')
  })

  it('is where the server is', async () => {
    const head = await server.raw.send({ method: 'HEAD', bucket })
    expect([head.status, head.headers['x-amz-bucket-region']]).toEqual([200, server.region])
    const location = await server.raw.send({ method: 'GET', bucket, query: { location: undefined } })
    // us-east-1 is the empty location.
    expect(location.text).toMatch(/<LocationConstraint[^>]*(\/>|><\/LocationConstraint>)/)
    const body =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-3</LocationConstraint></CreateBucketConfiguration>'
    const elsewhere = await server.raw.send({ method: 'PUT', bucket: 'elsewhere', body })
    expect([elsewhere.status, elsewhere.code]).toEqual([400, 'IllegalLocationConstraintException'])
  })

  it('that does not exist is said to be missing', async () => {
    const missing = await server.raw.send({ method: 'GET', bucket: 'no-such-bucket' })
    expect([missing.status, missing.code, missing.element('BucketName')]).toEqual([
      404,
      'NoSuchBucket',
      'no-such-bucket',
    ])
    expect((await server.raw.send({ method: 'HEAD', bucket: 'no-such-bucket' })).status).toBe(404)
    expect((await server.raw.send({ method: 'DELETE', bucket: 'no-such-bucket' })).code).toBe('NoSuchBucket')
  })

  it('is removed only when it is empty, versions included', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'to-remove' })
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await server.raw.send({ method: 'PUT', bucket: 'to-remove', query: { versioning: undefined }, body })
    const put = await server.raw.send({ method: 'PUT', bucket: 'to-remove', name: 'x', body: 'x' })
    const marker = await server.raw.send({ method: 'DELETE', bucket: 'to-remove', name: 'x' })
    const full = await server.raw.send({ method: 'DELETE', bucket: 'to-remove' })
    expect([full.status, full.code]).toEqual([409, 'BucketNotEmpty'])
    for (const answer of [put, marker]) {
      const versionId = String(answer.headers['x-amz-version-id'])
      await server.raw.send({ method: 'DELETE', bucket: 'to-remove', name: 'x', query: { versionId } })
    }
    expect((await server.raw.send({ method: 'DELETE', bucket: 'to-remove' })).status).toBe(204)
    expect((await server.raw.send({ method: 'HEAD', bucket: 'to-remove' })).status).toBe(404)
  })

  it('made again under an old name has nothing of the old one', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'phoenix' })
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await server.raw.send({ method: 'PUT', bucket: 'phoenix', query: { versioning: undefined }, body })
    await server.raw.send({ method: 'DELETE', bucket: 'phoenix' })
    await server.raw.send({ method: 'PUT', bucket: 'phoenix' })
    const state = await server.raw.send({ method: 'GET', bucket: 'phoenix', query: { versioning: undefined } })
    expect(state.element('Status')).toBeUndefined()
  })

  it('takes and gives tags', async () => {
    const tagging = { tagging: undefined }
    const none = await server.raw.send({ method: 'GET', bucket, query: tagging })
    expect([none.status, none.code]).toEqual([404, 'NoSuchTagSet'])
    const body = '<Tagging><TagSet><Tag><Key>a</Key><Value>b &amp; c</Value></Tag></TagSet></Tagging>'
    const refused = await server.raw.send({ method: 'PUT', bucket, query: tagging, body })
    expect([refused.status, refused.code]).toEqual([400, 'InvalidTag'])
    expect(
      (await server.raw.send({ method: 'PUT', bucket, query: tagging, body: body.replace(' &amp; c', '+c') })).status,
    ).toBe(204)
    const found = await server.raw.send({ method: 'GET', bucket, query: tagging })
    expect([found.element('Key'), found.element('Value')]).toEqual(['a', 'b+c'])
    expect((await server.raw.send({ method: 'DELETE', bucket, query: tagging })).status).toBe(204)
    expect((await server.raw.send({ method: 'GET', bucket, query: tagging })).status).toBe(404)
  })
})

describe('an object', () => {
  it('takes and gives tags, with itself or later', async () => {
    const put = await server.raw.send({
      method: 'PUT',
      bucket,
      name: 'tagged',
      headers: { 'x-amz-tagging': 'a=1&b=%C3%A4' },
      body: '',
    })
    expect(put.status).toBe(200)
    const tagging = { tagging: undefined }
    const found = await server.raw.send({ method: 'GET', bucket, name: 'tagged', query: tagging })
    expect([found.elements('Key'), found.elements('Value')]).toEqual([
      ['a', 'b'],
      ['1', 'ä'],
    ])
    const head = await server.raw.send({ method: 'HEAD', bucket, name: 'tagged' })
    expect(head.headers['x-amz-tagging-count']).toBe('2')
    expect((await server.raw.send({ method: 'DELETE', bucket, name: 'tagged', query: tagging })).status).toBe(204)
    const gone = await server.raw.send({ method: 'GET', bucket, name: 'tagged', query: tagging })
    expect([gone.status, gone.elements('Key')]).toEqual([200, []])
  })

  it('keeps its headers and metadata, and shows them as they came', async () => {
    const headers = {
      'cache-control': 'max-age=5',
      'content-disposition': 'attachment; filename="a"',
      'content-encoding': 'gzip',
      'content-language': 'de',
      'content-type': 'text/plain; charset=utf-8',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      'x-amz-meta-plain': 'value',
      'x-amz-meta-utf8': '=?UTF-8?B?w6Q=?=',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-website-redirect-location': '/elsewhere',
    }
    await server.raw.send({ method: 'PUT', bucket, name: 'described', headers, body: 'x' })
    for (const method of ['GET', 'HEAD']) {
      const answer = await server.raw.send({ method, bucket, name: 'described' })
      expect(answer.headers).toMatchObject(headers)
    }
    const copy = { 'x-amz-copy-source': `/${bucket}/described` }
    await server.raw.send({ method: 'PUT', bucket, name: 'copy', headers: copy })
    expect((await server.raw.send({ method: 'HEAD', bucket, name: 'copy' })).headers).toMatchObject({
      'content-type': headers['content-type'],
      'x-amz-meta-plain': 'value',
      'content-encoding': 'gzip',
    })
    const replace = { ...copy, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': '1' }
    await server.raw.send({ method: 'PUT', bucket, name: 'replaced', headers: replace })
    const replaced = await server.raw.send({ method: 'HEAD', bucket, name: 'replaced' })
    expect([replaced.headers['x-amz-meta-new'], replaced.headers['x-amz-meta-plain']]).toEqual(['1', undefined])
  })

  it('has at most 2 KB of metadata', async () => {
    const put = async (size: number) =>
      await server.raw.send({
        method: 'PUT',
        bucket,
        name: 'large',
        headers: { 'x-amz-meta-a': 'x'.repeat(size) },
        body: '',
      })
    expect((await put(2047)).status).toBe(200)
    const refused = await put(2048)
    expect([refused.status, refused.code]).toEqual([400, 'MetadataTooLarge'])
  })

  it('is deleted again and again with success, by one request or by many', async () => {
    await server.raw.send({ method: 'PUT', bucket, name: 'gone', body: 'x' })
    for (let turn = 0; turn < 2; turn++) {
      expect((await server.raw.send({ method: 'DELETE', bucket, name: 'gone' })).status).toBe(204)
    }
    const missing = await server.raw.send({ method: 'GET', bucket, name: 'gone' })
    expect([missing.status, missing.code, missing.element('Key')]).toEqual([404, 'NoSuchKey', 'gone'])
  })
})

describe('an upload whose client goes away', () => {
  it.each([100_000, 20_000_000])('leaves nothing and is no fault of the server, of %d bytes', async (length) => {
    const name = `cut-off-${length}`
    const path = server.raw.presign({ method: 'PUT', bucket, name })
    const headers = { 'content-length': String(length) }
    const request = httpsRequest({ ...server.endpoint, method: 'PUT', path, headers, agent: false })
    const closed = new Promise((resolve) => request.once('error', resolve).once('close', resolve))
    request.write(pattern(length / 2), () => request.destroy())
    await closed
    await server.accessLogged(name, 'IncompleteBody')
    expect((await server.raw.send({ method: 'HEAD', bucket, name })).status).toBe(404)
  })
})

describe('access control', () => {
  it('lists the owner with all rights, and can be set to that and to nothing else', async () => {
    await server.raw.send({ method: 'PUT', bucket, name: 'owned', body: '' })
    const acl = { acl: undefined }
    for (const what of [{ bucket }, { bucket, name: 'owned' }]) {
      const found = await server.raw.send({ method: 'GET', ...what, query: acl })
      expect([found.status, found.elements('Permission')]).toEqual([200, ['FULL_CONTROL']])
      const [owner, grantee] = found.elements('ID')
      expect(grantee).toBe(owner)
      const set = async (value: string) =>
        await server.raw.send({ method: 'PUT', ...what, query: acl, headers: { 'x-amz-acl': value } })
      expect((await set('private')).status).toBe(200)
      expect((await set('public-read')).code).toBe('NotImplemented')
      expect((await server.raw.send({ method: 'PUT', ...what, query: acl, body: found.text })).code).toBe(
        'NotImplemented',
      )
    }
    expect((await server.raw.send({ method: 'GET', bucket, name: 'not there', query: acl })).code).toBe('NoSuchKey')
  })
})

describe('who may reach a bucket', () => {
  const block =
    '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>'
  const ownership = (name: string) =>
    `<OwnershipControls><Rule><ObjectOwnership>${name}</ObjectOwnership></Rule></OwnershipControls>`
  const cases = [
    ['publicAccessBlock', 'NoSuchPublicAccessBlockConfiguration', block, 'BlockPublicAcls', 'true'],
    [
      'ownershipControls',
      'OwnershipControlsNotFoundError',
      ownership('ObjectWriter'),
      'ObjectOwnership',
      'ObjectWriter',
    ],
  ] as const
  it.each(cases)('?%s is kept, shown and deleted', async (name, missing, body, element, value) => {
    await server.raw.send({ method: 'PUT', bucket: 'reach' })
    const at = { bucket: 'reach', query: { [name]: undefined } }
    const before = await server.raw.send({ method: 'GET', ...at })
    expect([before.status, before.code]).toEqual([404, missing])
    expect((await server.raw.send({ method: 'PUT', ...at, body: '<Other/>' })).code).toBe('MalformedXML')
    expect((await server.raw.send({ method: 'PUT', ...at, body })).status).toBe(200)
    expect((await server.raw.send({ method: 'GET', ...at })).element(element)).toBe(value)
    expect((await server.raw.send({ method: 'DELETE', ...at })).status).toBe(204)
    expect((await server.raw.send({ method: 'DELETE', ...at })).status).toBe(204)
    expect((await server.raw.send({ method: 'GET', ...at })).code).toBe(missing)
  })

  it('decides how a public list is refused', async () => {
    await server.raw.send({ method: 'PUT', bucket: 'guarded', headers: { 'x-amz-object-ownership': 'ObjectWriter' } })
    const put = async (acl: string) =>
      await server.raw.send({ method: 'PUT', bucket: 'guarded', name: 'x', headers: { 'x-amz-acl': acl }, body: '' })
    const set = async (acl: string) =>
      await server.raw.send({
        method: 'PUT',
        bucket: 'guarded',
        query: { acl: undefined },
        headers: { 'x-amz-acl': acl },
      })
    const configure = async (name: string, body: string) =>
      await server.raw.send({ method: 'PUT', bucket: 'guarded', query: { [name]: undefined }, body })
    expect([(await put('public-read')).code, (await put('private')).status]).toEqual(['NotImplemented', 200])
    await configure('publicAccessBlock', block)
    expect([(await put('public-read')).code, (await set('authenticated-read')).code]).toEqual([
      'AccessDenied',
      'AccessDenied',
    ])
    expect((await set('private')).status).toBe(200)
    await configure('ownershipControls', ownership('BucketOwnerEnforced'))
    expect([(await put('private')).code, (await set('private')).code]).toEqual([
      'AccessControlListNotSupported',
      'AccessControlListNotSupported',
    ])
    expect((await put('bucket-owner-full-control')).status).toBe(200)
  })
})

describe('object lock, which no bucket has', () => {
  it('is not configured, and cannot be', async () => {
    const at = { bucket, query: { 'object-lock': undefined } }
    const found = await server.raw.send({ method: 'GET', ...at })
    expect([found.status, found.code]).toEqual([404, 'ObjectLockConfigurationNotFoundError'])
    const put = await server.raw.send({ method: 'PUT', ...at, body: '<ObjectLockConfiguration/>' })
    expect([put.status, put.code]).toEqual([409, 'InvalidBucketState'])
    await server.raw.send({ method: 'PUT', bucket: 'lock-versions' })
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await server.raw.send({ method: 'PUT', bucket: 'lock-versions', query: { versioning: undefined }, body })
    const versioned = await server.raw.send({ method: 'PUT', ...at, bucket: 'lock-versions', body: '<X/>' })
    expect([versioned.status, versioned.code]).toEqual([501, 'NotImplemented'])
  })

  it.each(['retention', 'legal-hold'])('holds no object: ?%s', async (name) => {
    await server.raw.send({ method: 'PUT', bucket, name: 'free', body: 'free' })
    for (const method of ['GET', 'PUT']) {
      const answer = await server.raw.send({ method, bucket, name: 'free', query: { [name]: undefined } })
      expect([method, answer.status, answer.code]).toEqual([method, 400, 'InvalidRequest'])
    }
    expect((await server.raw.send({ method: 'GET', bucket, name: 'free' })).text).toBe('free')
  })
})

describe('what AWS has and this server has not', () => {
  const subresources = [
    'cors',
    'lifecycle',
    'policy',
    'policyStatus',
    'replication',
    'website',
    'logging',
    'notification',
    'requestPayment',
    'accelerate',
    'analytics',
    'inventory',
    'metrics',
    'intelligent-tiering',
  ]
  it.each(subresources)('?%s of a bucket is not implemented, never a listing', async (name) => {
    for (const method of ['GET', 'PUT']) {
      const answer = await server.raw.send({ method, bucket, query: { [name]: undefined } })
      expect([method, answer.status, answer.code]).toEqual([method, 501, 'NotImplemented'])
    }
  })

  it.each(['torrent', 'restore', 'encryption'])(
    '?%s of an object is not implemented, never the object',
    async (name) => {
      await server.raw.send({ method: 'PUT', bucket, name: 'whole', body: 'whole' })
      for (const method of ['GET', 'PUT']) {
        const answer = await server.raw.send({ method, bucket, name: 'whole', query: { [name]: undefined } })
        expect([method, answer.status, answer.code]).toEqual([method, 501, 'NotImplemented'])
      }
      expect((await server.raw.send({ method: 'GET', bucket, name: 'whole' })).text).toBe('whole')
    },
  )

  it('is refused in headers, too', async () => {
    for (const [name, value] of [
      ['x-amz-acl', 'public-read'],
      ['x-amz-grant-read', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'],
    ] as const) {
      const answer = await server.raw.send({ method: 'PUT', bucket, name: 'x', headers: { [name]: value }, body: '' })
      expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    }
    const lock = { 'x-amz-object-lock-mode': 'GOVERNANCE' }
    expect((await server.raw.send({ method: 'PUT', bucket, name: 'x', headers: lock, body: '' })).code).toBe(
      'InvalidRequest',
    )
    expect((await server.raw.send({ method: 'PATCH', bucket, name: 'x' })).code).toBe('MethodNotAllowed')
    const preflight = { origin: 'https://example.com', 'access-control-request-method': 'PUT' }
    expect((await server.raw.sendAsIs('OPTIONS', `/${bucket}/x`, preflight)).status).toBe(403)
  })
})

describe('every answer', () => {
  it('comes, however large the body that it does not wait for', async () => {
    const body = pattern(20 * 1024 * 1024)
    for (const turn of [1, 2, 3]) {
      const missing = await server.raw.send({ method: 'PUT', bucket: 'no-such-bucket', name: `large ${turn}`, body })
      expect([missing.status, missing.code]).toEqual([404, 'NoSuchBucket'])
      const credentials = { ...server.credentials, secretAccessKey: 'wrong' }
      const refused = await server.raw.send({ method: 'PUT', bucket, name: `large ${turn}`, body, credentials })
      expect([refused.status, refused.code]).toEqual([403, 'SignatureDoesNotMatch'])
    }
  })

  it('has its ids, and an error is a document as AWS writes it', async () => {
    const answer = await server.raw.send({ method: 'GET', bucket, name: 'no such & key' })
    const requestId = String(answer.headers['x-amz-request-id'])
    const hostId = String(answer.headers['x-amz-id-2'])
    expect([requestId.length, hostId.length > 0, answer.headers['content-type']]).toEqual([16, true, 'application/xml'])
    expect(answer.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>no such &amp; key</Key><Resource>/${bucket}/no%20such%20%26%20key</Resource><RequestId>${requestId}</RequestId><HostId>${hostId}</HostId></Error>`,
    )
  })
})
