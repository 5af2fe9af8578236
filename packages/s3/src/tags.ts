/**
 * Tags of objects and buckets: the limits of "Categorizing your storage using tags", the header and the XML document.
 *
 * @module
 */

import { parseQuery } from '@strongroom/sigv4'
import { malformedXml, S3Error } from './s3-error.ts'
import { childText, onlyChild, parseXml, requireRoot } from './xml-reader.ts'
import { element, wrap, xmlDocument } from './xml-writer.ts'

/** In the order sent. */
export type Tags = readonly { readonly key: string; readonly value: string }[]

/** Most tags of one thing. */
export const maxTags = { object: 10, bucket: 50 } as const

const maxKeyCharacters = 128
const maxValueCharacters = 256
// Letters, marks, digits, white space and `_.:/=+-@` of any language.
const allowed = /^[\p{L}\p{M}\p{Z}\p{N}_.:/=+\-@]*$/u

/**
 * `x-amz-tagging`: URL query form.
 *
 * @throws S3Error `InvalidArgument`, `InvalidTag`, `BadRequest` (too many)
 */
export function parseTaggingHeader(header: string | undefined): Tags | undefined {
  if (header === undefined) return undefined
  const tags: { key: string; value: string }[] = []
  for (const part of header.split('&', 100)) {
    if (part === '') continue
    for (const [key, value] of decodePair(part)) tags.push({ key, value })
  }
  if (new Set(tags.map((tag) => tag.key)).size !== tags.length) throw badHeader()
  checkTags(tags, 'object')
  return tags
}

function decodePair(part: string): Map<string, string> {
  try {
    return parseQuery(part)
  } catch (cause) {
    throw badHeader(cause)
  }
}

function badHeader(cause?: unknown): S3Error {
  const message =
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
  return new S3Error('InvalidArgument', { message, fields: { ArgumentName: 'x-amz-tagging' }, cause })
}

/**
 * The body of PutObjectTagging and PutBucketTagging, or the `tagging` field of a browser form.
 *
 * @throws S3Error `MalformedXML`, `InvalidTag`, `BadRequest` (too many)
 */
export function parseTagging(body: Uint8Array, kind: keyof typeof maxTags): Tags {
  const root = requireRoot(parseXml(body), 'Tagging')
  const set = onlyChild(root, 'TagSet')
  if (set === undefined) throw malformedXml()
  const tags: { key: string; value: string }[] = []
  for (const tag of set.children) {
    if (tag.name !== 'Tag') throw malformedXml()
    const key = childText(tag, 'Key')
    const value = childText(tag, 'Value')
    if (key === undefined || value === undefined) throw malformedXml()
    tags.push({ key, value })
  }
  checkTags(tags, kind)
  return tags
}

/** @throws S3Error `InvalidTag`, `BadRequest` (too many) */
export function checkTags(tags: Tags, kind: keyof typeof maxTags): void {
  if (tags.length > maxTags[kind]) {
    const what = kind === 'object' ? 'Object tags' : 'Bucket tag count'
    throw new S3Error('BadRequest', { message: `${what} cannot be greater than ${maxTags[kind]}` })
  }
  const seen = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || [...key].length > maxKeyCharacters || !allowed.test(key)) {
      throw invalidTag('The TagKey you have provided is invalid', { TagKey: key })
    }
    if ([...value].length > maxValueCharacters || !allowed.test(value)) {
      throw invalidTag('The TagValue you have provided is invalid', { TagKey: key, TagValue: value })
    }
    if (key.toLowerCase().startsWith('aws:')) {
      throw invalidTag('System tags cannot be added/updated by requester', { TagKey: key })
    }
    if (seen.has(key)) throw invalidTag('Cannot provide multiple Tags with the same key', { TagKey: key })
    seen.add(key)
  }
}

function invalidTag(message: string, fields: Readonly<Record<string, string>>): S3Error {
  return new S3Error('InvalidTag', { message, fields })
}

/** The answer of GetObjectTagging and GetBucketTagging. */
export function formatTagging(tags: Tags): string {
  const items = tags.map(({ key, value }) => wrap('Tag', element('Key', key) + element('Value', value)))
  return xmlDocument('Tagging', wrap('TagSet', items.join('')))
}
