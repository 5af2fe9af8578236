/**
 * What the listing operations ask for: ListObjects V1 and V2, ListObjectVersions, ListMultipartUploads, ListParts,
 * ListBuckets.
 *
 * @module
 */

import { parseInteger, parseLimit } from './query-parameters.ts'
import { invalidArgument } from './s3-error.ts'

type Query = ReadonlyMap<string, string>

/** Most entries of one page. */
export const maxListed = 1000
const maxListedBuckets = 10_000

/** What all listings of names share. */
export interface ListingParameters {
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly limit: number
  /** `encoding-type=url`: names are percent-encoded in the answer. */
  readonly encodesNames: boolean
}

/** Where a listing of objects begins. */
interface ListingStart {
  /** The name in the marker or token, else `start-after`. */
  readonly after: string | undefined
  /** The page before ended within a common prefix, at `after`. */
  readonly isWithinPrefix: boolean
}

export interface ListObjectsParameters extends ListingParameters, ListingStart {
  /** As sent. */
  readonly marker: string | undefined
}

export interface ListObjectsV2Parameters extends ListingParameters, ListingStart {
  readonly startAfter: string | undefined
  /** As sent. */
  readonly continuationToken: string | undefined
  readonly showsOwner: boolean
}

export interface ListVersionsParameters extends ListingParameters {
  readonly keyMarker: string | undefined
  readonly versionIdMarker: string | undefined
}

export interface ListUploadsParameters extends ListingParameters {
  readonly keyMarker: string | undefined
  readonly uploadIdMarker: string | undefined
}

export interface ListPartsParameters {
  readonly after: number
  readonly limit: number
}

export interface ListBucketsParameters {
  readonly prefix: string | undefined
  readonly after: string | undefined
  readonly limit: number
  readonly region: string | undefined
  /** Whether any paging parameter was sent: regions are shown then. */
  readonly isPaged: boolean
}

function common(query: Query, limitName: string): ListingParameters {
  const encoding = query.get('encoding-type')
  if (encoding !== undefined && encoding !== '' && encoding !== 'url') {
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding.slice(0, 64))
  }
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: given(query, 'delimiter'),
    limit: parseLimit(query.get(limitName), limitName, maxListed, maxListed),
    encodesNames: encoding === 'url',
  }
}

/** An empty parameter counts as none. */
function given(query: Query, name: string): string | undefined {
  const value = query.get(name)
  return value === '' ? undefined : value
}

/** @throws S3Error `InvalidArgument` */
export function parseListObjects(query: Query): ListObjectsParameters {
  const shared = common(query, 'max-keys')
  const marker = given(query, 'marker')
  return { ...shared, marker, ...markedStart(marker, shared) }
}

/**
 * Behind a name within a common prefix this says that the page before ended there, without having shown the prefix: a marker
 * within a common prefix alone means that it was shown. No name is larger, so that it is in its place for other readers, too.
 */
const withinMark = '\u{10FFFF}'

/** The marker with which ListObjects goes on after this name, perhaps still within its common prefix. */
export function encodeMarker(after: string, isWithinPrefix = false): string {
  return isWithinPrefix ? after + withinMark : after
}

function markedStart(marker: string | undefined, { prefix, delimiter }: ListingParameters): ListingStart {
  const name = marker?.endsWith(withinMark) ? marker.slice(0, -withinMark.length) : ''
  // A name may end so, too, and be the marker of a plain page: but then it is no name within a common prefix.
  const isWithinPrefix = delimiter !== undefined && name.startsWith(prefix) && name.includes(delimiter, prefix.length)
  return { after: isWithinPrefix ? name : marker, isWithinPrefix }
}

/** @throws S3Error `InvalidArgument` */
export function parseListObjectsV2(query: Query): ListObjectsV2Parameters {
  const startAfter = given(query, 'start-after')
  const continuationToken = query.get('continuation-token')
  const continued = continuationToken === undefined ? undefined : decodeContinuationToken(continuationToken)
  return {
    ...common(query, 'max-keys'),
    startAfter,
    continuationToken,
    after: continued?.after ?? startAfter,
    isWithinPrefix: continued?.isWithinPrefix ?? false,
    showsOwner: query.get('fetch-owner') === 'true',
  }
}

/** @throws S3Error `InvalidArgument` */
export function parseListVersions(query: Query): ListVersionsParameters {
  const keyMarker = given(query, 'key-marker')
  const versionIdMarker = given(query, 'version-id-marker')
  if (versionIdMarker !== undefined && keyMarker === undefined) {
    const message = 'A version-id marker cannot be specified without a key marker.'
    throw invalidArgument(message, 'version-id-marker', versionIdMarker.slice(0, 128))
  }
  return { ...common(query, 'max-keys'), keyMarker, versionIdMarker }
}

/** @throws S3Error `InvalidArgument` */
export function parseListUploads(query: Query): ListUploadsParameters {
  const keyMarker = given(query, 'key-marker')
  // Without a key marker the upload id marker means nothing, as documented.
  const uploadIdMarker = keyMarker === undefined ? undefined : given(query, 'upload-id-marker')
  return { ...common(query, 'max-uploads'), keyMarker, uploadIdMarker }
}

/** @throws S3Error `InvalidArgument` */
export function parseListParts(query: Query): ListPartsParameters {
  return {
    after: parseInteger(given(query, 'part-number-marker') ?? '0', 'part-number-marker'),
    limit: parseLimit(query.get('max-parts'), 'max-parts', maxListed, maxListed),
  }
}

/** @throws S3Error `InvalidArgument` */
export function parseListBuckets(query: Query): ListBucketsParameters {
  const text = query.get('max-buckets')
  const limit = text === undefined ? maxListedBuckets : parseInteger(text, 'max-buckets')
  if (limit < 1 || limit > maxListedBuckets) {
    throw invalidArgument(
      `Argument max-buckets must be an integer between 1 and ${maxListedBuckets}`,
      'max-buckets',
      text,
    )
  }
  const token = query.get('continuation-token')
  const prefix = given(query, 'prefix')
  const region = given(query, 'bucket-region')
  return {
    prefix,
    after: token === undefined ? undefined : decodeContinuationToken(token).after,
    limit,
    region,
    isPaged: text !== undefined || token !== undefined || prefix !== undefined || region !== undefined,
  }
}

/** A token is one of these and a name. */
const tokenPrefixes = { after: '1/', within: '2/' } as const

/** An opaque token that says where a listing goes on: after this name, perhaps still within its common prefix. */
export function encodeContinuationToken(after: string, isWithinPrefix = false): string {
  return Buffer.from((isWithinPrefix ? tokenPrefixes.within : tokenPrefixes.after) + after, 'utf8').toString(
    'base64url',
  )
}

/** @throws S3Error `InvalidArgument` */
export function decodeContinuationToken(token: string): { readonly after: string; readonly isWithinPrefix: boolean } {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  const isWithinPrefix = text.startsWith(tokenPrefixes.within)
  const after = text.slice(tokenPrefixes.after.length)
  const isOurs = isWithinPrefix || text.startsWith(tokenPrefixes.after)
  if (!isOurs || encodeContinuationToken(after, isWithinPrefix) !== token) {
    throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token.slice(0, 2048))
  }
  return { after, isWithinPrefix }
}
