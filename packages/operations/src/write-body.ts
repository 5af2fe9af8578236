/**
 * The body of PutObject and UploadPart with what its headers and trailers say about it.
 *
 * @module
 */

import type { WriteBody } from '@strongroom/engine'
import { parseContentMd5, parseRequestChecksum, parseTrailerChecksum } from '@strongroom/s3'
import { parseTrailerNames } from '@strongroom/sigv4'
import { objectBody } from './body.ts'
import type { Call } from './call.ts'
import { s3Error } from './s3-error.ts'

/** Most bytes of one PUT or part. */
export const maxPutBytes = 5 * 1024 ** 3

/** @throws S3Error, EngineError, SigV4Error */
export async function writeBody(call: Call): Promise<WriteBody> {
  const { headers, payload } = call
  const hasTrailer = payload.mode.kind === 'aws-chunked' && payload.mode.hasTrailer
  const checksum = parseRequestChecksum(headers, hasTrailer ? parseTrailerNames(headers['x-amz-trailer']) : [])
  const contentMd5 = parseContentMd5(headers['content-md5'])
  const { sizeBytes, content, trailers } = await objectBody({ body: call.request.body, headers, payload })
  if (sizeBytes > maxPutBytes) {
    throw s3Error('EntityTooLarge', undefined, { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(maxPutBytes) })
  }
  return {
    sizeBytes,
    content,
    givesChunks: true,
    ...(contentMd5 === undefined ? {} : { contentMd5 }),
    ...(checksum === undefined
      ? {}
      : {
          checksum: {
            algorithm: checksum.algorithm,
            value: checksum.value ?? (() => parseTrailerChecksum(checksum.algorithm, trailers())),
          },
        }),
  }
}
