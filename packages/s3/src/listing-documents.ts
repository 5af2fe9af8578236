/**
 * The answers of the listing operations. The path of ListObjects is hot (150,000 entries a CPU second and more): each entry is
 * one concatenation.
 *
 * @module
 */

import { encodeUriPath } from '@strongroom/sigv4'
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumAlgorithms,
  type ObjectChecksum,
} from './checksum-headers.ts'
import {
  encodeContinuationToken,
  encodeMarker,
  type ListBucketsParameters,
  type ListingParameters,
  type ListObjectsParameters,
  type ListObjectsV2Parameters,
  type ListPartsParameters,
  type ListUploadsParameters,
  type ListVersionsParameters,
} from './listing-parameters.ts'
import { formatOwner, OwnerWriter } from './owner.ts'
import { element, escapeXml, quoteEtag, wrap, xmlDocument, xmlTimestamp } from './xml-writer.ts'

/** The same shapes as the engine's. */
export interface ObjectSummary {
  readonly name: string
  readonly etag: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  readonly storageClass: string
  readonly checksum?: ObjectChecksum
  readonly ownerAccountId: string
}

export interface VersionSummary extends ObjectSummary {
  readonly versionId: string
  readonly isLatest: boolean
  readonly deleteMarker: boolean
}

export interface UploadSummary {
  readonly uploadId: string
  readonly name: string
  readonly initiatedAtMs: number
  readonly storageClass: string
  readonly ownerAccountId: string
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
}

export interface PartSummary {
  readonly number: number
  readonly etag: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  readonly checksum?: ObjectChecksum
}

export type Listed<T> =
  | { readonly kind: 'item'; readonly item: T }
  | { readonly kind: 'prefix'; readonly prefix: string }

export interface ListedPage<T> {
  readonly items: readonly Listed<T>[]
  readonly truncated: boolean
  /** Where a page goes on that ended before it was full. */
  readonly next?: { readonly after: string; readonly isWithinPrefix: boolean }
}

type NameWriter = (name: string) => string

function nameWriter(parameters: ListingParameters): NameWriter {
  return parameters.encodesNames ? encodeUriPath : escapeXml
}

function optionalName(element: string, name: string | undefined, write: NameWriter): string {
  return name === undefined ? '' : `<${element}>${write(name)}</${element}>`
}

/** Many neighbours were written in the same second. */
class SecondClock {
  #second = Number.NaN
  #text = ''

  format(timeMs: number): string {
    const second = Math.floor(timeMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#text = xmlTimestamp(timeMs)
    }
    return this.#text
  }
}

function checksumKind(
  checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined,
): string {
  if (checksum === undefined) return ''
  return `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`
}

interface Entries {
  readonly items: string
  readonly prefixes: string
}

function writeEntries<T>(page: ListedPage<T>, writeName: NameWriter, writeItem: (item: T) => string): Entries {
  let items = ''
  let prefixes = ''
  for (const listed of page.items) {
    if (listed.kind === 'item') items += writeItem(listed.item)
    else prefixes += `<CommonPrefixes><Prefix>${writeName(listed.prefix)}</Prefix></CommonPrefixes>`
  }
  return { items, prefixes }
}

function objectWriter(writeName: NameWriter, showsOwner: boolean): (item: ObjectSummary) => string {
  const clock = new SecondClock()
  const owners = new OwnerWriter()
  return (item) =>
    `<Contents><Key>${writeName(item.name)}</Key><LastModified>${clock.format(item.lastModifiedMs)}</LastModified>` +
    `<ETag>&quot;${escapeXml(item.etag)}&quot;</ETag>${checksumKind(item.checksum)}<Size>${item.sizeBytes}</Size>` +
    `${showsOwner ? owners.format(item.ownerAccountId) : ''}<StorageClass>${escapeXml(item.storageClass)}</StorageClass></Contents>`
}

function lastEntry(page: ListedPage<{ readonly name: string }>): string | undefined {
  const last = page.items[page.items.length - 1]
  if (!page.truncated || last === undefined) return undefined
  return last.kind === 'item' ? last.item.name : last.prefix
}

