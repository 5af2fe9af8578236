import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, mayRefuse } from './failure.fixture.ts'
import { decodeMetadataValue, encodeMetadataValue } from './metadata-text.ts'
import {
  addObjectHeaders,
  applyResponseOverrides,
  checkAclHeaders,
  checkExpectedOwner,
  checkObjectLockHeaders,
  formFieldsAsHeaders,
  type ObjectMetadata,
  parseObjectMetadata,
} from './object-headers.ts'

/** Any bytes, as `node:http` delivers them. */
const wireText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

function wire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function shown(metadata: ObjectMetadata) {
  const headers: Record<string, string> = {}
  addObjectHeaders(headers, { etag: 'abc-2', lastModifiedMs: 0, versionId: 'v1', tagCount: 2, metadata })
  return headers
}

describe('parseObjectMetadata', () => {
  const headers = {
    host: 'h',
    'content-type': 'text/plain',
    'cache-control': 'no-cache',
    'content-disposition': 'attachment',
    'content-encoding': 'aws-chunked,gzip',
    'content-language': 'de',
    expires: 'Thu, 01 Dec 2026 16:00:00 GMT',
    'x-amz-website-redirect-location': '/other',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-meta-a': '1',
    'x-amz-meta-b-c': '2',
    'content-length': '5',
  }

  it('keeps what describes the object, and a read answers the same', () => {
    const metadata = parseObjectMetadata(headers)
    expect(metadata).toEqual({
      contentType: 'text/plain',
      cacheControl: 'no-cache',
      contentDisposition: 'attachment',
      contentEncoding: 'gzip',
      contentLanguage: 'de',
      expires: 'Thu, 01 Dec 2026 16:00:00 GMT',
      websiteRedirectLocation: '/other',
      storageClass: 'STANDARD_IA',
      userMetadata: new Map([
        ['a', '1'],
        ['b-c', '2'],
      ]),
    })
    const { host: _, 'content-length': __, ...kept } = headers
    expect(shown(metadata)).toEqual({
      ...kept,
      'content-encoding': 'gzip',
      'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT',
      etag: '"abc-2"',
      'accept-ranges': 'bytes',
      'x-amz-version-id': 'v1',
      'x-amz-tagging-count': '2',
    })
  })

  it('says binary/octet-stream where no type was given and hides STANDARD', () => {
    const metadata = parseObjectMetadata({
      'x-amz-storage-class': 'STANDARD',
      'content-encoding': 'aws-chunked',
      expires: '',
    })
    expect(metadata).toEqual({ userMetadata: new Map() })
    expect(shown(metadata)['content-type']).toBe('binary/octet-stream')
    expect(shown(metadata)['x-amz-storage-class']).toBeUndefined()
  })

  it('takes two kilobytes of user metadata, names without their prefix, and no more', () => {
    const name = 'x-amz-meta-abc'
    expect(parseObjectMetadata({ [name]: 'a'.repeat(2045) }).userMetadata.size).toBe(1)
    const error = failure(() => parseObjectMetadata({ [name]: 'a'.repeat(2045), 'x-amz-meta-b': '' }))
    expect(error).toMatchObject({ code: 'MetadataTooLarge', fields: { Size: '2049', MaxSizeAllowed: '2048' } })
    expect(failure(() => parseObjectMetadata({ [name]: wire('ü'.repeat(1023)) })).code).toBe('MetadataTooLarge')
  })

  it.each([
    ['x-amz-storage-class', 'GLACIER', 'InvalidStorageClass'],
    ['x-amz-storage-class', '', 'InvalidStorageClass'],
    ['x-amz-website-redirect-location', 'other', 'InvalidRedirectLocation'],
    ['x-amz-website-redirect-location', 'javascript:x', 'InvalidRedirectLocation'],
    ['content-type', 'a\r\nset-cookie: b', 'InvalidArgument'],
    ['cache-control', 'a\u0000', 'InvalidArgument'],
    ['content-disposition', 'a\u0100', 'InvalidArgument'],
    ['x-amz-meta-a b', '1', 'InvalidArgument'],
    ['x-amz-meta-\u00fc', '1', 'InvalidArgument'],
  ])('refuses %s: %j', (name, value, code) => {
    expect(failure(() => parseObjectMetadata({ [name]: value })).code).toBe(code)
  })

  it('reads form fields like headers', () => {
    const fields = new Map([
      ['Content-Type', 'text/plain; name=ü'],
      ['x-amz-meta-Name', 'ü'],
    ])
    const metadata = parseObjectMetadata(formFieldsAsHeaders(fields))
    expect(metadata.userMetadata).toEqual(new Map([['name', 'ü']]))
    expect(shown(metadata)['content-type']).toBe(wire('text/plain; name=ü'))
  })

  it('throws nothing but S3Error', () => {
    const value = fc.option(wireText, { nil: undefined })
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        mayRefuse(() =>
          parseObjectMetadata({
            'x-amz-meta-a': a,
            'content-type': b,
            'content-encoding': c,
            'x-amz-storage-class': a,
            expires: c,
          }),
        )
      }),
    )
  })
})

