/**
 * Encryption headers: what a request asks for, in the order and with the errors of server-side-encryption.md 1.5 (AWS
 * column, rows 1 to 13, 24, 30 and 38).
 *
 * Header errors name `x-amz-server-side-encryption` as their argument whatever header is at fault, as on AWS: so no error can
 * show a customer's key.
 *
 * @module
 */

import { hash } from 'node:crypto'
import { parseContext } from '@strongroom/crypto'
import { invalidArgument, S3Error } from './s3-error.ts'

/** Lower-case names. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

/** A client's SSE-C key: 32 bytes, owned by the caller, who zeroes it; and the MD5 header as sent, verified. */
export interface CustomerKey {
  readonly key: Uint8Array
  readonly md5: string
}

/** What a write asks for; the same shape as the engine's. */
export type EncryptionRequest =
  | { readonly mode: 'default'; readonly bucketKeyEnabled?: boolean }
  | { readonly mode: 'sse-s3' }
  | {
      readonly mode: 'sse-kms'
      readonly keyId?: string
      readonly context?: ReadonlyMap<string, string>
      readonly bucketKeyEnabled?: boolean
    }
  /** Two layers. There are no bucket keys for it. */
  | { readonly mode: 'dsse-kms'; readonly keyId?: string; readonly context?: ReadonlyMap<string, string> }
  | { readonly mode: 'sse-c'; readonly customerKey: CustomerKey }

/** How the request came. */
export interface RequestTransport {
  /** The client side was TLS. */
  readonly secure: boolean
  /** Signed with Signature Version 4 (in the header, the query or a form), not anonymous. */
  readonly signed: boolean
}

/** Which differences between AWS and Ceph count (server-side-encryption.md 12, rows 22 to 27). */
export type Compatibility = 'aws' | 'ceph'

/** Header names, lower case. */
export const sseHeaders = {
  sse: 'x-amz-server-side-encryption',
  keyId: 'x-amz-server-side-encryption-aws-kms-key-id',
  context: 'x-amz-server-side-encryption-context',
  bucketKey: 'x-amz-server-side-encryption-bucket-key-enabled',
  customer: {
    algorithm: 'x-amz-server-side-encryption-customer-algorithm',
    key: 'x-amz-server-side-encryption-customer-key',
    md5: 'x-amz-server-side-encryption-customer-key-md5',
  },
  copySource: {
    algorithm: 'x-amz-copy-source-server-side-encryption-customer-algorithm',
    key: 'x-amz-copy-source-server-side-encryption-customer-key',
    md5: 'x-amz-copy-source-server-side-encryption-customer-key-md5',
  },
} as const

type CustomerHeaders = typeof sseHeaders.customer | typeof sseHeaders.copySource

/** The argument name of every error here. */
const argumentName = sseHeaders.sse

function hasAny(headers: RequestHeaders, names: CustomerHeaders): boolean {
  return headers[names.algorithm] !== undefined || headers[names.key] !== undefined || headers[names.md5] !== undefined
}

/** Whether a request bears any SSE-C header for its own object: bucket-level blocking is judged before the key is. */
export function asksForCustomerKey(headers: RequestHeaders): boolean {
  return hasAny(headers, sseHeaders.customer)
}

/**
 * Row 1: customer keys travel over TLS only. To be checked on every route before anything else is read.
 *
 * @throws S3Error `InvalidRequest`
 */
export function checkCustomerKeyTransport(headers: RequestHeaders, secure: boolean): void {
  if (secure || (!hasAny(headers, sseHeaders.customer) && !hasAny(headers, sseHeaders.copySource))) return
  throw new S3Error('InvalidRequest', {
    message:
      'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    fields: { ArgumentName: argumentName },
  })
}

/**
 * Rows 2 and 3: SSE-KMS, in a request or of the object that is read, needs TLS and a signature.
 *
 * @throws S3Error `InvalidArgument`
 */
