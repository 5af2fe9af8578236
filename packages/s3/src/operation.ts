/**
 * Which S3 operation a request is: a table of level, sub-resource and method. What AWS has and this server has not is
 * `NotImplemented`, so that nothing is ever taken for something else.
 *
 * @module
 */

import type { RequestTarget } from './request-target.ts'
import { invalidArgument, notImplemented, S3Error } from './s3-error.ts'

export type S3Operation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CopyObject'
  | 'CreateBucket'
  | 'CreateMultipartUpload'
  | 'DeleteBucket'
  | 'DeleteBucketEncryption'
  | 'DeleteBucketOwnershipControls'
  | 'DeleteBucketTagging'
  | 'DeleteObject'
  | 'DeleteObjectTagging'
  | 'DeleteObjects'
  | 'DeletePublicAccessBlock'
  | 'GetBucketAcl'
  | 'GetBucketEncryption'
  | 'GetBucketLocation'
  | 'GetBucketOwnershipControls'
  | 'GetBucketTagging'
  | 'GetBucketVersioning'
  | 'GetObject'
  | 'GetObjectAcl'
  | 'GetObjectAttributes'
  | 'GetObjectLegalHold'
  | 'GetObjectLockConfiguration'
  | 'GetObjectRetention'
  | 'GetObjectTagging'
  | 'GetPublicAccessBlock'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListBuckets'
  | 'ListMultipartUploads'
  | 'ListObjectVersions'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'ListParts'
  | 'PostObject'
  | 'PutBucketAcl'
  | 'PutBucketEncryption'
  | 'PutBucketOwnershipControls'
  | 'PutBucketTagging'
  | 'PutBucketVersioning'
  | 'PutObject'
  | 'PutObjectAcl'
  | 'PutObjectLegalHold'
  | 'PutObjectLockConfiguration'
  | 'PutObjectRetention'
  | 'PutObjectTagging'
  | 'PutPublicAccessBlock'
  | 'UploadPart'
  | 'UploadPartCopy'

type Methods = Readonly<Partial<Record<'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE', S3Operation>>>
type Routes = ReadonlyMap<string, Methods>

const plainRoutes: Readonly<Record<RequestTarget['level'], Methods>> = {
  service: { GET: 'ListBuckets' },
  bucket: { GET: 'ListObjects', HEAD: 'HeadBucket', PUT: 'CreateBucket', DELETE: 'DeleteBucket', POST: 'PostObject' },
  object: { GET: 'GetObject', HEAD: 'HeadObject', PUT: 'PutObject', DELETE: 'DeleteObject' },
}

const bucketRoutes: Routes = new Map<string, Methods>([
  ['acl', { GET: 'GetBucketAcl', PUT: 'PutBucketAcl' }],
  ['delete', { POST: 'DeleteObjects' }],
  ['encryption', { GET: 'GetBucketEncryption', PUT: 'PutBucketEncryption', DELETE: 'DeleteBucketEncryption' }],
  ['location', { GET: 'GetBucketLocation' }],
  ['object-lock', { GET: 'GetObjectLockConfiguration', PUT: 'PutObjectLockConfiguration' }],
  [
    'ownershipControls',
    {
      GET: 'GetBucketOwnershipControls',
      PUT: 'PutBucketOwnershipControls',
      DELETE: 'DeleteBucketOwnershipControls',
    },
  ],
  [
    'publicAccessBlock',
    { GET: 'GetPublicAccessBlock', PUT: 'PutPublicAccessBlock', DELETE: 'DeletePublicAccessBlock' },
  ],
  ['tagging', { GET: 'GetBucketTagging', PUT: 'PutBucketTagging', DELETE: 'DeleteBucketTagging' }],
  ['uploads', { GET: 'ListMultipartUploads' }],
  ['versioning', { GET: 'GetBucketVersioning', PUT: 'PutBucketVersioning' }],
  ['versions', { GET: 'ListObjectVersions' }],
])

