/**
 * Conditional requests: `If-Match` and its kin on reads, writes and copy sources. RFC 9110 13.1, "Conditional requests" of
 * the S3 user guide.
 *
 * @module
 */

import type { Compatibility, RequestHeaders } from './encryption-headers.ts'
import { parseHttpDate } from './http-date.ts'
import { invalidArgument, notImplemented } from './s3-error.ts'

/** `'*'`, or entity tags without quotes. */
export type EtagCondition = '*' | readonly string[]

export interface WriteConditions {
  readonly ifMatch?: EtagCondition
  readonly ifNoneMatch?: EtagCondition
}

/** All of those present must hold. Times are compared in whole seconds, as S3 shows them. */
export interface DeleteConditions extends Pick<WriteConditions, 'ifMatch'> {
  readonly ifLastModifiedMs?: number
  readonly ifSizeBytes?: number
}

export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number
  readonly ifUnmodifiedSinceMs?: number
}

/** What must be the same for a range to be sent instead of the whole object. */
export type RangeValidator = { readonly etag: string } | { readonly lastModifiedMs: number }

const maxTags = 100

/**
 * The conditions of GetObject, HeadObject and GetObjectAttributes; a date that is none is ignored (RFC 9110 13.1.3).
 *
 * @throws S3Error `InvalidArgument` for an impossible list of entity tags
 */
export function parseReadConditions(headers: RequestHeaders): ReadConditions | undefined {
  return conditionsOf(headers, 'if-')
}

/**
 * `If-Range` (RFC 9110 13.1.5), which counts only beside `Range`. Entity tags are compared strongly: a weak one, or what is
 * neither a tag nor a date, equals none, and the whole object is answered.
 */
export function parseIfRange(headers: RequestHeaders): RangeValidator | undefined {
  const text = headers.range === undefined ? undefined : headers['if-range']?.trim()
  if (text === undefined) return undefined
  const lastModifiedMs = parseHttpDate(text)
  if (lastModifiedMs !== undefined) return { lastModifiedMs }
  return { etag: text.startsWith('W/') ? text : bareEtag(text) }
}

/**
 * The conditions on the source of CopyObject and UploadPartCopy (`x-amz-copy-source-if-…`).
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseCopySourceConditions(headers: RequestHeaders): ReadConditions | undefined {
  return conditionsOf(headers, 'x-amz-copy-source-if-')
}

/**
 * The conditions of writes: `If-Match` and `If-None-Match`. Amazon S3 takes of the latter only `*`; in the dialect of Ceph entity
 * tags mean what RFC 9110 13.1.2 says.
 *
 * @throws S3Error `NotImplemented` for both at once and for a tag that the dialect does not take, `InvalidArgument`
 */
export function parseWriteConditions(
  headers: RequestHeaders,
  compatibility: Compatibility = 'aws',
): WriteConditions | undefined {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  if (ifMatch !== undefined && ifNoneMatch !== undefined) throw notImplemented('Header', 'If-None-Match')
  if (ifNoneMatch !== undefined) {
    const tags = parseEtags(ifNoneMatch, 'If-None-Match')
    if (tags !== '*' && compatibility === 'aws') throw notImplemented('Header', 'If-None-Match')
    return { ifNoneMatch: tags }
  }
  return { ifMatch: parseEtags(ifMatch ?? '', 'If-Match') }
}

/** The conditions of DeleteObject and of an entry of DeleteObjects, as they are written there; `names` are theirs. */
export interface DeleteConditionTexts {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  readonly size: string | undefined
  readonly names: { readonly etag: string; readonly lastModified: string; readonly size: string }
}

const deleteHeaders = {
  etag: 'If-Match',
  lastModified: 'x-amz-if-match-last-modified-time',
  size: 'x-amz-if-match-size',
} as const

/**
 * The conditions of DeleteObject: `If-Match`, and in the dialect of Ceph the two that Amazon S3 has for directory buckets only.
 *
 * @throws S3Error `NotImplemented` for one that the dialect does not have, `InvalidArgument`
 */
