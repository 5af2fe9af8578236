/**
 * The headers that describe an object: what a write keeps, and what a read answers.
 *
 * @module
 */

import type { RequestHeaders } from './encryption-headers.ts'
import { formatHttpDate } from './http-date.ts'
import { decodeMetadataValue, encodeMetadataValue } from './metadata-text.ts'
import { invalidArgument, notImplemented, S3Error } from './s3-error.ts'
import { quoteEtag } from './xml-writer.ts'

/** What is kept beside the content; the same shape as the engine's. */
export interface ObjectMetadata {
  readonly contentType?: string
  readonly cacheControl?: string
  readonly contentDisposition?: string
  readonly contentEncoding?: string
  readonly contentLanguage?: string
  readonly expires?: string
  readonly websiteRedirectLocation?: string
  /** `STANDARD` is absent. */
  readonly storageClass?: string
  /** Without the `x-amz-meta-` prefix, lower-case names. */
  readonly userMetadata: ReadonlyMap<string, string>
}

type TextField = Exclude<keyof ObjectMetadata, 'userMetadata'>

/** Kept and answered as they are. */
const standardHeaders: readonly (readonly [header: string, field: TextField])[] = [
  ['content-type', 'contentType'],
  ['cache-control', 'cacheControl'],
  ['content-disposition', 'contentDisposition'],
  ['content-encoding', 'contentEncoding'],
  ['content-language', 'contentLanguage'],
  ['expires', 'expires'],
  ['x-amz-website-redirect-location', 'websiteRedirectLocation'],
  ['x-amz-storage-class', 'storageClass'],
]

const userPrefix = 'x-amz-meta-'
// Names from a query or a form need not be what a response can carry (RFC 9110 5.6.2).
const headerName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const maxUserMetadataBytes = 2048
/** What S3 answers where no content type was given. */
export const defaultContentType = 'binary/octet-stream'

// Classes whose objects can be read at once; the archive classes would need RestoreObject.
const storageClasses: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
])

/**
 * The metadata of PutObject, CreateMultipartUpload, CopyObject with REPLACE, and PostObject.
 *
 * @throws S3Error `MetadataTooLarge`, `InvalidStorageClass`, `InvalidRedirectLocation`, `InvalidArgument` (control characters)
 */
export function parseObjectMetadata(headers: RequestHeaders): ObjectMetadata {
  const userMetadata = new Map<string, string>()
  let sizeBytes = 0
  for (const name in headers) {
    if (!name.startsWith(userPrefix)) continue
    const value = headers[name]
    if (value === undefined) continue
    if (!headerName.test(name)) throw invalidArgument('The name of a metadata entry is not a header name.', name)
    const text = decodeMetadataValue(value)
    sizeBytes += name.length - userPrefix.length + Buffer.byteLength(text, 'utf8')
    userMetadata.set(name.slice(userPrefix.length), text)
  }
  if (sizeBytes > maxUserMetadataBytes) {
    throw new S3Error('MetadataTooLarge', {
      fields: { Size: String(sizeBytes), MaxSizeAllowed: String(maxUserMetadataBytes) },
    })
  }
  const found: { -readonly [Field in TextField]?: string } = {}
  for (const [name, field] of standardHeaders) {
    const value = storedValue(name, headers[name])
    if (value !== undefined) found[field] = value
  }
  return { ...found, userMetadata }
}

function storedValue(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  checkHeaderText(name, value)
  switch (name) {
    case 'content-encoding':
      return withoutAwsChunked(value)
    case 'x-amz-storage-class':
      return parseStorageClass(value)
    case 'x-amz-website-redirect-location':
      if (/^(?:\/|https?:\/\/)/.test(value) && value.length <= 2048) return value
      throw new S3Error('InvalidRedirectLocation')
    default:
      return value === '' ? undefined : value
  }
}

/**
 * A storage class that is kept; `STANDARD` is `undefined`.
 *
 * @throws S3Error `InvalidStorageClass`
 */
export function parseStorageClass(value: string | undefined): string | undefined {
  if (value === undefined || value === 'STANDARD') return undefined
  if (!storageClasses.has(value)) {
    throw new S3Error('InvalidStorageClass', { fields: { StorageClassRequested: value.slice(0, 64) } })
  }
  return value
}

/** `aws-chunked` says how the request was sent, not how the object is encoded. */
function withoutAwsChunked(value: string): string | undefined {
  if (!value.includes('aws-chunked')) return value === '' ? undefined : value
  const codings = value.split(',').filter((coding) => coding.trim() !== 'aws-chunked')
  return codings.length === 0 ? undefined : codings.join(',').trim()
}

/**
 * Text that will stand in a response header must not be able to end it.
 *
 * @throws S3Error `InvalidArgument`
 */