const objectRoutes: Routes = new Map<string, Methods>([
  ['acl', { GET: 'GetObjectAcl', PUT: 'PutObjectAcl' }],
  ['attributes', { GET: 'GetObjectAttributes' }],
  ['legal-hold', { GET: 'GetObjectLegalHold', PUT: 'PutObjectLegalHold' }],
  ['retention', { GET: 'GetObjectRetention', PUT: 'PutObjectRetention' }],
  ['tagging', { GET: 'GetObjectTagging', PUT: 'PutObjectTagging', DELETE: 'DeleteObjectTagging' }],
  [
    'uploadId',
    { GET: 'ListParts', PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' },
  ],
  ['uploads', { POST: 'CreateMultipartUpload' }],
])

const noRoutes: Routes = new Map()
const routes: Readonly<Record<RequestTarget['level'], Routes>> = {
  service: noRoutes,
  bucket: bucketRoutes,
  object: objectRoutes,
}

/** Sub-resources that AWS has and we have not, on any level. */
const unsupported: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'analytics',
  'annotation',
  'cors',
  'intelligent-tiering',
  'inventory',
  'lifecycle',
  'logging',
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'metrics',
  'notification',
  'policy',
  'policyStatus',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'select',
  'session',
  'torrent',
  'website',
  'x-minio-extract',
])

/** Sub-resources of one level that stand for nothing on another: `?encryption` of an object is UpdateObjectEncryption. */
const elsewhere: ReadonlySet<string> = new Set([...bucketRoutes.keys(), ...objectRoutes.keys()])

const takesNoVersion: ReadonlySet<S3Operation> = new Set<S3Operation>([
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'PutObject',
  'UploadPart',
  'UploadPartCopy',
])

export interface OperationRequest {
  readonly method: string
  readonly target: RequestTarget
  readonly query: ReadonlyMap<string, string>
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * Finds the operation. Unknown query parameters mean nothing, as on AWS.
 *
 * @throws S3Error `NotImplemented`, `MethodNotAllowed`, `InvalidArgument` (contradictory query), `AccessForbidden` (OPTIONS)
 */
export function resolveOperation(request: OperationRequest): S3Operation {
  const { method, target, query, headers } = request
  // A preflight request: no bucket has rules for other origins.
  if (method === 'OPTIONS') throw new S3Error('AccessForbidden')
  const subresource = query.size === 0 ? undefined : findSubresource(target.level, query)
  const methods = subresource === undefined ? plainRoutes[target.level] : routes[target.level].get(subresource)
  const found = methods !== undefined && isMethod(method) ? methods[method] : undefined
  if (found === undefined) throw notAllowed(method, target, subresource)
  const operation = refine(found, query, headers)
  if (takesNoVersion.has(operation) && query.has('versionId')) {
    const value = query.get('versionId')
    throw invalidArgument('This operation does not accept a version-id.', 'versionId', value)
  }
  return operation
}

function findSubresource(level: RequestTarget['level'], query: ReadonlyMap<string, string>): string | undefined {
  let found: string | undefined
  for (const name of query.keys()) {
    if (unsupported.has(name)) throw notImplemented('Query', name)
    if (!elsewhere.has(name)) continue
    if (!routes[level].has(name)) {
      // `uploadId` and `attributes` are plain parameters on other levels; the rest would be other operations.
      if (level === 'object') throw notImplemented('Query', name)
      continue
    }
    if (found !== undefined) {
      throw invalidArgument(`Conflicting query string parameters: ${found}, ${name}`, 'ResourceType', found)
    }
    found = name
  }
  return found
}

function isMethod(method: string): method is keyof Methods {
  return method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'POST' || method === 'DELETE'
}

function refine(
  operation: S3Operation,
  query: ReadonlyMap<string, string>,
  headers: Readonly<Record<string, string | undefined>>,
): S3Operation {
  const isCopy = headers['x-amz-copy-source'] !== undefined
  switch (operation) {
    case 'ListObjects':
      return query.get('list-type') === '2' ? 'ListObjectsV2' : operation
    case 'UploadPart':
      if (!query.has('partNumber')) throw partNeeds('partNumber')
      return isCopy ? 'UploadPartCopy' : operation
    case 'PutObject':
      if (query.has('partNumber')) throw partNeeds('uploadId')
      if (headers['x-amz-write-offset-bytes'] !== undefined) throw notImplemented('Header', 'x-amz-write-offset-bytes')
      return isCopy ? 'CopyObject' : operation
    default:
      return operation
  }
}

function partNeeds(parameter: string): S3Error {
  return invalidArgument(`This operation requires the query parameter ${parameter}.`, parameter)
}

const resourceTypes = { service: 'SERVICE', bucket: 'BUCKET', object: 'OBJECT' } as const

function notAllowed(method: string, target: RequestTarget, subresource: string | undefined): S3Error {
  const resourceType = subresource?.toUpperCase() ?? resourceTypes[target.level]
  return new S3Error('MethodNotAllowed', { fields: { Method: method, ResourceType: resourceType } })
}