export function checkKmsTransport(transport: RequestTransport): void {
  if (!transport.secure) {
    const message =
      'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.'
    throw invalidArgument(message, argumentName, 'aws:kms')
  }
  if (!transport.signed) {
    const message =
      'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.'
    throw invalidArgument(message, 'Authorization')
  }
}

/**
 * The encryption that PutObject, CopyObject, CreateMultipartUpload and PostObject (with its form fields as `headers`) ask for.
 *
 * @throws S3Error rows 1 to 13, 24, 38; `InvalidArgument` for a bucket key with `aws:kms:dsse`
 */
export function parseEncryption(headers: RequestHeaders, transport: RequestTransport): EncryptionRequest {
  const sse = headers[sseHeaders.sse]
  const keyId = headers[sseHeaders.keyId]
  const context = headers[sseHeaders.context]
  checkCustomerKeyTransport(headers, transport.secure)
  if (hasAny(headers, sseHeaders.customer)) {
    if (sse !== undefined) throw incompatible(sse)
    if (keyId !== undefined || context !== undefined) throw needsKms()
    return { mode: 'sse-c', customerKey: readCustomerKey(headers, sseHeaders.customer) }
  }
  if (sse === undefined) {
    if (keyId !== undefined || context !== undefined) throw needsKms()
    return { mode: 'default', ...bucketKeyOf(headers) }
  }
  if (sse === 'AES256') {
    if (keyId !== undefined || context !== undefined) throw needsKms()
    return { mode: 'sse-s3' }
  }
  if (!isKmsMethod(sse)) {
    throw invalidArgument('The encryption method specified is not supported', argumentName, showable(sse))
  }
  checkKmsTransport(transport)
  const key = { ...keyIdOf(keyId), ...contextOf(context) }
  if (sse === 'aws:kms') return { mode: 'sse-kms', ...key, ...bucketKeyOf(headers) }
  if (bucketKeyOf(headers).bucketKeyEnabled === true) throw noBucketKey(sseHeaders.bucketKey)
  return { mode: 'dsse-kms', ...key }
}

/** Whether a method of server-side encryption, as headers and documents name it, is one with a key of the KMS. */
export function isKmsMethod(method: string | undefined): method is 'aws:kms' | 'aws:kms:dsse' {
  return method === 'aws:kms' || method === 'aws:kms:dsse'
}

/** The answer to a bucket key for two layers. */
export function noBucketKey(argument: string): S3Error {
  const message = 'S3 Bucket Keys are not supported for dual-layer server-side encryption (aws:kms:dsse).'
  return invalidArgument(message, argument)
}

/** Longest method or algorithm that is shown back. A key in base64 has 44 characters, in hex 64. */
const maxShownLength = 16

/**
 * A value of a header as an error may show it. Who mixes headers up puts a key where a word belongs: only what is as short
 * and as plain as the words that are allowed is shown.
 */
function showable(value: string): string | undefined {
  return value.length <= maxShownLength && /^[A-Za-z0-9:_-]*$/.test(value) ? value : undefined
}

/**
 * The customer key of GetObject, HeadObject, GetObjectAttributes, UploadPart, UploadPartCopy, CompleteMultipartUpload and
 * ListParts, if any.
 *
 * @throws S3Error rows 1, 8 to 13
 */
export function parseCustomerKey(headers: RequestHeaders, secure: boolean): CustomerKey | undefined {
  return parseKey(headers, secure, sseHeaders.customer)
}

/**
 * The customer key of a copy source, if any.
 *
 * @throws S3Error rows 1, 8 to 13
 */
export function parseCopySourceKey(headers: RequestHeaders, secure: boolean): CustomerKey | undefined {
  return parseKey(headers, secure, sseHeaders.copySource)
}

function parseKey(headers: RequestHeaders, secure: boolean, names: CustomerHeaders): CustomerKey | undefined {
  if (!hasAny(headers, names)) return undefined
  checkCustomerKeyTransport(headers, secure)
  return readCustomerKey(headers, names)
}

