/**
 * How a new object is going to be encrypted: the request, else the bucket's rule, else the deployment's (spec 2.3, AWS
 * column), with the key that this means.
 *
 * @module
 */

import { formatContext } from '@strongroom/crypto'
import type { EngineContext } from './context.ts'
import type { Bucket, CustomerKey, EncryptionRequest, Requester } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { type KeyHandle, resolveKey } from './key-registry.ts'

/** A decision, with its key looked up and the requester's right to it checked. */
export type EncryptionPlan =
  | { readonly mode: 'none' }
  | { readonly mode: 'sse-c'; readonly customerKey: CustomerKey }
  | {
      readonly mode: 'sse-s3' | 'sse-kms' | 'dsse-kms'
      readonly key: KeyHandle
      readonly shownKeyId: string
      readonly bucketKey: boolean
      /** The client's encryption context; never empty. */
      readonly context?: ReadonlyMap<string, string>
    }

/** The key under which S3 itself binds the ARN (spec 4). */
const arnName = 'aws:s3:arn'

/**
 * Decides, and looks the key up.
 *
 * @throws EngineError `AccessDenied` where SSE-C is blocked, `KMS.NotFoundException`, `InvalidArgument` for a context that
 * claims another ARN, and for a bucket key with two layers
 */
export async function planEncryption(
  context: EngineContext,
  requester: Requester,
  bucket: Bucket,
  name: string,
  request: EncryptionRequest,
): Promise<EncryptionPlan> {
  const choice = request.mode === 'default' ? defaultChoice(context, bucket, request.bucketKeyEnabled) : request
  switch (choice.mode) {
    case 'none':
      return choice
    case 'sse-c':
      if (bucket.encryption?.blocksSseC) throw new EngineError('AccessDenied')
      return { mode: 'sse-c', customerKey: choice.customerKey }
    case 'sse-s3': {
      const shownKeyId = context.settings.defaultKey
      const key = await resolveKey(context, requester, shownKeyId)
      return { mode: 'sse-s3', key, shownKeyId, bucketKey: true }
    }
    default: {
      const { mode } = choice
      if (choice.keyId === undefined && context.settings.compatibility === 'ceph') {
        // Spec 12 no. 25: Ceph has no key to fall back to.
        throw new EngineError('InvalidArgument', { message: 'A KMS key id is required.' })
      }
      const shownKeyId = choice.keyId ?? context.settings.defaultKey
      // AWS has no bucket keys for two layers: what the bucket's rule says of them is about one layer only.
      const bucketKey = mode === 'sse-kms' && (choice.bucketKeyEnabled ?? bucket.encryption?.bucketKeyEnabled ?? false)
      const client = choice.context && choice.context.size > 0 ? choice.context : undefined
      checkContext(client, bucket, name)
      const key = await resolveKey(context, requester, shownKeyId)
      return { mode, key, shownKeyId, bucketKey, ...(client ? { context: client } : undefined) }
    }
  }
}

type Choice = Exclude<EncryptionRequest, { mode: 'default' }> | { readonly mode: 'none' }

function defaultChoice(context: EngineContext, bucket: Bucket, bucketKeyEnabled: boolean | undefined): Choice {
  const { encryption } = bucket
  const { defaultEncryption, defaultKey } = context.settings
  const asked = bucketKeyEnabled === undefined ? undefined : { bucketKeyEnabled }
  if (encryption === undefined) {
    return defaultEncryption === 'sse-kms'
      ? { mode: 'sse-kms', keyId: defaultKey, ...asked }
      : { mode: defaultEncryption }
  }
  if (encryption.algorithm === 'AES256') return { mode: 'sse-s3' }
  const keyId = encryption.keyId ?? defaultKey
  if (encryption.algorithm === 'aws:kms') return { mode: 'sse-kms', keyId, ...asked }
  if (bucketKeyEnabled) throw noBucketKey()
  return { mode: 'dsse-kms', keyId }
}

function noBucketKey(): EngineError {
  return new EngineError('InvalidArgument', {
    message: 'S3 Bucket Keys are not supported for dual-layer server-side encryption (aws:kms:dsse).',
    fields: { ArgumentName: 'x-amz-server-side-encryption-bucket-key-enabled' },
  })
}

function checkContext(client: ReadonlyMap<string, string> | undefined, bucket: Bucket, name: string): void {
  const claimed = client?.get(arnName)
  if (claimed === undefined || claimed === objectArn(bucket.name, name)) return
  throw new EngineError('InvalidArgument', {
    message:
      "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
    fields: { ArgumentName: 'x-amz-server-side-encryption-context' },
  })
}

function objectArn(bucketName: string, name: string): string {
  return `arn:aws:s3:::${bucketName}/${name}`
}

/** The associated data of the KMS call: the client's map and S3's own ARN; the bucket's where a data key is shared. */
export function kmsContext(
  bucketName: string,
  name: string,
  bucketKey: boolean,
  client: ReadonlyMap<string, string> | undefined,
): Buffer {
  const arn = bucketKey ? `arn:aws:s3:::${bucketName}` : objectArn(bucketName, name)
  return formatContext(new Map(client).set(arnName, arn))
}

/** The client's map as it is stored and echoed: canonical JSON. */
export function storedContext(plan: EncryptionPlan): Buffer | undefined {
  return 'context' in plan && plan.context ? formatContext(plan.context) : undefined
}

/** The client's map from its stored form. */
export function parseStoredContext(stored: Uint8Array | undefined): ReadonlyMap<string, string> | undefined {
  if (stored === undefined) return undefined
  const parsed: unknown = JSON.parse(Buffer.from(stored).toString())
  const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : []
  return new Map(entries.map(([name, value]) => [name, String(value)]))
}
