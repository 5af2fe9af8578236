/**
 * `x-amz-copy-source` and the directives of CopyObject.
 *
 * @module
 */

import { decodeUriText } from '@strongroom/sigv4'
import type { RequestHeaders } from './encryption-headers.ts'
import { checkName, isBucketName } from './request-target.ts'
import { invalidArgument, notImplemented, S3Error } from './s3-error.ts'

/** Where a copy comes from. */
export interface CopySourceReference {
  readonly bucket: string
  readonly name: string
  readonly versionId?: string
}

const header = 'x-amz-copy-source'

/**
 * Reads `bucket/name`, with or without a leading `/`, percent-encoded, and an optional `?versionId=`.
 *
 * @throws S3Error `InvalidArgument`, `InvalidBucketName`, `KeyTooLongError`; `NotImplemented` for access point ARNs
 */
export function parseCopySource(value: string): CopySourceReference {
  const question = value.indexOf('?')
  const path = decode(question < 0 ? value : value.slice(0, question))
  if (path.startsWith('arn:')) throw notImplemented('Header', header)
  const start = path.startsWith('/') ? 1 : 0
  const slash = path.indexOf('/', start)
  const bucket = slash < 0 ? '' : path.slice(start, slash)
  const name = path.slice(slash + 1)
  if (bucket === '' || name === '') throw malformed(value)
  if (!isBucketName(bucket)) throw new S3Error('InvalidBucketName', { fields: { BucketName: bucket } })
  checkName(name)
  if (question < 0) return { bucket, name }
  const query = value.slice(question + 1)
  if (!query.startsWith('versionId=')) throw malformed(value)
  const versionId = decode(query.slice('versionId='.length))
  if (versionId === '') throw invalidArgument('Version id cannot be the empty string', 'versionId', '')
  return { bucket, name, versionId }
}

function decode(raw: string): string {
  try {
    return decodeUriText(raw, { plusIsSpace: false })
  } catch {
    throw malformed(raw)
  }
}

function malformed(value: string): S3Error {
  const message = 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey'
  return invalidArgument(message, header, value.slice(0, 1024))
}

export type Directive = 'COPY' | 'REPLACE'

/**
 * `x-amz-metadata-directive` or `x-amz-tagging-directive`; `COPY` when absent.
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseDirective(headers: RequestHeaders, kind: 'metadata' | 'tagging'): Directive {
  const name = `x-amz-${kind}-directive`
  const value = headers[name] ?? 'COPY'
  if (value === 'COPY' || value === 'REPLACE') return value
  throw invalidArgument(`Unknown ${kind} directive.`, name, value.slice(0, 64))
}