describe('user metadata beyond ASCII', () => {
  it('is read as UTF-8, or as latin1 where it is not UTF-8', () => {
    expect(decodeMetadataValue(wire('Größe 😀'))).toBe('Größe 😀')
    expect(decodeMetadataValue('Gr\u00f6\u00dfe')).toBe('Größe')
  })

  it('is read from encoded words (RFC 2047)', () => {
    expect(decodeMetadataValue('=?UTF-8?B?R3LDtsOfZQ==?=')).toBe('Größe')
    expect(decodeMetadataValue('=?utf-8?q?Gr=C3=B6=C3=9Fe_1?=')).toBe('Größe 1')
    expect(decodeMetadataValue('a =?ISO-8859-1?Q?=F6?= =?UTF-8?B?w58=?= b')).toBe('a öß b')
  })

  it.each(['=?UTF-8?B?', '=?UTF-8?X?abc?=', '=?UTF-8?B?!!?=', '=?UTF-8?B?/w==?=', '=?koi8-r?Q?a?=', 'a=?b'])(
    'leaves "%s" alone',
    (text) => {
      expect(decodeMetadataValue(text)).toBe(text)
    },
  )

  it('is answered as an encoded word that cannot end the header, plain text as it is', () => {
    expect(encodeMetadataValue('plain text, 100%')).toBe('plain text, 100%')
    expect(encodeMetadataValue('Größe')).toBe('=?UTF-8?B?R3LDtsOfZQ==?=')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = encodeMetadataValue(text)
        expect(encoded).toMatch(/^[ -~]*$/)
        expect(decodeMetadataValue(encoded)).toBe(text)
      }),
    )
  })

  it('is read in linear time', () => {
    const hostile = '=?UTF-8?Q?'.repeat(20_000)
    const start = process.cpuUsage().user
    decodeMetadataValue(hostile)
    expect(process.cpuUsage().user - start).toBeLessThan(1_000_000)
  })
})

describe('applyResponseOverrides', () => {
  it('replaces headers of signed requests', () => {
    const headers = { 'content-type': 'a', expires: 'b' }
    const query = new Map([
      ['response-content-type', 'text/ü'],
      ['response-cache-control', 'no-store'],
      ['response-etag', 'x'],
    ])
    applyResponseOverrides(headers, query, { signed: true })
    expect(headers).toEqual({ 'content-type': wire('text/ü'), 'cache-control': 'no-store', expires: 'b' })
  })

  it('is refused to anonymous requests and to control characters', () => {
    const query = new Map([['response-content-type', 'a\r\nb: c']])
    expect(failure(() => applyResponseOverrides({}, query, { signed: false })).code).toBe('InvalidRequest')
    expect(failure(() => applyResponseOverrides({}, query, { signed: true })).code).toBe('InvalidArgument')
  })
})

describe('access headers', () => {
  it('are taken where they change nothing', () => {
    for (const acl of ['private', 'bucket-owner-full-control']) checkAclHeaders({ 'x-amz-acl': acl })
    checkObjectLockHeaders({})
    checkExpectedOwner(undefined, '000000000001')
    checkExpectedOwner('000000000001', '000000000001')
  })

  it('are refused where they would', () => {
    expect(failure(() => checkAclHeaders({ 'x-amz-acl': 'public-read' })).code).toBe('NotImplemented')
    expect(failure(() => checkAclHeaders({ 'x-amz-acl': 'x' })).code).toBe('InvalidArgument')
    expect(failure(() => checkAclHeaders({ 'x-amz-grant-read': 'id=1' })).code).toBe('NotImplemented')
    expect(failure(() => checkObjectLockHeaders({ 'x-amz-object-lock-legal-hold': 'OFF' })).clientMessage).toBe(
      'Bucket is missing Object Lock Configuration',
    )
    expect(failure(() => checkExpectedOwner('000000000002', '000000000001')).code).toBe('AccessDenied')
    expect(failure(() => checkExpectedOwner('me', '000000000001')).code).toBe('InvalidBucketOwnerAWSAccountID')
  })
})
