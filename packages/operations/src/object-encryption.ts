/**
 * Encryption as requests ask for it and as answers show it: what the operations on objects share.
 *
 * @module
 */

import { type Bucket, type CustomerKey, type EncryptionInfo, type EncryptionRequest, isKeyId } from '@strongroom/engine'
import {
  addEncryptionHeaders,
  asksForCustomerKey,
  checkKmsTransport,
  isKmsMethod,
  parseEncryption,
  type RequestHeaders,
  refuseEncryptionHeaders,
} from '@strongroom/s3'
import type { BucketCall, Call, Context } from './call.ts'
import type { RequestLog, S3Request } from './request.ts'
import { s3Error } from './s3-error.ts'

/** What a write of an object asks for, with the bucket's and the connection's say in it. */
export interface WriteEncryptionSource {
  readonly context: Context
  readonly request: Pick<S3Request, 'secure'>
  readonly bucket: Bucket
  /** Or the fields of a form. */
  readonly headers: RequestHeaders
}

/**
 * The encryption that a new object is asked to have. Blocking by the bucket is judged before the customer's key is looked at.
 *
 * @throws S3Error, EngineError rows 1 to 13, 24, 38, 39
 */
export function writeEncryption({ context, request, bucket, headers }: WriteEncryptionSource): EncryptionRequest {
  if (bucket.encryption?.blocksSseC === true && asksForCustomerKey(headers)) throw s3Error('AccessDenied')
  const transport = { secure: request.secure, signed: true }
  const encryption = parseEncryption(headers, transport)
  if (encryption.mode === 'default') {
    const algorithm = bucket.encryption?.algorithm
    const isKms = algorithm === undefined ? context.defaultEncryption === 'sse-kms' : isKmsMethod(algorithm)
    // Row 2 counts for what the bucket's rule makes of the request, too.
    if (isKms) checkKmsTransport(transport)
  }
  return encryption
}

/** Runs `use` and zeroes the customer keys afterwards, whatever happens. */
export async function withCustomerKeys<T>(
  keys: readonly (CustomerKey | EncryptionRequest | undefined)[],
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use()
  } finally {
    for (const key of keys) {
      if (key === undefined) continue
      if ('key' in key) key.key.fill(0)
      else if (key.mode === 'sse-c') key.customerKey.key.fill(0)
    }
  }
}

/** Adds the headers that describe how an object is encrypted, and notes it for the log. */
export function showEncryption(call: Call, headers: Record<string, string>, encryption: EncryptionInfo): void {
  addEncryptionHeaders(headers, call.operation, encryption, call.context.compatibility)
  logEncryption(call.log, encryption)
}

/** The key's id is as the client wrote it: what is not one may be a secret that was put into the wrong header. */
export function logEncryption(log: RequestLog, encryption: EncryptionInfo): void {
  log.encryptionMode = encryption.mode
  if ('keyId' in encryption && isKeyId(encryption.keyId)) log.keyId = encryption.keyId
}

/**
 * Row 2 for reading: an object under SSE-KMS is not read over plain HTTP. Costs a look at its record, and that only on
 * connections without TLS.
 */
export async function checkReadTransport(
  call: Call,
  source: { readonly bucket: Bucket; readonly name: string; readonly versionId?: string },
): Promise<void> {
  if (call.request.secure) return
  const { head } = await call.context.engine.headObject({ requester: call.requester, ...source })
  if ('keyId' in head.encryption) checkKmsTransport({ secure: false, signed: true })
}

/**
 * Parts have no encryption of their own; Ceph's clients name it all the same (server-side-encryption.md 12 no. 27). A bucket that
 * blocks SSE-C takes no parts under a client's key, either, whenever their upload began.
 *
 * @throws S3Error `InvalidArgument`; `AccessDenied` (row 39), before the key is looked at
 */
export function refusePartEncryption(call: BucketCall): void {
  if (call.bucket.encryption?.blocksSseC === true && asksForCustomerKey(call.headers)) throw s3Error('AccessDenied')
  if (call.context.compatibility === 'aws') refuseEncryptionHeaders(call.headers)
}
