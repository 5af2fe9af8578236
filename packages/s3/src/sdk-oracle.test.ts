import { Readable } from 'node:stream'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLocationCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketEncryptionCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { loadChecksums } from '@strongroom/crypto'
import {
  AwsChunkedDecoder,
  deriveSigningKey,
  parseAuthorization,
  parseDecodedLength,
  parsePayloadMode,
  parseQuery,
  parseTrailerNames,
  type SignableRequest,
  verifySignature,
} from '@strongroom/sigv4'
import { beforeAll, describe, expect, it } from 'vitest'
import { formatLocation, parseCreateBucket, parseVersioning } from './bucket-documents.ts'
import { formatBucketEncryption, parseBucketEncryption } from './bucket-encryption.ts'
import { decodeChecksum, parseRequestChecksum } from './checksum-headers.ts'
import { parseCopySource } from './copy-source.ts'
import { formatDeleteResult, parseDelete } from './delete-documents.ts'
import { checkDocumentDigest } from './document-digest.ts'
import { parseEncryption } from './encryption-headers.ts'
import { addEncryptionHeaders } from './encryption-response.ts'
import { describeError, formatError } from './error-response.ts'
import {
  formatListBuckets,
  formatListObjectsV2,
  formatListParts,
  formatListUploads,
  formatListVersions,
} from './listing-documents.ts'
import {
  parseListBuckets,
  parseListObjectsV2,
  parseListParts,
  parseListUploads,
  parseListVersions,
} from './listing-parameters.ts'
import { formatCompleteResult, parseComplete } from './multipart-documents.ts'
import { formatAttributes, formatCopyResult, parseAttributesRequest } from './object-documents.ts'
import { addObjectHeaders, parseObjectMetadata } from './object-headers.ts'
import { resolveOperation, type S3Operation } from './operation.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'
import { S3Error } from './s3-error.ts'
import { parseTagging } from './tags.ts'

const secret = 'a-test-secret'
const account = '000000000001'
const name = 'dir/ü +&<>\u0001 .txt'
const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'NhCmhg==' } as const

/** A request of the SDK, read as the server reads it: signature verified, body out of its chunks. */
interface Received {
  readonly operation: S3Operation
  readonly target: RequestTarget
  readonly query: ReadonlyMap<string, string>
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly trailers: ReadonlyMap<string, string>
}

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