function encodingType(parameters: ListingParameters): string {
  return parameters.encodesNames ? '<EncodingType>url</EncodingType>' : ''
}

/** The answer of ListObjects (V1). */
export function formatListObjects(
  bucket: string,
  parameters: ListObjectsParameters,
  page: ListedPage<ObjectSummary>,
): string {
  const write = nameWriter(parameters)
  const { items, prefixes } = writeEntries(page, write, objectWriter(write, true))
  const last = page.next === undefined ? lastEntry(page) : encodeMarker(page.next.after, page.next.isWithinPrefix)
  // Without a delimiter the last key is the marker to go on with, and AWS leaves this element out.
  const next = page.next === undefined && parameters.delimiter === undefined ? undefined : last
  return xmlDocument(
    'ListBucketResult',
    element('Name', bucket) +
      optionalName('Prefix', parameters.prefix, write) +
      optionalName('Marker', parameters.marker ?? '', write) +
      optionalName('NextMarker', next, write) +
      element('MaxKeys', parameters.limit) +
      optionalName('Delimiter', parameters.delimiter, write) +
      encodingType(parameters) +
      element('IsTruncated', page.truncated) +
      items +
      prefixes,
  )
}

/** The answer of ListObjectsV2. */
export function formatListObjectsV2(
  bucket: string,
  parameters: ListObjectsV2Parameters,
  page: ListedPage<ObjectSummary>,
): string {
  const write = nameWriter(parameters)
  const { items, prefixes } = writeEntries(page, write, objectWriter(write, parameters.showsOwner))
  const next = page.next?.after ?? lastEntry(page)
  const token = next === undefined ? undefined : encodeContinuationToken(next, page.next?.isWithinPrefix)
  return xmlDocument(
    'ListBucketResult',
    element('Name', bucket) +
      optionalName('Prefix', parameters.prefix, write) +
      optionalName('StartAfter', parameters.startAfter, write) +
      element('ContinuationToken', parameters.continuationToken) +
      element('NextContinuationToken', token) +
      element('KeyCount', page.items.length) +
      element('MaxKeys', parameters.limit) +
      optionalName('Delimiter', parameters.delimiter, write) +
      encodingType(parameters) +
      element('IsTruncated', page.truncated) +
      items +
      prefixes,
  )
}

function writeVersion(item: VersionSummary, write: NameWriter, clock: SecondClock, owners: OwnerWriter): string {
  const start =
    `<Key>${write(item.name)}</Key><VersionId>${escapeXml(item.versionId)}</VersionId>` +
    `<IsLatest>${item.isLatest}</IsLatest><LastModified>${clock.format(item.lastModifiedMs)}</LastModified>`
  const owner = owners.format(item.ownerAccountId)
  if (item.deleteMarker) return `<DeleteMarker>${start}${owner}</DeleteMarker>`
  return (
    `<Version>${start}<ETag>&quot;${escapeXml(item.etag)}&quot;</ETag>${checksumKind(item.checksum)}` +
    `<Size>${item.sizeBytes}</Size><StorageClass>${escapeXml(item.storageClass)}</StorageClass>${owner}</Version>`
  )
}

/** The answer of ListObjectVersions. */
export function formatListVersions(
  bucket: string,
  parameters: ListVersionsParameters,
  page: ListedPage<VersionSummary>,
): string {
  const write = nameWriter(parameters)
  const clock = new SecondClock()
  const owners = new OwnerWriter()
  const { items, prefixes } = writeEntries(page, write, (item: VersionSummary) =>
    writeVersion(item, write, clock, owners),
  )
  const last = page.items[page.items.length - 1]
  const nextVersion = page.truncated && last?.kind === 'item' ? last.item.versionId : undefined
  return xmlDocument(
    'ListVersionsResult',
    element('Name', bucket) +
      optionalName('Prefix', parameters.prefix, write) +
      optionalName('KeyMarker', parameters.keyMarker ?? '', write) +
      element('VersionIdMarker', parameters.versionIdMarker ?? '') +
      optionalName('NextKeyMarker', lastEntry(page), write) +
      element('NextVersionIdMarker', nextVersion) +
      element('MaxKeys', parameters.limit) +
      optionalName('Delimiter', parameters.delimiter, write) +
      encodingType(parameters) +
      element('IsTruncated', page.truncated) +
      items +
      prefixes,
  )
}

