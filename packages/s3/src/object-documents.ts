/**
 * Answers about single objects: copies, attributes, browser forms.
 *
 * @module
 */

import { encodeUriComponent, encodeUriPath } from '@strongroom/sigv4'
import { type ChecksumAlgorithm, checksumAlgorithms, type ObjectChecksum } from './checksum-headers.ts'
import type { RequestHeaders } from './encryption-headers.ts'
import { checksumElements } from './multipart-documents.ts'
import { parseInteger, parseLimit } from './query-parameters.ts'
import { invalidArgument } from './s3-error.ts'
import { element, plainXmlDocument, quoteEtag, wrap, xmlDocument, xmlTimestamp } from './xml-writer.ts'

/** The answer of CopyObject and UploadPartCopy. */
export function formatCopyResult(
  kind: 'CopyObjectResult' | 'CopyPartResult',
  copy: { readonly lastModifiedMs: number; readonly etag: string; readonly checksum?: ObjectChecksum },
): string {
  return xmlDocument(
    kind,
    element('LastModified', xmlTimestamp(copy.lastModifiedMs)) +
      element('ETag', quoteEtag(copy.etag)) +
      checksumElements(copy.checksum),
  )
}

const attributeNames = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const

export type ObjectAttributeName = (typeof attributeNames)[number]

export interface AttributesRequest {
  readonly attributes: ReadonlySet<ObjectAttributeName>
  readonly maxParts: number
  readonly partNumberMarker: number
}

/** @throws S3Error `InvalidArgument` */
export function parseAttributesRequest(headers: RequestHeaders): AttributesRequest {
  const header = headers['x-amz-object-attributes'] ?? ''
  const attributes = new Set<ObjectAttributeName>()
  for (const part of header.split(',', 50)) {
    const text = part.trim()
    if (text === '') continue
    const name = attributeNames.find((known) => known === text)
    if (name === undefined) {
      throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', text.slice(0, 64))
    }
    attributes.add(name)
  }
  if (attributes.size === 0) {
    const message =
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty'
    throw invalidArgument(message, 'x-amz-object-attributes')
  }
  return {
    attributes,
    maxParts: parseLimit(headers['x-amz-max-parts'], 'max-parts', 1000, 1000),
    partNumberMarker: parseInteger(headers['x-amz-part-number-marker'] ?? '0', 'part-number-marker'),
  }
}

/** The same shape as the engine's. */
export interface ShownAttributes {
  readonly head: {
    readonly etag: string
    readonly sizeBytes: number
    readonly metadata: { readonly storageClass?: string }
    readonly checksum?: ObjectChecksum
  }
  readonly parts?: {
    readonly total: number
    readonly parts: readonly { readonly number: number; readonly sizeBytes: number; readonly checksum?: string }[]
    readonly truncated: boolean
    readonly nextMarker: number
  }
}

/** The answer of GetObjectAttributes. */
export function formatAttributes(request: AttributesRequest, shown: ShownAttributes): string {
  const { attributes } = request
  const { head, parts } = shown
  let content = ''
  if (attributes.has('ETag')) content += element('ETag', head.etag)
  if (attributes.has('Checksum') && head.checksum !== undefined) {
    content += wrap('Checksum', checksumElements(head.checksum))
  }
  if (attributes.has('ObjectParts') && parts !== undefined) {
    content += formatParts(request, parts, head.checksum?.algorithm)
  }
  if (attributes.has('StorageClass')) content += element('StorageClass', head.metadata.storageClass ?? 'STANDARD')
  if (attributes.has('ObjectSize')) content += element('ObjectSize', head.sizeBytes)
  return xmlDocument('GetObjectAttributesResponse', content)
}

function formatParts(
  request: AttributesRequest,
  parts: NonNullable<ShownAttributes['parts']>,
  algorithm: ChecksumAlgorithm | undefined,
): string {
  let content =
    element('PartsCount', parts.total) +
    element('PartNumberMarker', request.partNumberMarker) +
    element('NextPartNumberMarker', parts.nextMarker) +
    element('MaxParts', request.maxParts) +
    element('IsTruncated', parts.truncated)
  for (const part of parts.parts) {
    const hasChecksum = algorithm !== undefined && part.checksum !== undefined
    const checksum = hasChecksum ? element(checksumAlgorithms[algorithm].element, part.checksum) : ''
    content += wrap('Part', element('PartNumber', part.number) + element('Size', part.sizeBytes) + checksum)
  }
  return wrap('ObjectParts', content)
}

/** `bucket/name` as a path, for `Location` and copy sources. */
export function objectPath(bucket: string, name: string): string {
  return `/${bucket}/${encodeUriPath(name)}`
}

/** The name of an object from a form: `${filename}` stands for the name of the file, without its directories. */
export function formObjectName(key: string, filename: string): string {
  return key.replace(/\$\{filename\}/g, () =>
    filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1),
  )
}

export interface PostSuccess {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/**
 * The answer of PostObject: a redirect (`success_action_redirect`), a document (`success_action_status` 201), or nothing
 * (200 or 204, the default).
 *
 * @param fields form fields by lower-case name
 */
export function formatPostSuccess(
  fields: ReadonlyMap<string, string>,
  written: { readonly location: string; readonly bucket: string; readonly name: string; readonly etag: string },
): PostSuccess {
  const { location, bucket, name, etag } = written
  const headers = { etag: quoteEtag(etag), location }
  const redirect = redirectTarget(fields.get('success_action_redirect') ?? fields.get('redirect'))
  if (redirect !== undefined) {
    const added = `bucket=${encodeUriComponent(bucket)}&key=${encodeUriComponent(name)}&etag=${encodeUriComponent(quoteEtag(etag))}`
    redirect.search = redirect.search === '' ? added : `${redirect.search}&${added}`
    return { status: 303, headers: { ...headers, location: redirect.href }, body: undefined }
  }
  const wanted = fields.get('success_action_status')
  if (wanted === '200') return { status: 200, headers, body: undefined }
  if (wanted !== '201') return { status: 204, headers, body: undefined }
  const content =
    element('Location', location) + element('Bucket', bucket) + element('Key', name) + element('ETag', quoteEtag(etag))
  return { status: 201, headers, body: plainXmlDocument('PostResponse', content) }
}

/** Only absolute HTTP addresses; AWS ignores the rest. */
function redirectTarget(text: string | undefined): URL | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
}
