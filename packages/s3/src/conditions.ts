/**
 * Conditional requests: `If-Match` and its kin on reads, writes and copy sources. RFC 9110 13.1, "Conditional requests" of
 * the S3 user guide.
 *
 * @module
 */

import type { RequestHeaders } from './encryption-headers.ts'
import { parseHttpDate } from './http-date.ts'
import { invalidArgument, notImplemented } from './s3-error.ts'

/** `'*'`, or entity tags without quotes. */
export type EtagCondition = '*' | readonly string[]

export interface WriteConditions {
  readonly ifMatch?: EtagCondition
  readonly ifNoneMatch?: EtagCondition
}

export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number
  readonly ifUnmodifiedSinceMs?: number
}

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
 * The conditions on the source of CopyObject and UploadPartCopy (`x-amz-copy-source-if-…`).
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseCopySourceConditions(headers: RequestHeaders): ReadConditions | undefined {
  return conditionsOf(headers, 'x-amz-copy-source-if-')
}

/**
 * The conditions of writes: `If-Match: "etag"` and `If-None-Match: *`, all that S3 has there.
 *
 * @throws S3Error `NotImplemented` for other forms, `InvalidArgument`
 */
export function parseWriteConditions(headers: RequestHeaders): WriteConditions | undefined {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  if (ifMatch !== undefined && ifNoneMatch !== undefined) throw notImplemented('Header', 'If-None-Match')
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') throw notImplemented('Header', 'If-None-Match')
    return { ifNoneMatch: '*' }
  }
  return { ifMatch: parseEtags(ifMatch ?? '', 'If-Match') }
}

/**
 * The condition of DeleteObject: `If-Match`.
 *
 * @throws S3Error `InvalidArgument`; `NotImplemented` for the conditions that only directory buckets have
 */
export function parseDeleteConditions(headers: RequestHeaders): Pick<WriteConditions, 'ifMatch'> | undefined {
  for (const name of ['x-amz-if-match-last-modified-time', 'x-amz-if-match-size']) {
    if (headers[name] !== undefined) throw notImplemented('Header', name)
  }
  const ifMatch = headers['if-match']
  return ifMatch === undefined ? undefined : { ifMatch: parseEtags(ifMatch, 'If-Match') }
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
