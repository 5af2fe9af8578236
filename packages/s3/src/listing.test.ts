import { parseQuery } from '@strongroom/sigv4'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, mayRefuse } from './failure.fixture.ts'
import {
  formatListBuckets,
  formatListObjects,
  formatListObjectsV2,
  formatListParts,
  formatListUploads,
  formatListVersions,
  type Listed,
  type ObjectSummary,
  type VersionSummary,
} from './listing-documents.ts'
import {
  decodeContinuationToken,
  encodeContinuationToken,
  encodeMarker,
  parseListBuckets,
  parseListObjects,
  parseListObjectsV2,
  parseListParts,
  parseListUploads,
  parseListVersions,
} from './listing-parameters.ts'
import { canonicalUserId } from './owner.ts'
import { childText, parseXml, type XmlElement } from './xml-reader.ts'

const account = '000000000001'
const ownerXml = `<ID>${canonicalUserId(account)}</ID><DisplayName>${account}</DisplayName>`
const object = (name: string): ObjectSummary => ({
  name,
  etag: 'd41d8cd98f00b204e9800998ecf8427e',
  sizeBytes: 5,
  lastModifiedMs: 1500,
  storageClass: 'STANDARD',
  ownerAccountId: account,
})
const item = <T>(value: T): Listed<T> => ({ kind: 'item', item: value })
const prefix = (text: string) => ({ kind: 'prefix', prefix: text }) as const

function read(document: string): XmlElement {
  return parseXml(Buffer.from(document), { maxElements: 100_000 })
}

function texts(root: XmlElement, list: string, name: string): (string | undefined)[] {
  return root.children.filter((child) => child.name === list).map((child) => childText(child, name))
}

describe('ListObjectsV2', () => {
  it('writes the document as AWS does', () => {
    const parameters = parseListObjectsV2(
      parseQuery('list-type=2&prefix=a&delimiter=/&max-keys=2&start-after=A&fetch-owner=true'),
    )
    const document = formatListObjectsV2('bkt', parameters, {
      items: [item(object('a&b')), prefix('ab/')],
      truncated: true,
    })
    expect(document).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix>a</Prefix>' +
        `<StartAfter>A</StartAfter><NextContinuationToken>${encodeContinuationToken('ab/')}</NextContinuationToken><KeyCount>2</KeyCount>` +
        '<MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key>' +
        '<LastModified>1970-01-01T00:00:01.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>5</Size>' +
        `<Owner>${ownerXml}</Owner><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>ab/</Prefix></CommonPrefixes></ListBucketResult>`,
    )
  })

  it('goes on after a token, which wins over start-after', () => {
    const token = encodeContinuationToken('ü/b')
    expect(parseListObjectsV2(parseQuery(`continuation-token=${token}&start-after=x`))).toMatchObject({
      after: 'ü/b',
      startAfter: 'x',
    })
    expect(parseListObjectsV2(parseQuery('start-after=x'))).toMatchObject({ after: 'x', continuationToken: undefined })
  })

  it('says where a page goes on that ended early, and goes on there', () => {
    const page = { items: [], truncated: true, next: { after: 'a/b', isWithinPrefix: true } }
    const document = formatListObjectsV2('b', parseListObjectsV2(new Map()), page)
    const [, token = ''] = /<NextContinuationToken>(.*)<\/NextContinuationToken>/.exec(document) ?? []
    expect(parseListObjectsV2(new Map([['continuation-token', token]]))).toMatchObject(page.next)
  })

  it('shows owners only when asked and checksums where there are some', () => {
    const checksum = { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: 'v' } as const
    const document = formatListObjectsV2('b', parseListObjectsV2(new Map()), {
      items: [item({ ...object('a'), checksum })],
      truncated: false,
    })
    expect(document).not.toContain('<Owner>')
    expect(document).toContain(
      '<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>',
    )
    expect(document).not.toContain('NextContinuationToken')
  })
})