/**
 * Row 30 and 1.2: operations that take no encryption of their own refuse the headers for it.
 *
 * GetObject, HeadObject and GetObjectAttributes always; UploadPart and UploadPartCopy unless `compatibility` is `ceph`
 * (12 no. 27). CompleteMultipartUpload lets them pass: `mc` sends them.
 *
 * @throws S3Error `InvalidArgument`
 */
export function refuseEncryptionHeaders(headers: RequestHeaders): void {
  for (const name of [sseHeaders.sse, sseHeaders.keyId, sseHeaders.context]) {
    const value = headers[name]
    if (value === undefined) continue
    throw invalidArgument(`${name} header is not supported for this operation.`, name, showable(value))
  }
}

function readCustomerKey(headers: RequestHeaders, names: CustomerHeaders): CustomerKey {
  const algorithm = headers[names.algorithm]
  const encoded = headers[names.key]
  const md5 = headers[names.md5]
  if (algorithm === undefined) throw customerKeyError('must provide a valid encryption algorithm.')
  if (algorithm !== 'AES256') {
    const shown = showable(algorithm)
    const value = shown === undefined ? undefined : { ArgumentValue: shown }
    throw new S3Error('InvalidEncryptionAlgorithmError', { fields: { ArgumentName: argumentName, ...value } })
  }
  if (encoded === undefined) throw customerKeyError('must provide an appropriate secret key.')
  if (md5 === undefined) throw customerKeyError('must provide the client calculated MD5 of the secret key.')
  if (!/^[A-Za-z0-9+/]{43}=$/.test(encoded)) {
    throw invalidArgument('The secret key was invalid for the specified algorithm.', argumentName)
  }
  // A buffer of its own, so that zeroing it leaves nothing behind in a shared pool.
  const key = new Uint8Array(32)
  Buffer.from(key.buffer).write(encoded, 'base64')
  if (hash('md5', key, 'base64') !== md5) {
    key.fill(0)
    throw invalidArgument('The calculated MD5 hash of the key did not match the hash that was provided.', argumentName)
  }
  return { key, md5 }
}

function customerKeyError(rest: string): S3Error {
  return invalidArgument(`Requests specifying Server Side Encryption with Customer provided keys ${rest}`, argumentName)
}

function incompatible(sse: string): S3Error {
  const message =
    'Server Side Encryption with Customer provided key is incompatible with the encryption method specified'
  return invalidArgument(message, argumentName, showable(sse))
}

function needsKms(): S3Error {
  const message =
    'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms'
  return invalidArgument(message, argumentName)
}

function keyIdOf(keyId: string | undefined): { readonly keyId?: string } {
  // An empty one means the deployment's default key, as with MinIO.
  if (keyId === undefined || keyId === '') return {}
  if (keyId !== keyId.trim()) throw new S3Error('KMS.NotFoundException', { message: `Invalid keyId '${keyId}'` })
  return { keyId }
}

function contextOf(header: string | undefined): { readonly context?: ReadonlyMap<string, string> } {
  if (header === undefined) return {}
  try {
    const context = parseContext(header)
    return context.size === 0 ? {} : { context }
  } catch (cause) {
    throw new S3Error('InvalidArgument', {
      message:
        "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
      fields: { ArgumentName: sseHeaders.context },
      cause,
    })
  }
}

function bucketKeyOf(headers: RequestHeaders): { readonly bucketKeyEnabled?: boolean } {
  const value = headers[sseHeaders.bucketKey]
  if (value === undefined) return {}
  const lower = value.toLowerCase()
  if (lower !== 'true' && lower !== 'false') {
    throw invalidArgument(`${sseHeaders.bucketKey} must be true or false.`, sseHeaders.bucketKey, showable(value))
  }
  return { bucketKeyEnabled: lower === 'true' }
}