export function parseDeleteConditions(
  headers: RequestHeaders,
  compatibility: Compatibility = 'aws',
): DeleteConditions | undefined {
  const etag = headers['if-match']
  const lastModified = headers[deleteHeaders.lastModified]
  const size = headers[deleteHeaders.size]
  return readDeleteConditions({ etag, lastModified, size, names: deleteHeaders }, compatibility)
}

/**
 * A condition is never ignored.
 *
 * @throws S3Error `NotImplemented` for one that the dialect does not have; `InvalidArgument` for what is no entity tag, no time
 * or no size
 */
export function readDeleteConditions(
  texts: DeleteConditionTexts,
  compatibility: Compatibility,
): DeleteConditions | undefined {
  const { etag, lastModified, size, names } = texts
  if (etag === undefined && lastModified === undefined && size === undefined) return undefined
  if (compatibility === 'aws') {
    if (lastModified !== undefined) throw notImplemented('Header', names.lastModified)
    if (size !== undefined) throw notImplemented('Header', names.size)
  }
  return {
    ...(etag === undefined ? {} : { ifMatch: parseEtags(etag, names.etag) }),
    ...(lastModified === undefined ? {} : { ifLastModifiedMs: requiredTime(lastModified.trim(), names.lastModified) }),
    ...(size === undefined ? {} : { ifSizeBytes: requiredSize(size.trim(), names.size) }),
  }
}

const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})$/

function requiredTime(text: string, name: string): number {
  const timeMs = parseHttpDate(text) ?? (text.length <= 40 && isoTime.test(text) ? Date.parse(text) : Number.NaN)
  if (Number.isNaN(timeMs)) throw invalidArgument('The time is not valid.', name, text.slice(0, 64))
  return timeMs
}

function requiredSize(text: string, name: string): number {
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw invalidArgument('The size is not valid.', name, text.slice(0, 64))
  return size
}

function conditionsOf(headers: RequestHeaders, prefix: 'if-' | 'x-amz-copy-source-if-'): ReadConditions | undefined {
  const ifMatch = headers[`${prefix}match`]
  const ifNoneMatch = headers[`${prefix}none-match`]
  const modified = headers[`${prefix}modified-since`]
  const unmodified = headers[`${prefix}unmodified-since`]
  if (ifMatch === undefined && ifNoneMatch === undefined && modified === undefined && unmodified === undefined) {
    return undefined
  }
  const ifModifiedSinceMs = modified === undefined ? undefined : parseHttpDate(modified.trim())
  const ifUnmodifiedSinceMs = unmodified === undefined ? undefined : parseHttpDate(unmodified.trim())
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseEtags(ifMatch, `${prefix}match`) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: parseEtags(ifNoneMatch, `${prefix}none-match`) }),
    ...(ifModifiedSinceMs === undefined ? {} : { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs === undefined ? {} : { ifUnmodifiedSinceMs }),
  }
}

/**
 * Reads `*`, or tags separated by commas: quoted, weak (`W/"…"`) or, as many clients send them, bare.
 *
 * @throws S3Error `InvalidArgument` for nothing at all or more than 100 tags
 */
export function parseEtags(text: string, headerName: string): EtagCondition {
  const trimmed = text.trim()
  if (trimmed === '*') return '*'
  const tags: string[] = []
  // No entity tag of ours holds a comma, so a plain split finds all that could match.
  for (const part of trimmed.split(',', maxTags + 1)) {
    const tag = bareEtag(part)
    if (tag !== '') tags.push(tag)
  }
  if (tags.length === 0 || tags.length > maxTags) {
    throw invalidArgument(`The ${headerName} header is not a list of entity tags.`, headerName, trimmed.slice(0, 128))
  }
  return tags
}

/** An entity tag without quotes and weakness mark. */
export function bareEtag(text: string): string {
  let tag = text.trim()
  if (tag.startsWith('W/')) tag = tag.slice(2)
  return tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"') ? tag.slice(1, -1) : tag
}
