/**
 * Pieces of the model without a state: which bytes a read means, what answers show, how answers differ.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Answer, Requests } from './requests.ts'
import { type BucketState, type Encryption, md5Hex, type Version } from './state.ts'

/** An entity tag or id that the server is free to choose. */
export const opaque = '(opaque)'

/** A copy answers some refusals of its source otherwise than a GET does. */
export const asCopyCode = (code: string): string =>
  ({ NotModified: 'PreconditionFailed', MethodNotAllowed: 'InvalidRequest' })[code] ?? code

/** Whether a copy onto itself changes nothing, which is refused. */
export function changesNothing(request: Requests['copy'], bucket: BucketState, from: Version, to: Encryption): boolean {
  const { source, mode, meta, tag } = request
  const isItself = source.bucket === request.bucket && source.name === request.name && source.versionId === undefined
  if (!isItself || meta !== undefined || tag !== undefined || mode.mode !== 'default' || bucket.rule) return false
  return from.encryption.mode === to.mode && from.encryption.key === to.key
}

/** The bytes that a read means, or the code with which it is refused. */
export function spanOf(version: Version, { range, part }: Requests['get']) {
  const size = version.content.length
  if (part !== undefined) {
    if (!version.parts) return part === 1 ? { offset: 0, length: size, isPartial: size > 0 } : 'InvalidPartNumber'
    let offset = 0
    for (const [number, length] of version.parts) {
      if (number === part) return { offset, length, isPartial: size > 0 }
      offset += length
    }
    return 'InvalidPartNumber'
  }
  if (range === undefined) return { offset: 0, length: size, isPartial: false }
  const first = 'suffix' in range ? Math.max(0, size - range.suffix) : range.first
  const last = 'suffix' in range ? size - 1 : Math.min(range.last ?? size - 1, size - 1)
  return first > last ? 'InvalidRange' : { offset: first, length: last - first + 1, isPartial: true }
}

/** A checksum as answers show it. */
export const checksumOf = (algorithm: 'CRC32' | 'SHA256', content: Buffer): string => {
  if (algorithm === 'SHA256') return `SHA256:${createHash('sha256').update(content).digest('base64')}`
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(content))
  return `CRC32:${value.toString('base64')}`
}

/** The id of a version, in a bucket that shows ids. */
export function idAnswer(
  { versioning }: BucketState,
  id: string,
  field: 'versionId' | 'sourceVersionId' = 'versionId',
): Answer {
  return versioning === 'unset' ? {} : { [field]: id }
}

/** The tag of a version. */
export const tagAnswer = ({ tag }: Version): Answer => (tag === undefined ? {} : { tag })

/** User metadata and tag of a request. */
export const detailsOf = ({ meta, tag }: { readonly meta?: string; readonly tag?: string }) =>
  withDefined({ meta, tag })

/** Without the fields that are undefined. */
export function withDefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** What an answer has otherwise. */
export function differences(expected: Answer, actual: Answer): string[] {
  const fields = new Set([...Object.keys(expected), ...Object.keys(actual)]) as Set<keyof Answer>
  return [...fields].flatMap((field) => {
    const [right, found] = [expected[field], actual[field]]
    if (right === opaque && typeof found === 'string' && found !== '' && found !== 'null') return []
    if (right instanceof Buffer && found instanceof Buffer && right.equals(found)) return []
    if (
      JSON.stringify(shown({ [field]: right })) === JSON.stringify(shown({ [field]: found })) &&
      !(right instanceof Buffer)
    ) {
      return []
    }
    return [
      `${field} is ${JSON.stringify(shown({ [field]: found }))}, right is ${JSON.stringify(shown({ [field]: right }))}`,
    ]
  })
}

/** For people: a content by its size and digest. */
export function shown(answer: object): object {
  return Object.fromEntries(
    Object.entries(answer).map(([field, value]) => [
      field,
      value instanceof Buffer ? `${value.length} bytes ${md5Hex(value)}` : value,
    ]),
  )
}
