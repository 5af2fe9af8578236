/**
 * Encryption in the engine's contract: what a write asks for, what a stored object has, what a bucket's rule says.
 *
 * @module
 */

/** A client's SSE-C key: 32 bytes, and the MD5 header as sent (base64), already verified. */
export interface CustomerKey {
  readonly key: Uint8Array
  readonly md5: string
}

/** What a write asks for. `default` lets the bucket's rule, then the deployment's, decide. */
export type EncryptionRequest =
  | { readonly mode: 'default'; readonly bucketKeyEnabled?: boolean }
  | { readonly mode: 'sse-s3' }
  | {
      readonly mode: 'sse-kms'
      /** Name, `arn:aws:kms:<name>` or full ARN, as sent. Absent: the deployment's default key. */
      readonly keyId?: string
      readonly context?: ReadonlyMap<string, string>
      readonly bucketKeyEnabled?: boolean
    }
  /** Two layers. There are no bucket keys for it. */
  | { readonly mode: 'dsse-kms'; readonly keyId?: string; readonly context?: ReadonlyMap<string, string> }
  | { readonly mode: 'sse-c'; readonly customerKey: CustomerKey }

/** How a stored object is encrypted, for response headers. */
export type EncryptionInfo =
  | { readonly mode: 'none' }
  | { readonly mode: 'sse-s3' }
  | {
      readonly mode: 'sse-kms' | 'dsse-kms'
      /** In the form in which the request, the bucket's rule or the deployment named it. */
      readonly keyId: string
      /** base64 of the canonical JSON of the client's map. */
      readonly context?: string
      readonly bucketKeyEnabled: boolean
    }
  | { readonly mode: 'sse-c'; readonly customerKeyMd5: string }

/** A bucket's default encryption rule (spec 2.1). */
export interface BucketEncryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  readonly keyId?: string
  readonly bucketKeyEnabled: boolean
  /** `BlockedEncryptionTypes` names `SSE-C`. */
  readonly blocksSseC: boolean
}
