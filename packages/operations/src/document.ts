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
  /**
   * `required`: the request must bear a `Content-MD5` or a checksum. `none`: its checksums are those of something else.
   * Default `checked`: what it bears must be right.
   */
  readonly digest?: 'required' | 'checked' | 'none'
}

/**
 * Reads the document of a request, bounded, and checks every digest that came with it.
 *
 * @throws S3Error, EngineError, SigV4Error
 */
export async function readDocument(call: Call, options: ReadDocumentOptions = {}): Promise<Uint8Array> {
  return await withDocument(call, options, async (bytes) => bytes)
}

/**
 * As {@link readDocument}, for documents of megabytes: they count against the budget of all requests until `use` is done.
 *
 * @throws EngineError `SlowDown` if the budget is used up
 */
export async function withDocument<T>(
  call: Call,
  options: ReadDocumentOptions,
  use: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const { request, headers, payload } = call
  const { limitBytes = usualBytes, digest = 'checked' } = options
  const sizeBytes = Math.min(request.body.declaredLength ?? limitBytes, limitBytes)
  return await call.context.documents.spend(call.principal.accountId, sizeBytes, async () => {
    const source = { body: request.body, headers, payload }
    const { bytes, trailers } = await documentBody(source, limitBytes)
    if (digest !== 'none') checkDocumentDigest(bytes, headers, trailers, { required: digest === 'required' })
    return await use(bytes)
  })
}