interface SdkRequest {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

async function bodyOf(body: unknown): Promise<Buffer> {
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string' || body instanceof Uint8Array) return Buffer.from(body)
  if (!(body instanceof Readable)) throw new TypeError('a body of another kind')
  const pieces: Buffer[] = []
  for await (const piece of body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

function rawQueryOf(query: SdkRequest['query']): string {
  return Object.entries(query ?? {})
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value ?? ''))}`)
    .join('&')
}

async function receive(request: SdkRequest): Promise<Received> {
  const headers: Record<string, string> = {}
  for (const [key, value] of Object.entries(request.headers)) headers[key.toLowerCase()] = value
  const rawQuery = rawQueryOf(request.query)
  const signable: SignableRequest = { method: request.method, rawPath: request.path, rawQuery, headers }
  const query = parseQuery(rawQuery)
  const parsed = parseAuthorization(signable, query, { regions: ['us-east-1'] })
  if (parsed === undefined) throw new Error('anonymous')
  verifySignature(parsed, signable, deriveSigningKey(Buffer.from(secret), parsed.scope))
  const mode = parsePayloadMode(parsed.payloadHash)
  const target = parseRequestTarget(request.path, headers.host)
  const operation = resolveOperation({ method: request.method, target, query, headers })
  const sent = await bodyOf(request.body)
  if (mode.kind !== 'aws-chunked') return { operation, target, query, headers, body: sent, trailers: new Map() }
  const decoder = new AwsChunkedDecoder({
    decodedLength: parseDecodedLength(headers['x-amz-decoded-content-length']),
    trailerNames: parseTrailerNames(headers['x-amz-trailer']),
    signing: undefined,
  })
  const body = Buffer.concat(decoder.push(sent))
  return { operation, target, query, headers, body, trailers: decoder.end() }
}

/** A client whose requests go to `answer` instead of to a network. */
const noPause = async (): Promise<void> => {}

function clientOf(answer: (received: Received) => Answer | Promise<Answer>): S3Client {
  const handle = async (request: SdkRequest) => {
    const { status = 200, headers = {}, body = '' } = await answer(await receive(request))
    return { response: { statusCode: status, headers, body: Readable.from([Buffer.from(body)]), reason: '' } }
  }
  return new S3Client({
    region: 'us-east-1',
    endpoint: 'https://localhost:9000',
    forcePathStyle: true,
    credentials: { accessKeyId: 'AKID', secretAccessKey: secret },
    maxAttempts: 1,
    requestHandler: { handle, metadata: { handlerProtocol: 'http/1.1' } } as never,
  })
}

beforeAll(loadChecksums)

describe('what the AWS SDK for JavaScript sends', () => {
  it('is understood: PutObject with SSE-KMS, metadata and a checksum in the trailer', async () => {
    const client = clientOf((received) => {
      expect(received.operation).toBe('PutObject')
      expect(received.target).toEqual({ level: 'object', bucket: 'bkt', name })
      expect(received.body.toString()).toBe('hello')
      const encryption = parseEncryption(received.headers, { secure: true, signed: true })
      expect(encryption).toEqual({
        mode: 'sse-kms',
        keyId: 'k',
        context: new Map([['a', 'b']]),
        bucketKeyEnabled: true,
      })
      expect(parseObjectMetadata(received.headers).userMetadata).toEqual(new Map([['one', '1']]))
      expect(parseRequestChecksum(received.headers, [...received.trailers.keys()])?.algorithm).toBe('CRC32')
      expect(decodeChecksum('CRC32', received.trailers.get('x-amz-checksum-crc32') ?? '')).toHaveLength(4)
      const headers: Record<string, string> = { etag: '"e"' }
      addEncryptionHeaders(headers, 'PutObject', {
        mode: 'sse-kms',
        keyId: 'k',
        context: 'e30=',
        bucketKeyEnabled: true,
      })
      return { headers }
    })
    const output = await client.send(
      new PutObjectCommand({
        Bucket: 'bkt',
        Key: name,
        Body: Readable.from([Buffer.from('hello')]),
        ContentLength: 5,
        Metadata: { one: '1' },
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: 'k',
        SSEKMSEncryptionContext: Buffer.from('{"a":"b"}').toString('base64'),
        BucketKeyEnabled: true,
      }),
    )
    expect(output).toMatchObject({
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'k',
      SSEKMSEncryptionContext: 'e30=',
      BucketKeyEnabled: true,
    })
  })

  it('is understood: customer keys, copies, parts', async () => {
    const SSECustomerKey = Buffer.alloc(32, 7).toString('base64')
    const operations: S3Operation[] = []
    const client = clientOf(({ operation, headers }) => {
      operations.push(operation)
      if (operation !== 'CopyObject') {
        const encryption = parseEncryption(headers, { secure: true, signed: true })
        expect(encryption.mode === 'sse-c' && Buffer.from(encryption.customerKey.key)).toEqual(Buffer.alloc(32, 7))
        return {}
      }
      expect(parseCopySource(headers['x-amz-copy-source'] ?? '')).toEqual({ bucket: 'bkt', name, versionId: 'v1' })
      return { body: formatCopyResult('CopyObjectResult', { lastModifiedMs: 5000, etag: 'e', checksum }) }
    })
    const key = { SSECustomerAlgorithm: 'AES256', SSECustomerKey }
    await client.send(new PutObjectCommand({ Bucket: 'bkt', Key: 'a', Body: 'x', ...key }))
    await client.send(
      new UploadPartCommand({ Bucket: 'bkt', Key: 'a', Body: 'x', PartNumber: 1, UploadId: 'u', ...key }),
    )
    const CopySource = `bkt/${encodeURIComponent(name)}?versionId=v1`
    const copy = await client.send(new CopyObjectCommand({ Bucket: 'bkt', Key: 'b', CopySource }))
    expect(copy.CopyObjectResult).toEqual({
      LastModified: new Date(5000),
      ETag: '"e"',
      ChecksumCRC32: checksum.value,
      ChecksumType: 'FULL_OBJECT',
    })
    expect(operations).toEqual(['PutObject', 'UploadPart', 'CopyObject'])
  })

  it('is understood: documents with their checksums', async () => {
    const seen: unknown[] = []
    const client = clientOf(({ operation, headers, body, trailers }) => {
      checkDocumentDigest(body, headers, trailers, { required: operation !== 'CreateBucket' })
      if (operation === 'PutBucketEncryption') seen.push(parseBucketEncryption(body))
      if (operation === 'PutBucketVersioning') seen.push(parseVersioning(body))
      if (operation === 'PutObjectTagging') seen.push(parseTagging(body, 'object'))
      if (operation === 'CreateBucket') seen.push(parseCreateBucket(body, 'eu-west-1'))
      return {}
    })
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'k' } as const
    const rule = { ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }
    await client.send(
      new PutBucketEncryptionCommand({ Bucket: 'bkt', ServerSideEncryptionConfiguration: { Rules: [rule] } }),
    )
    await client.send(new PutBucketVersioningCommand({ Bucket: 'bkt', VersioningConfiguration: { Status: 'Enabled' } }))
    await client.send(
      new PutObjectTaggingCommand({ Bucket: 'bkt', Key: 'a', Tagging: { TagSet: [{ Key: 'k/ü', Value: 'v' }] } }),
    )
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const
    await client.send(new CreateBucketCommand({ Bucket: 'bkt', CreateBucketConfiguration }))
    expect(seen).toEqual([
      { algorithm: 'aws:kms', keyId: 'k', bucketKeyEnabled: true, blocksSseC: false },
      'enabled',
      [{ key: 'k/ü', value: 'v' }],
      {},
    ])
  })
})

describe('what we answer is understood by the AWS SDK for JavaScript', () => {
  const summary = {
    name,
    etag: 'e',
    sizeBytes: 5,
    lastModifiedMs: 5000,
    storageClass: 'STANDARD',
    checksum,
    ownerAccountId: account,
  }
  const item = <T>(value: T) => ({ kind: 'item', item: value }) as const
  const prefix = { kind: 'prefix', prefix: 'dir/ ü/' } as const
  const decode = (text: string | undefined) => decodeURIComponent(text ?? '')

  it('ListObjectsV2', async () => {
    const client = clientOf(({ operation, query }) => {
      expect(operation).toBe('ListObjectsV2')
      return {
        body: formatListObjectsV2('bkt', parseListObjectsV2(query), {
          items: [item(summary), prefix],
          truncated: true,
        }),
      }
    })
    const output = await client.send(
      new ListObjectsV2Command({ Bucket: 'bkt', EncodingType: 'url', FetchOwner: true, Delimiter: '/' }),
    )
    const [object] = output.Contents ?? []
    expect(decode(object?.Key)).toBe(name)
    expect(object).toMatchObject({
      LastModified: new Date(5000),
      ETag: '"e"',
      Size: 5,
      StorageClass: 'STANDARD',
      ChecksumAlgorithm: ['CRC32'],
      ChecksumType: 'FULL_OBJECT',
      Owner: { DisplayName: account },
    })
    expect(output).toMatchObject({
      KeyCount: 2,
      MaxKeys: 1000,
      IsTruncated: true,
      Delimiter: '/',
    })
    expect(decode(output.CommonPrefixes?.[0]?.Prefix)).toBe('dir/ ü/')
    const next = parseListObjectsV2(new Map([['continuation-token', output.NextContinuationToken ?? '']]))
    expect(next.after).toBe('dir/ ü/')
  })

  it('versions, uploads, parts and buckets', async () => {
    const version = { ...summary, versionId: 'v', isLatest: true, deleteMarker: false }
    const upload = {
      uploadId: 'u',
      name: 'a&',
      initiatedAtMs: 5000,
      storageClass: 'STANDARD',
      ownerAccountId: account,
      checksum,
    }
    const part = { number: 3, etag: 'p', sizeBytes: 7, lastModifiedMs: 5000, checksum }
    const client = clientOf(({ operation, query }) => {
      switch (operation) {
        case 'ListObjectVersions': {
          const items = [item({ ...version, name: 'a' }), item({ ...version, name: 'b', deleteMarker: true })]
          return { body: formatListVersions('bkt', parseListVersions(query), { items, truncated: true }) }
        }
        case 'ListMultipartUploads':
          return {
            body: formatListUploads('bkt', parseListUploads(query), { items: [item(upload)], truncated: false }),
          }
        case 'ListParts':
          return { body: formatListParts('bkt', parseListParts(query), { upload, parts: [part], truncated: true }) }
        default: {
          const buckets = [{ name: 'bkt', createdAtMs: 5000 }]
          return {
            body: formatListBuckets(account, parseListBuckets(query), { buckets, truncated: false }, 'eu-west-1'),
          }
        }
      }
    })
    const versions = await client.send(new ListObjectVersionsCommand({ Bucket: 'bkt' }))
    expect(versions.Versions).toMatchObject([{ Key: 'a', VersionId: 'v', IsLatest: true, Size: 5 }])
    expect(versions.DeleteMarkers).toMatchObject([{ Key: 'b', VersionId: 'v', Owner: { DisplayName: account } }])
    expect(versions).toMatchObject({ NextKeyMarker: 'b', NextVersionIdMarker: 'v' })
    const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bkt' }))
    expect(uploads.Uploads).toMatchObject([
      { Key: 'a&', UploadId: 'u', Initiated: new Date(5000), ChecksumAlgorithm: 'CRC32' },
    ])
    const parts = await client.send(new ListPartsCommand({ Bucket: 'bkt', Key: 'a&', UploadId: 'u' }))
    expect(parts).toMatchObject({ NextPartNumberMarker: '3', IsTruncated: true, ChecksumType: 'FULL_OBJECT' })
    expect(parts.Parts).toEqual([
      { PartNumber: 3, LastModified: new Date(5000), ETag: '"p"', Size: 7, ChecksumCRC32: checksum.value },
    ])
    const buckets = await client.send(new ListBucketsCommand({ Prefix: 'b' }))
    expect(buckets.Buckets).toEqual([{ Name: 'bkt', CreationDate: new Date(5000), BucketRegion: 'eu-west-1' }])
  })

  it('deletes and completed uploads', async () => {
    const client = clientOf(async ({ operation, body, headers, trailers }) => {
      checkDocumentDigest(body, headers, trailers, { required: operation === 'DeleteObjects' })
      if (operation === 'DeleteObjects') {
        const [first, second] = (await parseDelete(body, noPause)).entries
        expect([first, second]).toEqual([{ name: 'a\r\n&' }, { name: 'b', versionId: 'v' }])
        if (first === undefined || second === undefined) throw new Error('entries')
        const outcomes = [
          { entry: first, deleted: { deleteMarker: true, versionId: 'm' } },
          { entry: second, error: new S3Error('AccessDenied') },
        ]
        return { body: formatDeleteResult(outcomes, false) }
      }
      expect(await parseComplete(body, noPause)).toEqual([
        { number: 1, etag: 'p', checksum: checksum.value, checksumAlgorithm: 'CRC32' },
      ])
      return {
        body: formatCompleteResult({ location: 'https://h/bkt/a', bucket: 'bkt', name: 'a', etag: 'e-1', checksum }),
      }
    })
    const Delete = { Objects: [{ Key: 'a\r\n&' }, { Key: 'b', VersionId: 'v' }] }
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket: 'bkt', Delete }))
    expect(deleted.Deleted).toEqual([{ Key: 'a\r\n&', DeleteMarker: true, DeleteMarkerVersionId: 'm' }])
    expect(deleted.Errors).toEqual([{ Key: 'b', VersionId: 'v', Code: 'AccessDenied', Message: 'Access Denied' }])
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: '"p"', ChecksumCRC32: checksum.value }] }
    const completed = await client.send(
      new CompleteMultipartUploadCommand({ Bucket: 'bkt', Key: 'a', UploadId: 'u', MultipartUpload }),
    )
    expect(completed).toMatchObject({
      Location: 'https://h/bkt/a',
      ETag: '"e-1"',
      ChecksumCRC32: checksum.value,
      ChecksumType: 'FULL_OBJECT',
    })
  })

  it('objects, attributes, settings', async () => {
    const client = clientOf(({ operation, headers }) => {
      if (operation === 'GetObjectAttributes') {
        const parts = {
          total: 1,
          parts: [{ number: 1, sizeBytes: 5, checksum: checksum.value }],
          truncated: false,
          nextMarker: 1,
        }
        const shown = { head: { etag: 'e-1', sizeBytes: 5, metadata: {}, checksum }, parts }
        return { body: formatAttributes(parseAttributesRequest(headers), shown) }
      }
      if (operation === 'GetBucketEncryption') {
        return {
          body: formatBucketEncryption({ algorithm: 'aws:kms', keyId: 'k', bucketKeyEnabled: true, blocksSseC: true }),
        }
      }
      if (operation === 'GetBucketLocation') return { body: formatLocation('eu-west-1') }
      const answered: Record<string, string> = {}
      const metadata = { contentType: 'text/plain', userMetadata: new Map([['one', '1']]) }
      addObjectHeaders(answered, { etag: 'e', lastModifiedMs: 5000, versionId: 'v', tagCount: 3, metadata })
      return { headers: answered, body: 'hello' }
    })
    const attributes = await client.send(
      new GetObjectAttributesCommand({
        Bucket: 'bkt',
        Key: 'a',
        ObjectAttributes: ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'],
      }),
    )
    expect(attributes).toMatchObject({
      ETag: 'e-1',
      ObjectSize: 5,
      StorageClass: 'STANDARD',
      Checksum: { ChecksumCRC32: checksum.value, ChecksumType: 'FULL_OBJECT' },
      ObjectParts: {
        TotalPartsCount: 1,
        IsTruncated: false,
        Parts: [{ PartNumber: 1, Size: 5, ChecksumCRC32: checksum.value }],
      },
    })
    const encryption = await client.send(new GetBucketEncryptionCommand({ Bucket: 'bkt' }))
    expect(encryption.ServerSideEncryptionConfiguration?.Rules).toEqual([
      {
        ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'k' },
        BucketKeyEnabled: true,
        BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] },
      },
    ])
    expect((await client.send(new GetBucketLocationCommand({ Bucket: 'bkt' }))).LocationConstraint).toBe('eu-west-1')
    const object = await client.send(new GetObjectCommand({ Bucket: 'bkt', Key: 'a' }))
    expect(object).toMatchObject({
      ETag: '"e"',
      LastModified: new Date(5000),
      VersionId: 'v',
      TagCount: 3,
      ContentType: 'text/plain',
      Metadata: { one: '1' },
    })
  })

  it('errors', async () => {
    const client = clientOf(() => {
      const response = describeError(new S3Error('NoSuchKey'))
      return { status: response.status, body: formatError(response, { requestId: 'R', hostId: 'H', name: 'a&b' }) }
    })
    const failed = client.send(new GetObjectCommand({ Bucket: 'bkt', Key: 'a&b' }))
    await expect(failed).rejects.toBeInstanceOf(S3ServiceException)
    await expect(failed).rejects.toMatchObject({
      name: 'NoSuchKey',
      message: 'The specified key does not exist.',
      Key: 'a&b',
    })
  })
})
