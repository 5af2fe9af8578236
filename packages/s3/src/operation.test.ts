import { parseQuery } from '@strongroom/sigv4'
import { describe, expect, it } from 'vitest'
import { failure } from './failure.fixture.ts'
import { resolveOperation } from './operation.ts'
import { parseRequestTarget } from './request-target.ts'

function resolve(line: string, headers: Readonly<Record<string, string>> = {}) {
  const [method = '', target = ''] = line.split(' ')
  const [rawPath = '', rawQuery = ''] = target.split('?')
  return resolveOperation({
    method,
    target: parseRequestTarget(rawPath, undefined),
    query: parseQuery(rawQuery),
    headers,
  })
}

describe('resolveOperation', () => {
  it.each([
    ['GET /', 'ListBuckets'],
    ['GET /?x-id=ListBuckets', 'ListBuckets'],
    ['PUT /bkt', 'CreateBucket'],
    ['HEAD /bkt', 'HeadBucket'],
    ['DELETE /bkt/', 'DeleteBucket'],
    ['POST /bkt', 'PostObject'],
    ['GET /bkt?prefix=a', 'ListObjects'],
    ['GET /bkt?list-type=2', 'ListObjectsV2'],
    ['GET /bkt?list-type=1', 'ListObjects'],
    ['GET /bkt?versions', 'ListObjectVersions'],
    ['GET /bkt?uploads', 'ListMultipartUploads'],
    ['GET /bkt?location', 'GetBucketLocation'],
    ['GET /bkt?versioning', 'GetBucketVersioning'],
    ['PUT /bkt?versioning', 'PutBucketVersioning'],
    ['GET /bkt?encryption', 'GetBucketEncryption'],
    ['PUT /bkt?encryption', 'PutBucketEncryption'],
    ['DELETE /bkt?encryption', 'DeleteBucketEncryption'],
    ['GET /bkt?tagging', 'GetBucketTagging'],
    ['PUT /bkt?tagging', 'PutBucketTagging'],
    ['DELETE /bkt?tagging', 'DeleteBucketTagging'],
    ['POST /bkt?delete', 'DeleteObjects'],
    ['GET /bkt?object-lock', 'GetObjectLockConfiguration'],
    ['PUT /bkt?object-lock', 'PutObjectLockConfiguration'],
    ['GET /bkt?ownershipControls', 'GetBucketOwnershipControls'],
    ['PUT /bkt?ownershipControls', 'PutBucketOwnershipControls'],
    ['DELETE /bkt?ownershipControls', 'DeleteBucketOwnershipControls'],
    ['GET /bkt?publicAccessBlock', 'GetPublicAccessBlock'],
    ['PUT /bkt?publicAccessBlock', 'PutPublicAccessBlock'],
    ['DELETE /bkt?publicAccessBlock', 'DeletePublicAccessBlock'],
    ['GET /bkt/a?retention&versionId=1', 'GetObjectRetention'],
    ['PUT /bkt/a?legal-hold', 'PutObjectLegalHold'],
    ['PUT /bkt/a', 'PutObject'],
    ['GET /bkt/a?versionId=1', 'GetObject'],
    ['GET /bkt/a?partNumber=1', 'GetObject'],
    ['HEAD /bkt/a', 'HeadObject'],
    ['DELETE /bkt/a', 'DeleteObject'],
    ['GET /bkt/a?attributes', 'GetObjectAttributes'],
    ['GET /bkt/a?tagging', 'GetObjectTagging'],
    ['PUT /bkt/a?tagging', 'PutObjectTagging'],
    ['DELETE /bkt/a?tagging', 'DeleteObjectTagging'],
    ['POST /bkt/a?uploads', 'CreateMultipartUpload'],
    ['PUT /bkt/a?partNumber=1&uploadId=x', 'UploadPart'],
    ['POST /bkt/a?uploadId=x', 'CompleteMultipartUpload'],
    ['DELETE /bkt/a?uploadId=x', 'AbortMultipartUpload'],
    ['GET /bkt/a?uploadId=x&max-parts=5', 'ListParts'],
    ['GET /bkt/a?unknown=1', 'GetObject'],
  ])('%s is %s', (line, operation) => {
    expect(resolve(line)).toBe(operation)
  })

  it('tells copies by their header', () => {
    const headers = { 'x-amz-copy-source': 'bkt/b' }
    expect(resolve('PUT /bkt/a', headers)).toBe('CopyObject')
    expect(resolve('PUT /bkt/a?partNumber=1&uploadId=x', headers)).toBe('UploadPartCopy')
  })

  const subresources = [
    'accelerate',
    'analytics',
    'cors',
    'intelligent-tiering',
    'inventory',
    'lifecycle',
    'logging',
    'metadataTable',
    'metrics',
    'notification',
    'policy',
    'policyStatus',
    'replication',
    'requestPayment',
    'session',
    'website',
  ]
  it.each(subresources)('does not take bucket requests with ?%s for anything else', (name) => {
    for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'HEAD']) {
      expect(failure(() => resolve(`${method} /bkt?${name}`)).code).toBe('NotImplemented')
    }
  })

  it.each(['restore', 'select', 'torrent', 'renameObject', 'encryption', 'versions', 'delete'])(
    'does not take object requests with ?%s for anything else',
    (name) => {
      for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'HEAD']) {
        expect(failure(() => resolve(`${method} /bkt/a?${name}`)).code).toBe('NotImplemented')
      }
    },
  )

  it('does not take an append for a write', () => {
    expect(failure(() => resolve('PUT /bkt/a', { 'x-amz-write-offset-bytes': '5' })).code).toBe('NotImplemented')
  })

  it.each([
    ['PATCH /bkt/a', 'PATCH', 'OBJECT'],
    ['POST /bkt/a', 'POST', 'OBJECT'],
    ['PUT /', 'PUT', 'SERVICE'],
    ['PATCH /bkt', 'PATCH', 'BUCKET'],
    ['DELETE /bkt?versioning', 'DELETE', 'VERSIONING'],
    ['GET /bkt/a?uploads', 'GET', 'UPLOADS'],
    ['constructor /bkt/a', 'constructor', 'OBJECT'],
  ])('%s is not allowed', (line, Method, ResourceType) => {
    expect(failure(() => resolve(line))).toMatchObject({ code: 'MethodNotAllowed', fields: { Method, ResourceType } })
  })

  it.each([
    'PUT /bkt/a?uploadId=x',
    'PUT /bkt/a?partNumber=1',
    'PUT /bkt?versioning&tagging',
    'PUT /bkt/a?versionId=1',
  ])('%s is contradictory', (line) => {
    expect(failure(() => resolve(line)).code).toBe('InvalidArgument')
  })

  it('answers preflight requests as a bucket without rules does', () => {
    expect(failure(() => resolve('OPTIONS /bkt/a')).code).toBe('AccessForbidden')
  })
})
