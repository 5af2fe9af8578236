/**
 * Byte ranges of reads (lenient, as S3 is) and of copy sources (strict), and the part number that goes with them.
 *
 * @module
 */

import { invalidArgument, S3Error } from './s3-error.ts'

/** `bytes=first-last`, `bytes=first-`, or the last `suffixLength` bytes. */
export type RangeRequest = { readonly first: number; readonly last?: number } | { readonly suffixLength: number }

/** Largest part number of a multipart upload. */
export const maxPartNumber = 10_000

/**
 * The `Range` header of GetObject and HeadObject. What is not one well-formed byte range (several ranges, other units,
 * `last` before `first`) is ignored, as on AWS: the whole object is answered.
 */
export function parseRange(header: string | undefined): RangeRequest | undefined {
  if (header === undefined || header.length > 64) return undefined
  const match = /^bytes=[ \t]*(\d*)[ \t]*-[ \t]*(\d*)[ \t]*$/i.exec(header)
  if (match === null) return undefined
  const first = offsetOf(match[1])
  const last = offsetOf(match[2])
  if (first === undefined) return last === undefined ? undefined : { suffixLength: last }
  if (last === undefined) return { first }
  return last < first ? undefined : { first, last }
}

/** Numbers beyond 2^53 are as good as 2^53 - 1: no object is that large. */
function offsetOf(digits: string | undefined): number | undefined {
  return digits === undefined || digits === '' ? undefined : Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}

/**
 * `x-amz-copy-source-range`: `bytes=first-last`, both ends given.
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseCopySourceRange(
  header: string | undefined,
): { readonly first: number; readonly last: number } | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header)
  const first = Number(match?.[1])
  const last = Number(match?.[2])
  if (match === null || last < first) {
    const message =
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy'
    throw invalidArgument(message, 'x-amz-copy-source-range', header.slice(0, 128))
  }
  return { first, last }
}

/**
 * `partNumber` of a read or an upload: 1 to 10,000.
 *
 * @throws S3Error `InvalidArgument`
 */
export function parsePartNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= maxPartNumber) return number
  const message = 'Part number must be an integer between 1 and 10000, inclusive'
  throw invalidArgument(message, 'partNumber', text.slice(0, 64))
}

/**
 * A read asks for a range or for a part, not both.
 *
 * @throws S3Error `InvalidRequest`
 */
export function checkRangeAndPart(range: string | undefined, partNumber: string | undefined): void {
  if (range === undefined || partNumber === undefined) return
  throw new S3Error('InvalidRequest', { message: 'Cannot specify both Range header and partNumber query parameter' })
}

/** The value of `Content-Range` in a 206 response. */
export function formatContentRange(
  range: { readonly first: number; readonly last: number },
  sizeBytes: number,
): string {
  return `bytes ${range.first}-${range.last}/${sizeBytes}`
}