describe('ListObjects', () => {
  it('gives a next marker only with a delimiter', () => {
    const page = { items: [item(object('a')), prefix('b/')], truncated: true }
    const plain = read(formatListObjects('b', parseListObjects(parseQuery('marker=0')), page))
    expect([childText(plain, 'Marker'), childText(plain, 'NextMarker'), childText(plain, 'MaxKeys')]).toEqual([
      '0',
      undefined,
      '1000',
    ])
    const delimited = read(formatListObjects('b', parseListObjects(parseQuery('delimiter=/')), page))
    expect(childText(delimited, 'NextMarker')).toBe('b/')
  })

  it('says in the marker where a page goes on that ended early, and goes on there', () => {
    const nextOf = (query: string, next: { readonly after: string; readonly isWithinPrefix: boolean }) => {
      const page = { items: [], truncated: true, next }
      return childText(read(formatListObjects('b', parseListObjects(parseQuery(query)), page)), 'NextMarker') ?? ''
    }
    const within = { after: 'a/b', isWithinPrefix: true }
    const after = { after: 'a', isWithinPrefix: false }
    for (const next of [within, after]) {
      const marker = nextOf('delimiter=/', next)
      expect(
        parseListObjects(
          new Map([
            ['delimiter', '/'],
            ['marker', marker],
          ]),
        ),
      ).toMatchObject({ marker, ...next })
    }
    expect(nextOf('', after)).toBe('a')
  })

  it('takes no marker of a full page for one within a common prefix, whatever names and delimiters are', () => {
    const nasty = fc.string({ unit: fc.constantFrom('a', '/', '\u{10FFFF}'), maxLength: 4 })
    const cases = fc.tuple(nasty, nasty, nasty).filter(([rest, , delimiter]) => rest !== '' && delimiter !== '')
    fc.assert(
      fc.property(cases, ([rest, prefix, delimiter]) => {
        const parse = (marker: string) => parseListObjects(new Map(Object.entries({ marker, prefix, delimiter })))
        const name = prefix + rest
        const at = name.indexOf(delimiter, prefix.length)
        const shown = at < 0 ? name : name.slice(0, at + delimiter.length)
        expect(parse(shown)).toMatchObject({ after: shown, isWithinPrefix: false })
        if (at < 0) return
        expect(parse(encodeMarker(name, true))).toMatchObject({ after: name, isWithinPrefix: true })
      }),
    )
  })

  it('encodes all names with encoding-type=url, and none without', () => {
    const name = 'a b/ü\u0001+*'
    const page = { items: [item(object(name)), prefix(`${name}/`)], truncated: true }
    const query = new Map([
      ['encoding-type', 'url'],
      ['prefix', 'a b'],
      ['delimiter', '+'],
      ['marker', 'ü'],
    ])
    const root = read(formatListObjects('b', parseListObjects(query), page))
    expect(texts(root, 'Contents', 'Key')).toEqual(['a%20b/%C3%BC%01%2B%2A'])
    expect(texts(root, 'CommonPrefixes', 'Prefix')).toEqual(['a%20b/%C3%BC%01%2B%2A/'])
    expect(
      ['Prefix', 'Delimiter', 'Marker', 'NextMarker', 'EncodingType'].map((element) => childText(root, element)),
    ).toEqual(['a%20b', '%2B', '%C3%BC', 'a%20b/%C3%BC%01%2B%2A/', 'url'])
  })

  it('gives every name back', () => {
    const query = new Map([['encoding-type', 'url']])
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 5 }), (names) => {
        const page = { items: names.map((name) => item(object(name))), truncated: false }
        const root = read(formatListObjects('b', parseListObjects(query), page))
        expect(texts(root, 'Contents', 'Key').map((key) => decodeURIComponent(key ?? ''))).toEqual(names)
      }),
    )
  })
})