export function checkHeaderText(name: string, value: string): void {
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index)
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f || unit > 0xff) {
      throw invalidArgument('Header value cannot be represented using ISO-8859-1.', name)
    }
  }
}

/** Fields of a browser form as headers: lower-case names, values as the bytes of their UTF-8. */
export function formFieldsAsHeaders(fields: ReadonlyMap<string, string>): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (const [name, value] of fields) headers[name.toLowerCase()] = Buffer.from(value, 'utf8').toString('latin1')
  return headers
}

/** What a read shows of an object. */
export interface ShownObject {
  readonly etag: string
  readonly lastModifiedMs: number
  readonly versionId?: string
  readonly metadata: ObjectMetadata
  readonly tagCount: number
}

/** Adds the headers of GetObject and HeadObject that describe the object; length, range and encryption are others'. */
export function addObjectHeaders(headers: Record<string, string>, object: ShownObject): void {
  const { metadata } = object
  headers['last-modified'] = formatHttpDate(object.lastModifiedMs)
  headers.etag = quoteEtag(object.etag)
  headers['accept-ranges'] = 'bytes'
  if (metadata.contentType === undefined) headers['content-type'] = defaultContentType
  for (const [name, field] of standardHeaders) {
    const value = metadata[field]
    if (value !== undefined) headers[name] = value
  }
  for (const [name, value] of metadata.userMetadata) headers[userPrefix + name] = encodeMetadataValue(value)
  if (object.versionId !== undefined) headers['x-amz-version-id'] = object.versionId
  if (object.tagCount > 0) headers['x-amz-tagging-count'] = String(object.tagCount)
}

const overrides = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const

/**
 * Applies `response-content-type` and its kin to the headers of GetObject and HeadObject.
 *
 * @throws S3Error `InvalidRequest` on anonymous requests, `InvalidArgument` (control characters)
 */
export function applyResponseOverrides(
  headers: Record<string, string>,
  query: ReadonlyMap<string, string>,
  options: { readonly signed: boolean },
): void {
  if (query.size === 0) return
  for (const name of overrides) {
    const value = query.get(`response-${name}`)
    if (value === undefined) continue
    if (!options.signed) {
      throw new S3Error('InvalidRequest', {
        message: 'Request specific response headers cannot be used for anonymous GET requests.',
      })
    }
    const bytes = Buffer.from(value, 'utf8').toString('latin1')
    checkHeaderText(`response-${name}`, bytes)
    headers[name] = bytes
  }
}

const acceptedAcls: ReadonlySet<string> = new Set(['private', 'bucket-owner-full-control'])
const knownAcls: ReadonlySet<string> = new Set([
  ...acceptedAcls,
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'log-delivery-write',
])

const publicAcls: ReadonlySet<string> = new Set(['public-read', 'public-read-write', 'authenticated-read'])

/** Whether a canned list gives rights to all of the world, or to all who have an account somewhere. */
export function isPublicAcl(acl: string): boolean {
  return publicAcls.has(acl)
}

/**
 * Access control by header: only what changes nothing is taken.
 *
 * @throws S3Error `NotImplemented`, `InvalidArgument`
 */
export function checkAclHeaders(headers: RequestHeaders): void {
  const acl = headers['x-amz-acl']
  if (acl !== undefined && !acceptedAcls.has(acl)) {
    throw knownAcls.has(acl)
      ? notImplemented('Header', 'x-amz-acl')
      : invalidArgument('The canned ACL is not valid.', 'x-amz-acl', acl.slice(0, 64))
  }
  for (const right of ['full-control', 'read', 'read-acp', 'write', 'write-acp']) {
    const name = `x-amz-grant-${right}`
    if (headers[name] !== undefined) throw notImplemented('Header', name)
  }
}

/**
 * Object lock by header: no bucket has it.
 *
 * @throws S3Error `InvalidRequest`
 */
export function checkObjectLockHeaders(headers: RequestHeaders): void {
  for (const name of ['mode', 'retain-until-date', 'legal-hold']) {
    if (headers[`x-amz-object-lock-${name}`] === undefined) continue
    throw new S3Error('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' })
  }
}

/**
 * `x-amz-expected-bucket-owner` and its copy-source twin.
 *
 * @throws S3Error `AccessDenied` when the bucket is another account's, `InvalidBucketOwnerAWSAccountID`
 */
export function checkExpectedOwner(expected: string | undefined, ownerAccountId: string): void {
  if (expected === undefined) return
  if (!/^\d{12}$/.test(expected)) {
    throw new S3Error('InvalidBucketOwnerAWSAccountID', { fields: { ExpectedBucketOwner: expected.slice(0, 64) } })
  }
  if (expected !== ownerAccountId) throw new S3Error('AccessDenied')
}
