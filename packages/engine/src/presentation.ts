/**
 * How records look to clients: entity tags and encryption, as the contract has them.
 *
 * @module
 */

import type { EncryptionInfo } from './contract.ts'
import type { Envelope } from './envelope-record.ts'
import { formatId } from './ids.ts'
import type { EtagValue } from './object-record.ts'

/** The entity tag without quotes; that of a multipart object ends with the number of its parts. */
export function formatEtag(etag: EtagValue): string {
  const digest = formatId(etag.digest)
  return etag.partCount === 0 ? digest : `${digest}-${etag.partCount}`
}

/** How something is encrypted. @param context canonical JSON of the client's encryption context */
export function encryptionInfoOf(envelope: Envelope, context: Uint8Array | undefined): EncryptionInfo {
  switch (envelope.mode) {
    case 'none':
    case 'sse-s3':
      return { mode: envelope.mode }
    case 'sse-c':
      return { mode: 'sse-c', customerKeyMd5: Buffer.from(envelope.keyMd5).toString('base64') }
    default:
      return {
        mode: envelope.mode,
        keyId: envelope.shownKeyId,
        bucketKeyEnabled: envelope.bucketKey,
        ...(context ? { context: Buffer.from(context).toString('base64') } : undefined),
      }
  }
}
