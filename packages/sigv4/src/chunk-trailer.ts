/**
 * What follows the last chunk of an `aws-chunked` body: trailing headers and, in a signed body, their signature.
 *
 * @module
 */

import { canonicalHeaderValue } from './canonical-request.ts'
import type { ChunkSignatureChain } from './chunk-signature.ts'
import { SigV4Error } from './sigv4-error.ts'

const trailerSignature = 'x-amz-trailer-signature'

/**
 * Reads the section after the last chunk's header line.
 *
 * Lines end with CRLF; a bare LF and empty lines between are taken too (minio-go writes `name:value\n\r\n`).
 *
 * @param announced lower-case names from `x-amz-trailer`: these and no others must be there, once each
 * @param chain given when the trailer must be signed
 * @throws SigV4Error `IncompleteBody` (cut off), `MalformedTrailerError`, `SignatureDoesNotMatch`
 */
export function readTrailer(
  section: string,
  announced: readonly string[],
  chain: ChunkSignatureChain | undefined,
): Map<string, string> {
  if (section !== '\r\n' && !section.endsWith('\n\r\n')) throw incompleteBody()
  const trailers = new Map<string, string>()
  let signature: string | undefined
  let canonical = ''
  for (const line of section.split('\n')) {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text === '') continue
    const colon = text.indexOf(':')
    const name = text.slice(0, Math.max(colon, 0)).toLowerCase()
    const value = canonicalHeaderValue(text.slice(colon + 1))
    if (signature !== undefined) throw malformedTrailer()
    if (chain !== undefined && name === trailerSignature) {
      signature = value
      continue
    }
    if (!announced.includes(name) || trailers.has(name)) throw malformedTrailer()
    trailers.set(name, value)
    canonical += `${name}:${value}\n`
  }
  if (trailers.size !== announced.length) throw malformedTrailer()
  if (chain !== undefined) {
    if (signature === undefined) throw malformedTrailer()
    chain.verifyTrailer(canonical, signature)
  }
  return trailers
}

/** The body ended before, or went on after, the length that its headers gave. */
export function incompleteBody(): SigV4Error {
  return new SigV4Error(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  )
}

/** Trailing headers that are not well formed or not the announced ones. */
export function malformedTrailer(): SigV4Error {
  return new SigV4Error(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  )
}
