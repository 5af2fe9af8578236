/**
 * Whether a document arrived whole: `Content-MD5` or `x-amz-checksum-*` over a body that is in memory.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { checksumOf } from '@strongroom/crypto'
import { parseContentMd5, parseRequestChecksum, parseTrailerChecksum } from './checksum-headers.ts'
import type { RequestHeaders } from './encryption-headers.ts'
import { S3Error } from './s3-error.ts'

/**
 * Checks the digests that a request sends of its document.
 *
 * @param trailers trailing headers of an `aws-chunked` body
 * @param options `required`: DeleteObjects and its like must send one
 * @throws S3Error `BadDigest`, `InvalidDigest`, `InvalidRequest`
 */
export function checkDocumentDigest(
  body: Uint8Array,
  headers: RequestHeaders,
  trailers: ReadonlyMap<string, string>,
  options: { readonly required: boolean },
): void {
  const md5 = parseContentMd5(headers['content-md5'])
  const checksum = parseRequestChecksum(headers, [...trailers.keys()])
  if (md5 === undefined && checksum === undefined && options.required) {
    throw new S3Error('InvalidRequest', { message: 'Missing required header for this request: Content-MD5' })
  }
  if (md5 !== undefined && !timingSafeEqual(md5, checksumOf('MD5', body))) {
    throw new S3Error('BadDigest')
  }
  if (checksum === undefined) return
  const expected = checksum.value ?? parseTrailerChecksum(checksum.algorithm, trailers)
  if (!timingSafeEqual(expected, checksumOf(checksum.algorithm, body))) throw badChecksum(checksum.algorithm)
}

/** `BadDigest` of a checksum. */
export function badChecksum(algorithm: string): S3Error {
  return new S3Error('BadDigest', {
    message: `The ${algorithm} you specified did not match the calculated checksum.`,
  })
}
