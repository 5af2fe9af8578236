/**
 * The URL of an object as its client would write it.
 *
 * @module
 */

import { encodeUriPath } from '@strongroom/sigv4'
import type { S3Request } from './request.ts'

/** The URL that a request was made to, without its query. */
export function requestLocation(request: S3Request): string {
  return `${request.secure ? 'https' : 'http'}://${request.headers.host ?? ''}${request.rawPath}`
}

/** The URL of an object in the bucket that a request was made to, path style or virtual-host style as the request. */
export function objectLocation(request: S3Request, name: string): string {
  const base = requestLocation(request)
  return `${base.endsWith('/') ? base.slice(0, -1) : base}/${encodeUriPath(name)}`
}