/** The answer of ListMultipartUploads. */
export function formatListUploads(
  bucket: string,
  parameters: ListUploadsParameters,
  page: ListedPage<UploadSummary>,
): string {
  const write = nameWriter(parameters)
  const { items, prefixes } = writeEntries(page, write, (item: UploadSummary) =>
    wrap(
      'Upload',
      `<Key>${write(item.name)}</Key>${element('UploadId', item.uploadId)}` +
        formatOwner(item.ownerAccountId, 'Initiator') +
        formatOwner(item.ownerAccountId) +
        element('StorageClass', item.storageClass) +
        element('Initiated', xmlTimestamp(item.initiatedAtMs)) +
        checksumKind(item.checksum),
    ),
  )
  const last = page.items[page.items.length - 1]
  const nextUpload = page.truncated && last?.kind === 'item' ? last.item.uploadId : undefined
  return xmlDocument(
    'ListMultipartUploadsResult',
    element('Bucket', bucket) +
      optionalName('KeyMarker', parameters.keyMarker ?? '', write) +
      element('UploadIdMarker', parameters.uploadIdMarker ?? '') +
      optionalName('NextKeyMarker', lastEntry(page), write) +
      element('NextUploadIdMarker', nextUpload) +
      optionalName('Prefix', parameters.prefix, write) +
      optionalName('Delimiter', parameters.delimiter, write) +
      element('MaxUploads', parameters.limit) +
      encodingType(parameters) +
      element('IsTruncated', page.truncated) +
      items +
      prefixes,
  )
}

/** The answer of ListParts. */
export function formatListParts(
  bucket: string,
  parameters: ListPartsParameters,
  listed: { readonly upload: UploadSummary; readonly parts: readonly PartSummary[]; readonly truncated: boolean },
): string {
  const { upload, parts, truncated } = listed
  const next = truncated ? parts[parts.length - 1]?.number : undefined
  let items = ''
  for (const part of parts) {
    const checksum = part.checksum
    items += wrap(
      'Part',
      element('PartNumber', part.number) +
        element('LastModified', xmlTimestamp(part.lastModifiedMs)) +
        element('ETag', quoteEtag(part.etag)) +
        element('Size', part.sizeBytes) +
        (checksum === undefined ? '' : element(checksumAlgorithms[checksum.algorithm].element, checksum.value)),
    )
  }
  return xmlDocument(
    'ListPartsResult',
    element('Bucket', bucket) +
      element('Key', upload.name) +
      element('UploadId', upload.uploadId) +
      formatOwner(upload.ownerAccountId, 'Initiator') +
      formatOwner(upload.ownerAccountId) +
      element('StorageClass', upload.storageClass) +
      element('PartNumberMarker', parameters.after) +
      element('NextPartNumberMarker', next) +
      element('MaxParts', parameters.limit) +
      element('IsTruncated', truncated) +
      checksumKind(upload.checksum) +
      items,
  )
}

/** The answer of ListBuckets. */
export function formatListBuckets(
  accountId: string,
  parameters: ListBucketsParameters,
  listed: {
    readonly buckets: readonly { readonly name: string; readonly createdAtMs: number }[]
    readonly truncated: boolean
  },
  region: string,
): string {
  let buckets = ''
  for (const bucket of listed.buckets) {
    const shownRegion = parameters.isPaged ? element('BucketRegion', region) : ''
    const created = element('CreationDate', xmlTimestamp(bucket.createdAtMs))
    buckets += wrap('Bucket', element('Name', bucket.name) + created + shownRegion)
  }
  const last = listed.buckets[listed.buckets.length - 1]
  const next = listed.truncated && last !== undefined ? encodeContinuationToken(last.name) : undefined
  return xmlDocument(
    'ListAllMyBucketsResult',
    formatOwner(accountId) +
      wrap('Buckets', buckets) +
      element('ContinuationToken', next) +
      element('Prefix', parameters.prefix),
  )
}
