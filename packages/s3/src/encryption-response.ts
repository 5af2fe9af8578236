/**
 * Encryption headers of responses (server-side-encryption.md 1.3): the superset that AWS and Ceph clients read. Every write
 * answers them; GET and HEAD without the context; listings, attributes and deletes none.
 *
 * @module
 */

import { type Compatibility, sseHeaders } from './encryption-headers.ts'
import type { S3Operation } from './operation.ts'

/** How a stored object is encrypted; the same shape as the engine's. */
export type EncryptionInfo =
  | { readonly mode: 'none' }
  | { readonly mode: 'sse-s3' }
  | {
      readonly mode: 'sse-kms' | 'dsse-kms'
      readonly keyId: string
      /** base64 of the canonical JSON of the client's map. */
      readonly context?: string
      readonly bucketKeyEnabled: boolean
    }
  | { readonly mode: 'sse-c'; readonly customerKeyMd5: string }

const showsContext: ReadonlySet<S3Operation> = new Set<S3Operation>([
  'CopyObject',
  'CreateMultipartUpload',
  'PostObject',
  'PutObject',
])

/**
 * Adds the headers that describe `info` to `headers`.
 *
 * @param compatibility with `aws`, CompleteMultipartUpload says nothing about SSE-C (12 no. 26)
 */
export function addEncryptionHeaders(
  headers: Record<string, string>,
  operation: S3Operation,
  info: EncryptionInfo,
  compatibility: Compatibility = 'aws',
): void {
  switch (info.mode) {
    case 'none':
      return
    case 'sse-s3':
      headers[sseHeaders.sse] = 'AES256'
      return
    case 'sse-kms':
    case 'dsse-kms':
      headers[sseHeaders.sse] = info.mode === 'sse-kms' ? 'aws:kms' : 'aws:kms:dsse'
      headers[sseHeaders.keyId] = info.keyId
      if (info.context !== undefined && showsContext.has(operation)) headers[sseHeaders.context] = info.context
      if (info.bucketKeyEnabled) headers[sseHeaders.bucketKey] = 'true'
      return
    case 'sse-c':
      if (operation === 'CompleteMultipartUpload' && compatibility === 'aws') return
      headers[sseHeaders.customer.algorithm] = 'AES256'
      headers[sseHeaders.customer.md5] = info.customerKeyMd5
  }
}
