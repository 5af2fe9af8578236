import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatLocation,
  formatVersioning,
  parseCreateBucket,
  parseCreateBucketHeaders,
  parseVersioning,
} from './bucket-documents.ts'
import { formatBucketEncryption, parseBucketEncryption } from './bucket-encryption.ts'
import { parseCopySource, parseDirective } from './copy-source.ts'
import { formatDeleteResult, parseDelete } from './delete-documents.ts'
import { failure, mayRefuse } from './failure.fixture.ts'
import { formatCompleteResult, formatInitiateResult, parseComplete } from './multipart-documents.ts'
import {
  formatAttributes,
  formatCopyResult,
  formatPostSuccess,
  formObjectName,
  objectPath,
  parseAttributesRequest,
} from './object-documents.ts'
import { S3Error } from './s3-error.ts'
import { formatTagging, parseTagging, parseTaggingHeader } from './tags.ts'

const noPause = async (): Promise<void> => {}
const bytes = (text: string) => Buffer.from(text)
const head = '<?xml version="1.0" encoding="UTF-8"?>\n'
const xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

describe('the default encryption of a bucket', () => {
  const rule = (content: string) =>
    bytes(`<ServerSideEncryptionConfiguration ${xmlns}><Rule>${content}</Rule></ServerSideEncryptionConfiguration>`)
  const byDefault = (content: string) =>
    `<ApplyServerSideEncryptionByDefault>${content}</ApplyServerSideEncryptionByDefault>`
  const aes = byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')
  const kms = byDefault('<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>fool-me-again</KMSMasterKeyID>')

  it('is read and written back', () => {
    const documents = [
      rule(`${aes}<BucketKeyEnabled>false</BucketKeyEnabled>`),
      rule(`${kms}<BucketKeyEnabled>true</BucketKeyEnabled>`),
      rule(
        `${aes}<BucketKeyEnabled>false</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>`,
      ),
    ]
    for (const document of documents)
      expect(formatBucketEncryption(parseBucketEncryption(document))).toBe(head + document)
  })

  it('may be SSE-KMS without a key, and may only block', () => {
    const blocked = (type: string) =>
      `<BlockedEncryptionTypes><EncryptionType>${type}</EncryptionType></BlockedEncryptionTypes>`
    expect(parseBucketEncryption(rule(byDefault('<SSEAlgorithm>aws:kms</SSEAlgorithm>')))).toEqual({
      algorithm: 'aws:kms',
      bucketKeyEnabled: false,
      blocksSseC: false,
    })
    expect(parseBucketEncryption(rule(blocked('SSE-C')))).toEqual({
      algorithm: 'AES256',
      bucketKeyEnabled: false,
      blocksSseC: true,
    })
    expect(parseBucketEncryption(rule(aes + blocked('NONE'))).blocksSseC).toBe(false)
  })

  it.each([
    ['no rule', bytes('<ServerSideEncryptionConfiguration/>')],
    [
      'two rules',
      bytes(
        `<ServerSideEncryptionConfiguration><Rule>${aes}</Rule><Rule>${aes}</Rule></ServerSideEncryptionConfiguration>`,
      ),
    ],
    ['an empty rule', rule('')],
    ['no algorithm', rule(byDefault(''))],
    ['an empty algorithm', rule(byDefault('<SSEAlgorithm/>'))],
    ['an unknown algorithm', rule(byDefault('<SSEAlgorithm>aes256</SSEAlgorithm>'))],
    ['another root', bytes('<Foo/>')],
    ['no XML', bytes('foo')],
    [
      'an unknown blocked type',
      rule(`${aes}<BlockedEncryptionTypes><EncryptionType>SSE-S3</EncryptionType></BlockedEncryptionTypes>`),
    ],
    ['no blocked type', rule(`${aes}<BlockedEncryptionTypes/>`)],
  ])('is refused with %s', (_, body) => {
    expect(failure(() => parseBucketEncryption(body)).code).toBe('MalformedXML')
  })

  it('is refused with a key id longer than any, which made the bucket unreadable once', () => {
    const named = (keyId: string) =>
      rule(byDefault(`<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${keyId}</KMSMasterKeyID>`))
    expect(parseBucketEncryption(named('k'.repeat(2048))).keyId).toHaveLength(2048)
    for (const keyId of ['k'.repeat(2049), 'é'.repeat(1025)]) {
      expect(failure(() => parseBucketEncryption(named(keyId)))).toMatchObject({
        code: 'InvalidArgument',
        fields: { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
      })
    }
  })

  it('is refused with a key that does not apply, as AWS words it', () => {
    const body = rule(byDefault('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>'))
    expect(failure(() => parseBucketEncryption(body))).toMatchObject({
      code: 'InvalidArgument',
      clientMessage: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
      fields: { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
    })
  })

  it('of two layers names a key as of one, and has no bucket key', () => {
    const dual = byDefault('<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>')
    const encryption = { algorithm: 'aws:kms:dsse', keyId: 'k', bucketKeyEnabled: false, blocksSseC: false } as const
    expect(parseBucketEncryption(rule(dual))).toEqual(encryption)
    expect(parseBucketEncryption(Buffer.from(formatBucketEncryption(encryption)))).toEqual(encryption)
    const withBucketKey = rule(`${dual}<BucketKeyEnabled>true</BucketKeyEnabled>`)
    expect(failure(() => parseBucketEncryption(withBucketKey)).code).toBe('InvalidArgument')
  })
})

describe('creating a bucket', () => {
  const location = (region: string) =>
    bytes(`<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`)

  it('takes no document, an empty one, and our region', () => {
    expect(parseCreateBucket(new Uint8Array(0), 'eu-west-1')).toEqual({})
    for (const region of ['', 'eu-west-1', 'EU']) expect(parseCreateBucket(location(region), 'eu-west-1')).toEqual({})
    const tagged = bytes(
      '<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>',
    )
    expect(parseCreateBucket(tagged, 'us-east-1')).toEqual({ tags: [{ key: 'a', value: 'b' }] })
  })

  it('refuses other regions, directory buckets, locks and unknown owners', () => {
    expect(failure(() => parseCreateBucket(location('us-west-2'), 'us-east-1'))).toMatchObject({
      code: 'IllegalLocationConstraintException',
      clientMessage:
        'The us-west-2 location constraint is incompatible for the region specific endpoint this request was sent to.',
    })
    const directory = bytes(
      '<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>',
    )
    expect(failure(() => parseCreateBucket(directory, 'us-east-1')).code).toBe('NotImplemented')
    expect(failure(() => parseCreateBucketHeaders({ 'x-amz-bucket-object-lock-enabled': 'true' })).code).toBe(
      'NotImplemented',
    )
    expect(failure(() => parseCreateBucketHeaders({ 'x-amz-object-ownership': 'Nobody' })).code).toBe('InvalidArgument')
    expect(parseCreateBucketHeaders({ 'x-amz-bucket-object-lock-enabled': 'False' })).toEqual({})
    expect(parseCreateBucketHeaders({ 'x-amz-object-ownership': 'ObjectWriter' })).toEqual({
      objectOwnership: 'ObjectWriter',
    })
  })

  it('shows its location, which is empty in us-east-1', () => {
    expect(formatLocation('us-east-1')).toBe(`${head}<LocationConstraint ${xmlns}></LocationConstraint>`)
    expect(formatLocation('eu-west-1')).toContain('>eu-west-1<')
  })
})

describe('versioning', () => {
  const document = (content: string) => bytes(`<VersioningConfiguration ${xmlns}>${content}</VersioningConfiguration>`)

  it('is read and written', () => {
    expect(parseVersioning(document('<Status>Enabled</Status>'))).toBe('enabled')
    expect(parseVersioning(document('<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>'))).toBe('suspended')
    expect(formatVersioning('enabled')).toBe(head + document('<Status>Enabled</Status>'))
    expect(formatVersioning('unset')).toBe(head + document(''))
  })

  it('is refused without a status, with an unknown one, or with MFA delete', () => {
    expect(failure(() => parseVersioning(document(''))).code).toBe('IllegalVersioningConfigurationException')
    expect(failure(() => parseVersioning(document('<Status>enabled</Status>'))).code).toBe('MalformedXML')
    expect(
      failure(() => parseVersioning(document('<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>'))).code,
    ).toBe('NotImplemented')
  })
})

describe('tags', () => {
  const document = (tags: readonly (readonly [string, string])[]) =>
    bytes(formatTagging(tags.map(([key, value]) => ({ key, value }))))

  it('are read from the document and from the header', () => {
    const tags = [
      { key: 'a b', value: 'c=ü' },
      { key: 'd', value: '' },
    ]
    expect(parseTagging(bytes(formatTagging(tags)), 'object')).toEqual(tags)
    expect(parseTaggingHeader('a+b=c%3D%C3%BC&d')).toEqual(tags)
    expect(parseTaggingHeader('')).toEqual([])
    expect(parseTaggingHeader(undefined)).toBeUndefined()
    expect(parseTagging(document([]), 'object')).toEqual([])
  })

  it.each<[string, readonly (readonly [string, string])[], string, string]>([
    ['an empty key', [['', 'a']], 'InvalidTag', 'The TagKey you have provided is invalid'],
    ['a long key', [['a'.repeat(129), '']], 'InvalidTag', 'The TagKey you have provided is invalid'],
    ['a long value', [['a', 'b'.repeat(257)]], 'InvalidTag', 'The TagValue you have provided is invalid'],
    ['forbidden characters', [['a', '<>']], 'InvalidTag', 'The TagValue you have provided is invalid'],
    ['a reserved key', [['AWS:a', '']], 'InvalidTag', 'System tags cannot be added/updated by requester'],
    [
      'a key twice',
      [
        ['a', '1'],
        ['a', '2'],
      ],
      'InvalidTag',
      'Cannot provide multiple Tags with the same key',
    ],
    [
      'eleven tags',
      Array.from({ length: 11 }, (_, index) => [`k${index}`, ''] as const),
      'BadRequest',
      'Object tags cannot be greater than 10',
    ],
  ])('are refused with %s', (_, tags, code, message) => {
    expect(failure(() => parseTagging(document(tags), 'object'))).toMatchObject({ code, clientMessage: message })
  })

  it('count characters, not units, and more of them on buckets', () => {
    expect(parseTagging(document([['𝒜'.repeat(128), '']]), 'object').length).toBe(1)
    const fifty = Array.from({ length: 50 }, (_, index) => [`k${index}`, ''] as const)
    expect(parseTagging(document(fifty), 'bucket').length).toBe(50)
  })

  it('are refused in malformed documents and headers', () => {
    for (const text of [
      '<Tagging/>',
      '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>',
      '<Tagging><TagSet><Foo/></TagSet></Tagging>',
      '<Foo/>',
    ]) {
      expect(failure(() => parseTagging(bytes(text), 'object')).code).toBe('MalformedXML')
    }
    for (const text of ['a=1&a=2', 'a=%', 'a=%ff'])
      expect(failure(() => parseTaggingHeader(text)).code).toBe('InvalidArgument')
    fc.assert(fc.property(fc.string(), (text) => mayRefuse(() => parseTaggingHeader(text))))
  })
})

describe('DeleteObjects', () => {
  const document = (content: string) => bytes(`<Delete ${xmlns}>${content}</Delete>`)

  it('reads names exactly, versions and conditions', async () => {
    const body = document(
      '<Quiet>true</Quiet><Object><Key> a&#xD;b </Key></Object><Object><Key>c</Key><VersionId>null</VersionId><ETag>"e"</ETag></Object>',
    )
    expect(await parseDelete(body, noPause)).toEqual({
      isQuiet: true,
      entries: [{ name: ' a\rb ' }, { name: 'c', versionId: 'null', conditions: { ifMatch: ['e'] } }],
    })
  })

  it('takes 1 to 1,000 names', async () => {
    const object = '<Object><Key>a</Key><VersionId>v</VersionId><ETag>e</ETag></Object>'
    expect((await parseDelete(document(object.repeat(1000)), noPause)).entries.length).toBe(1000)
    for (const content of ['', object.repeat(1001), '<Object/>', '<Object><Key/></Object>']) {
      await expect(parseDelete(document(content), noPause)).rejects.toMatchObject({ code: 'MalformedXML' })
    }
  })

  it('reads the size and the time that an object must have, where Ceph answers', async () => {
    const size = '<Size>12</Size>'
    const sized = document(
      `<Object><Key>a</Key>${size}<LastModifiedTime>1994-11-06T08:49:37Z</LastModifiedTime></Object>`,
    )
    const conditions = { ifSizeBytes: 12, ifLastModifiedMs: Date.UTC(1994, 10, 6, 8, 49, 37) }
    expect((await parseDelete(sized, noPause, 'ceph')).entries).toEqual([{ name: 'a', conditions }])
    await expect(parseDelete(sized, noPause)).rejects.toMatchObject({ code: 'NotImplemented' })
    const wrong = parseDelete(document('<Object><Key>a</Key><Size>1 MB</Size></Object>'), noPause, 'ceph')
    await expect(wrong).rejects.toMatchObject({ code: 'InvalidArgument' })
  })

  it.each(['<ETag></ETag>', '<ETag/>', '<ETag> </ETag>', '<ETag>,</ETag>'])(
    'takes %s for a condition that is none, not for the lack of one',
    async (etag) => {
      const refused = parseDelete(document(`<Object><Key>a</Key>${etag}</Object>`), noPause)
      await expect(refused).rejects.toMatchObject({ code: 'InvalidArgument' })
    },
  )

  it('answers in order, markers and errors included; quietly only the errors', () => {
    const outcomes = [
      { entry: { name: 'a' }, deleted: { deleteMarker: false } },
      { entry: { name: 'b', versionId: 'v' }, deleted: { deleteMarker: true, versionId: 'v' } },
      { entry: { name: 'c' }, error: new S3Error('AccessDenied') },
    ]
    const error = '<Error><Key>c</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
    expect(formatDeleteResult(outcomes, false)).toBe(
      `${head}<DeleteResult ${xmlns}><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key><VersionId>v</VersionId>` +
        `<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>v</DeleteMarkerVersionId></Deleted>${error}</DeleteResult>`,
    )
    expect(formatDeleteResult(outcomes, true)).toBe(`${head}<DeleteResult ${xmlns}>${error}</DeleteResult>`)
  })
})

describe('a refused name', () => {
  it('is not shown beyond the longest that a name can be', () => {
    for (const [name, shown] of [
      ['n'.repeat(9_000), 'n'.repeat(1024)],
      ['n'.repeat(1023) + '😀'.repeat(9), 'n'.repeat(1023)],
    ] as const) {
      const answer = formatDeleteResult(
        [{ entry: { name, versionId: name }, error: new S3Error('KeyTooLongError') }],
        true,
      )
      expect(answer).toContain(`<Key>${shown}</Key><VersionId>${shown}</VersionId><Code>KeyTooLongError</Code>`)
    }
  })
})

describe('multipart documents', () => {
  const document = (content: string) => bytes(`<CompleteMultipartUpload ${xmlns}>${content}</CompleteMultipartUpload>`)
  const part = (number: number | string, extra = '') =>
    `<Part><PartNumber>${number}</PartNumber><ETag>"e${number}"</ETag>${extra}</Part>`

  it('reads parts with their checksums', async () => {
    const body = document(part(1) + part(3, '<ChecksumCRC32>NhCmhg==</ChecksumCRC32>'))
    expect(await parseComplete(body, noPause)).toEqual([
      { number: 1, etag: 'e1' },
      { number: 3, etag: 'e3', checksum: 'NhCmhg==', checksumAlgorithm: 'CRC32' },
    ])
  })

  it('takes ten thousand parts', async () => {
    const checksum = '<ChecksumCRC32>NhCmhg==</ChecksumCRC32>'
    const body = document(Array.from({ length: 10_000 }, (_, index) => part(index + 1, checksum)).join(''))
    expect((await parseComplete(body, noPause)).length).toBe(10_000)
  })

  it('takes no body for a list without parts', async () => {
    await expect(parseComplete(new Uint8Array(0), noPause)).rejects.toMatchObject({ code: 'MalformedXML' })
  })

  it.each([
    ['no part', '', 'MalformedXML'],
    ['another element', '<Foo/>', 'MalformedXML'],
    ['no tag', '<Part><PartNumber>1</PartNumber></Part>', 'MalformedXML'],
    ['part 0', part(0), 'InvalidArgument'],
    ['part 10,001', part(10_001), 'InvalidArgument'],
    ['parts out of order', part(2) + part(1), 'InvalidPartOrder'],
    ['a part twice', part(1) + part(1), 'InvalidPartOrder'],
    ['a broken checksum', part(1, '<ChecksumCRC32>x</ChecksumCRC32>'), 'InvalidRequest'],
  ])('refuses %s', async (_, content, code) => {
    await expect(parseComplete(document(content), noPause)).rejects.toMatchObject({ code })
  })

  it('answers uploads', () => {
    expect(formatInitiateResult('b', 'a&b', 'u')).toBe(
      `${head}<InitiateMultipartUploadResult ${xmlns}><Bucket>b</Bucket><Key>a&amp;b</Key><UploadId>u</UploadId></InitiateMultipartUploadResult>`,
    )
    const checksum = { algorithm: 'CRC32', type: 'COMPOSITE', value: 'v-2' } as const
    expect(formatCompleteResult({ location: 'https://h/b/a', bucket: 'b', name: 'a', etag: 'e-2', checksum })).toBe(
      `${head}<CompleteMultipartUploadResult ${xmlns}><Location>https://h/b/a</Location><Bucket>b</Bucket><Key>a</Key>` +
        '<ETag>&quot;e-2&quot;</ETag><ChecksumCRC32>v-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></CompleteMultipartUploadResult>',
    )
  })
})

describe('copies', () => {
  it.each([
    ['bkt/a', { bucket: 'bkt', name: 'a' }],
    ['/bkt/a/b//c', { bucket: 'bkt', name: 'a/b//c' }],
    ['bkt%2Fa%3Fb', { bucket: 'bkt', name: 'a?b' }],
    ['bkt/%C3%BC+', { bucket: 'bkt', name: 'ü+' }],
    [Buffer.from('bkt/ü').toString('latin1'), { bucket: 'bkt', name: 'ü' }],
    ['bkt/a?versionId=null', { bucket: 'bkt', name: 'a', versionId: 'null' }],
    ['bkt//a', { bucket: 'bkt', name: '/a' }],
  ])('reads the source %s', (header, source) => {
    expect(parseCopySource(header)).toEqual(source)
  })

  it.each([
    ['', 'InvalidArgument'],
    ['bkt', 'InvalidArgument'],
    ['/bkt/', 'InvalidArgument'],
    ['bkt/%', 'InvalidArgument'],
    ['bkt/a?versionId=', 'InvalidArgument'],
    ['bkt/a?x=1', 'InvalidArgument'],
    ['B/a', 'InvalidBucketName'],
    ['arn:aws:s3:us-west-2:123456789012:accesspoint/x/object/a', 'NotImplemented'],
    [`bkt/${'a'.repeat(1025)}`, 'KeyTooLongError'],
  ])('refuses the source "%s"', (header, code) => {
    expect(failure(() => parseCopySource(header)).code).toBe(code)
  })

  it('have two directives', () => {
    expect(parseDirective({}, 'metadata')).toBe('COPY')
    expect(parseDirective({ 'x-amz-tagging-directive': 'REPLACE' }, 'tagging')).toBe('REPLACE')
    expect(failure(() => parseDirective({ 'x-amz-metadata-directive': 'x' }, 'metadata')).clientMessage).toBe(
      'Unknown metadata directive.',
    )
  })

  it('are answered', () => {
    expect(formatCopyResult('CopyObjectResult', { lastModifiedMs: 0, etag: 'e' })).toBe(
      `${head}<CopyObjectResult ${xmlns}><LastModified>1970-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag></CopyObjectResult>`,
    )
  })
})

describe('attributes', () => {
  const shown = {
    head: {
      etag: 'e-2',
      sizeBytes: 10,
      metadata: {},
      checksum: { algorithm: 'CRC32', type: 'COMPOSITE', value: 'v-2' },
    },
    parts: { total: 2, parts: [{ number: 1, sizeBytes: 5, checksum: 'p' }], truncated: true, nextMarker: 1 },
  } as const

  it('are answered as asked for, the tag without quotes', () => {
    const request = parseAttributesRequest({
      'x-amz-object-attributes': 'ETag, ObjectSize,StorageClass',
      'x-amz-max-parts': '1',
    })
    expect(formatAttributes(request, shown)).toBe(
      `${head}<GetObjectAttributesResponse ${xmlns}><ETag>e-2</ETag><StorageClass>STANDARD</StorageClass><ObjectSize>10</ObjectSize></GetObjectAttributesResponse>`,
    )
    const rest = parseAttributesRequest({ 'x-amz-object-attributes': 'Checksum,ObjectParts', 'x-amz-max-parts': '1' })
    expect(formatAttributes(rest, shown)).toContain(
      '<Checksum><ChecksumCRC32>v-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></Checksum><ObjectParts><PartsCount>2</PartsCount>' +
        '<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>' +
        '<Part><PartNumber>1</PartNumber><Size>5</Size><ChecksumCRC32>p</ChecksumCRC32></Part></ObjectParts>',
    )
  })

  it.each(['', ' , ', 'etag', 'ETag,Foo'])('must be known: "%s"', (header) => {
    expect(failure(() => parseAttributesRequest({ 'x-amz-object-attributes': header })).code).toBe('InvalidArgument')
  })
})

describe('browser forms', () => {
  const written = { location: 'https://h/b/a', bucket: 'b', name: 'a&b', etag: 'e' }
  const answer = (fields: Readonly<Record<string, string>>) =>
    formatPostSuccess(new Map(Object.entries(fields)), written)

  it('are answered by 204, 200, a document or a redirect', () => {
    for (const fields of [{}, { success_action_status: '204' }, { success_action_status: '500' }]) {
      expect(answer(fields)).toEqual({
        status: 204,
        headers: { etag: '"e"', location: 'https://h/b/a' },
        body: undefined,
      })
    }
    expect(answer({ success_action_status: '200' }).status).toBe(200)
    expect(answer({ success_action_status: '201' })).toMatchObject({
      status: 201,
      body: `${head}<PostResponse><Location>https://h/b/a</Location><Bucket>b</Bucket><Key>a&amp;b</Key><ETag>&quot;e&quot;</ETag></PostResponse>`,
    })
    expect(answer({ success_action_redirect: 'https://h/done?x=1' })).toMatchObject({
      status: 303,
      headers: { location: 'https://h/done?x=1&bucket=b&key=a%26b&etag=%22e%22' },
    })
  })

  it('redirect to web addresses only', () => {
    for (const target of ['/done', 'javascript:alert(1)', 'not a url', 'https://h\r\nset-cookie: a']) {
      const { status, headers } = answer({ success_action_redirect: target })
      if (status === 303) expect(headers.location).not.toMatch(/[\r\n]/)
      else expect(status).toBe(204)
    }
  })

  it('fill in the name of the file, without its directories', () => {
    const placeholder = ['$', '{filename}'].join('')
    expect(formObjectName(`user/${placeholder}`, 'C:\\dir\\a$&.txt')).toBe('user/a$&.txt')
    expect(formObjectName(`${placeholder}-${placeholder}`, '../../x')).toBe('x-x')
    expect(formObjectName('plain', 'x')).toBe('plain')
    expect(objectPath('b', 'a b/ü')).toBe('/b/a%20b/%C3%BC')
  })
})
