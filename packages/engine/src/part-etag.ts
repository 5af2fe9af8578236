/**
 * The entity tag of a part (server-side-encryption.md 3.8): its MD5 where S3 promises that; otherwise random, as nothing then
 * has to be computed from the content. Ceph's clients count on a part that is sent again unchanged keeping its tag: for them
 * it is a MAC of the MD5 under a key that only this upload has, which tells nobody anything about the content.
 *
 * @module
 */

import { hmacSha256 } from '@strongroom/crypto'
import type { EngineContext } from './context.ts'
import type { FoundUpload } from './upload-access.ts'

const etagSizeBytes = 16
const domain = 'strongroom part entity tag\0'

/** Whether entity tags are MD5 digests. */
export function hasMd5Etags({ record }: FoundUpload): boolean {
  return record.envelope.mode === 'none' || record.envelope.mode === 'sse-s3'
}

/** Whether the MD5 of a part's content has to be computed. */
export function needsPartMd5({ settings }: EngineContext, upload: FoundUpload): boolean {
  return hasMd5Etags(upload) || settings.compatibility === 'ceph'
}

/** @param tableKey the upload's, stays the caller's */
export function partEtag(
  context: EngineContext,
  upload: FoundUpload,
  tableKey: Uint8Array,
  md5: Uint8Array | undefined,
): Uint8Array {
  if (md5 !== undefined && hasMd5Etags(upload)) return md5
  if (md5 === undefined || context.settings.compatibility !== 'ceph') return context.random(etagSizeBytes)
  return hmacSha256(tableKey, domain, md5).subarray(0, etagSizeBytes)
}
