/**
 * What the engine offers to the layer above it: buckets, objects, versions, multipart uploads and keys, without any
 * notion of HTTP. Every call may throw `EngineError` with an S3 code.
 *
 * @module
 */

import type { AccountId, Bucket, BucketChange, Requester, Tags } from './bucket-contract.ts'
import type { DeleteKeyOptions, KeyInfo, KeyUsage } from './key-contract.ts'
import type {
  ListedPage,
  ListObjectsInput,
  ListVersionsInput,
  ObjectSummary,
  VersionSummary,
} from './listing-contract.ts'
import type {
  CopiedObject,
  CopyObjectInput,
  DeletedObject,
  DeleteObjectInput,
  ObjectAttributes,
  PutObjectInput,
  ReadHead,
  ReadObject,
  ReadObjectInput,
  WrittenObject,
} from './object-contract.ts'
import type {
  CompleteUploadInput,
  CreateUploadInput,
  ListUploadsInput,
  UploadedPart,
  UploadInfo,
  UploadPartCopyInput,
  UploadPartInput,
  UploadTarget,
} from './upload-contract.ts'

export type * from './bucket-contract.ts'
export type * from './bucket-reach.ts'
export type * from './condition-types.ts'
export type { BucketEncryption, CustomerKey, EncryptionInfo, EncryptionRequest } from './encryption-contract.ts'
export type * from './key-contract.ts'
export type * from './listing-contract.ts'
export type * from './object-contract.ts'
export type * from './upload-contract.ts'

/** Counters for metrics and tests. */
export interface EngineStats {
  /** Copies (objects and parts) that shared the stored data. */
  readonly copiesShared: number
  /** Copies that read and wrote the data once. */
  readonly copiesRewritten: number
}

export interface Engine {
  // buckets
  createBucket(
    input: { readonly requester: Requester; readonly name: string } & Pick<Bucket, 'objectOwnership' | 'tags'>,
  ): Promise<Bucket>
  /** @throws NoSuchBucket */
  bucket(name: string): Promise<Bucket>
  listBuckets(input: {
    readonly accountId: AccountId
    readonly prefix?: string
    readonly after?: string
    readonly limit: number
  }): Promise<{ readonly buckets: readonly Bucket[]; readonly truncated: boolean }>
  changeBucket(bucket: Bucket, change: BucketChange): Promise<Bucket>
  /** @throws BucketNotEmpty */
  deleteBucket(bucket: Bucket): Promise<void>

  // objects
  putObject(input: PutObjectInput): Promise<WrittenObject>
  getObject(input: ReadObjectInput): Promise<ReadObject>
  headObject(input: ReadObjectInput): Promise<ReadHead>
  getObjectAttributes(
    input: ReadObjectInput & { readonly maxParts: number; readonly partNumberMarker: number },
  ): Promise<ObjectAttributes>
  deleteObject(input: DeleteObjectInput): Promise<DeletedObject>
  copyObject(input: CopyObjectInput): Promise<CopiedObject>
  getTags(input: { readonly bucket: Bucket; readonly name: string; readonly versionId?: string }): Promise<{
    readonly tags: Tags
    readonly versionId?: string
  }>
  putTags(input: {
    readonly bucket: Bucket
    readonly name: string
    readonly versionId?: string
    readonly tags: Tags
  }): Promise<{ readonly versionId?: string }>

  // listings
  listObjects(input: ListObjectsInput): Promise<ListedPage<ObjectSummary>>
  listVersions(input: ListVersionsInput): Promise<ListedPage<VersionSummary>>
  listUploads(input: ListUploadsInput): Promise<ListedPage<UploadInfo>>

  // multipart
  createUpload(input: CreateUploadInput): Promise<UploadInfo>
  uploadPart(input: UploadPartInput): Promise<UploadedPart>
  uploadPartCopy(input: UploadPartCopyInput): Promise<UploadedPart & { readonly sourceVersionId?: string }>
  listParts(
    input: UploadTarget & { readonly after: number; readonly limit: number },
  ): Promise<{ readonly upload: UploadInfo; readonly parts: readonly UploadedPart[]; readonly truncated: boolean }>
  completeUpload(input: CompleteUploadInput): Promise<WrittenObject>
  abortUpload(input: UploadTarget): Promise<void>

  // keys
  createKey(input: { readonly requester: Requester; readonly name: string }): Promise<KeyInfo>
  importKey(input: {
    readonly requester: Requester
    readonly name: string
    readonly material: Uint8Array
  }): Promise<KeyInfo>
  describeKey(name: string): Promise<KeyInfo>
  listKeys(pattern: string): Promise<readonly KeyInfo[]>
  rotateKey(name: string): Promise<KeyInfo>
  lockKey(name: string): Promise<KeyInfo>
  unlockKey(name: string): Promise<KeyInfo>
  grantKey(name: string, accountId: AccountId): Promise<KeyInfo>
  revokeKey(name: string, accountId: AccountId): Promise<KeyInfo>
  keyUsage(name: string): Promise<KeyUsage>
  /** Deletes a key after 7 to 30 days (default 30). Refused as `deleteKey` is. */
  scheduleKeyDeletion(name: string, options?: DeleteKeyOptions & { readonly days?: number }): Promise<KeyInfo>
  /** Takes a deletion back that is not due yet; the key is locked then. */
  cancelKeyDeletion(name: string): Promise<KeyInfo>
  /** At once. Refused (`EngineError` `KeyInUse`) while anything depends on the key, unless forced with a reason. */
  deleteKey(name: string, options?: DeleteKeyOptions): Promise<KeyUsage>

  stats(): EngineStats
  close(): Promise<void>
}