describe('other listings', () => {
  it('of versions write markers beside versions, in order', () => {
    const version = (name: string, change: Partial<VersionSummary> = {}): Listed<VersionSummary> =>
      item({ ...object(name), versionId: 'v1', isLatest: true, deleteMarker: false, ...change })
    const page = {
      items: [
        version('a', { deleteMarker: true, versionId: 'v2' }),
        version('a', { isLatest: false }),
        prefix('b/'),
        version('c'),
      ],
      truncated: true,
    }
    const parameters = parseListVersions(parseQuery('key-marker=0&version-id-marker=v0'))
    const document = formatListVersions('bkt', parameters, page)
    const root = read(document)
    expect(
      ['KeyMarker', 'VersionIdMarker', 'NextKeyMarker', 'NextVersionIdMarker', 'IsTruncated'].map((name) =>
        childText(root, name),
      ),
    ).toEqual(['0', 'v0', 'c', 'v1', 'true'])
    expect(document).toContain(
      `<DeleteMarker><Key>a</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest><LastModified>1970-01-01T00:00:01.000Z</LastModified><Owner>${ownerXml}</Owner></DeleteMarker>` +
        '<Version><Key>a</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest>',
    )
    expect(failure(() => parseListVersions(parseQuery('version-id-marker=v'))).code).toBe('InvalidArgument')
  })

  it('of uploads show who began them and the checksum they promise', () => {
    const upload = {
      uploadId: 'u1',
      name: 'a',
      initiatedAtMs: 0,
      storageClass: 'STANDARD',
      ownerAccountId: account,
      checksum: { algorithm: 'CRC32', type: 'COMPOSITE' },
    } as const
    const parameters = parseListUploads(parseQuery('key-marker=0&upload-id-marker=u0&max-uploads=1'))
    const document = formatListUploads('bkt', parameters, { items: [item(upload)], truncated: true })
    expect(document).toContain(
      `<Upload><Key>a</Key><UploadId>u1</UploadId><Initiator>${ownerXml}</Initiator><Owner>${ownerXml}</Owner><StorageClass>STANDARD</StorageClass>` +
        '<Initiated>1970-01-01T00:00:00.000Z</Initiated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></Upload>',
    )
    const root = read(document)
    expect([childText(root, 'NextKeyMarker'), childText(root, 'NextUploadIdMarker')]).toEqual(['a', 'u1'])
    expect(parseListUploads(parseQuery('upload-id-marker=u0')).uploadIdMarker).toBeUndefined()
    const part = {
      number: 2,
      etag: 'e',
      sizeBytes: 5,
      lastModifiedMs: 0,
      checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'v' },
    } as const
    const parts = formatListParts('bkt', parseListParts(parseQuery('part-number-marker=1&max-parts=1')), {
      upload,
      parts: [part],
      truncated: true,
    })
    expect(parts).toContain(
      '<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1</MaxParts>',
    )
    expect(parts).toContain(
      '<Part><PartNumber>2</PartNumber><LastModified>1970-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size><ChecksumCRC32>v</ChecksumCRC32></Part>',
    )
  })

  it('of buckets show regions and tokens where paging was asked for', () => {
    const buckets = [{ name: 'abc', createdAtMs: 0 }]
    const plain = formatListBuckets(account, parseListBuckets(new Map()), { buckets, truncated: false }, 'us-east-1')
    expect(plain).toContain(
      `<Owner>${ownerXml}</Owner><Buckets><Bucket><Name>abc</Name><CreationDate>1970-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>`,
    )
    const parameters = parseListBuckets(parseQuery('max-buckets=1&prefix=a'))
    const paged = formatListBuckets(account, parameters, { buckets, truncated: true }, 'us-east-1')
    expect(paged).toContain(
      `<BucketRegion>us-east-1</BucketRegion></Bucket></Buckets><ContinuationToken>${encodeContinuationToken('abc')}</ContinuationToken><Prefix>a</Prefix>`,
    )
    for (const limit of ['0', '10001', 'x'])
      expect(failure(() => parseListBuckets(parseQuery(`max-buckets=${limit}`))).code).toBe('InvalidArgument')
  })
})

describe('listing parameters', () => {
  it('treat empty ones as absent and cap limits', () => {
    expect(parseListObjects(parseQuery('prefix=&delimiter=&marker=&max-keys=&encoding-type='))).toEqual({
      prefix: '',
      after: undefined,
      isWithinPrefix: false,
      delimiter: undefined,
      marker: undefined,
      limit: 1000,
      encodesNames: false,
    })
    expect(parseListObjects(parseQuery('max-keys=1000000')).limit).toBe(1000)
    expect(failure(() => parseListObjects(parseQuery('encoding-type=x'))).clientMessage).toBe(
      'Invalid Encoding Method specified in Request',
    )
  })

  it('take only tokens that they made', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.boolean(), (after, isWithinPrefix) => {
        const token = encodeContinuationToken(after, isWithinPrefix)
        expect(decodeContinuationToken(token)).toEqual({ after, isWithinPrefix })
      }),
    )
    fc.assert(fc.property(fc.string(), (token) => mayRefuse(() => decodeContinuationToken(token))))
    for (const token of ['', 'x', `${encodeContinuationToken('a')}=`, Buffer.from('3/a').toString('base64url')]) {
      expect(failure(() => decodeContinuationToken(token)).clientMessage).toBe(
        'The continuation token provided is incorrect',
      )
    }
  })
})
