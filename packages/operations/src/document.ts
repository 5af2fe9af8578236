/**
 * The XML documents that requests carry.
 *
 * @module
 */

import { checkDocumentDigest } from '@strongroom/s3'
import { documentBody } from './body.ts'
import type { Call } from './call.ts'

/** Documents whose operation does not need more. */
const usualBytes = 1024 * 1024

/** Lets other requests run: a document of megabytes is read in slices. */
export const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export interface ReadDocumentOptions {
  /** Default 1 MiB. */
  readonly limitBytes?: number
  /** The request must bear a `Content-MD5` or a checksum. Default false. */
  readonly requiresDigest?: boolean
}

/**
 * Reads the document of a request, bounded, and checks every digest that came with it.
 *
 * @throws S3Error, EngineError, SigV4Error
 */
export async function readDocument(call: Call, options: ReadDocumentOptions = {}): Promise<Uint8Array> {
  const { request, headers, payload } = call
  const source = { body: request.body, headers, payload }
  const { bytes, trailers } = await documentBody(source, options.limitBytes ?? usualBytes)
  checkDocumentDigest(bytes, headers, trailers, { required: options.requiresDigest ?? false })
  return bytes
}
