/**
 * What the engine offers to the layer above it: buckets, objects, versions, multipart uploads and keys, without any
 * notion of HTTP. Every call may throw `EngineError` with an S3 code.
 *
 * @module
 */

import type { ObjectOwnership, PublicAccessBlock } from './bucket-reach.ts'
import type { DeleteConditions, RangeValidator, ReadConditions, WriteConditions } from './condition-types.ts'
import type { BucketEncryption, CustomerKey, EncryptionInfo, EncryptionRequest } from './encryption-contract.ts'

export type * from './bucket-reach.ts'
export type * from './condition-types.ts'
export type { BucketEncryption, CustomerKey, EncryptionInfo, EncryptionRequest } from './encryption-contract.ts'

/** 12 decimal digits, as on AWS. */
export type AccountId = string

/** On whose behalf a call is made. Whether this account may touch the bucket has been decided above; keys are checked here. */
export interface Requester {
  readonly accountId: AccountId
  /** The deployment's first account may see keys that were put into the key store from outside. */
  readonly isRootAccount: boolean
}

// ---------------------------------------------------------------- buckets

export type VersioningState = 'unset' | 'enabled' | 'suspended'

export type Tags = readonly { readonly key: string; readonly value: string }[]

/** A bucket as read at one moment; calls that write check that its record has not changed since, and read it again if so. */
export interface Bucket {
  /** 32 hex digits; a bucket made again under an old name has another. */
  readonly id: string
  readonly name: string
  readonly ownerAccountId: AccountId
  readonly createdAtMs: number
  readonly versioning: VersioningState
  /** The rule set by PutBucketEncryption; undefined: the deployment's default counts. */
  readonly encryption?: BucketEncryption
  readonly tags?: Tags
  readonly publicAccessBlock?: PublicAccessBlock
  readonly objectOwnership?: ObjectOwnership
  /** Version of the record, for commit checks. */
  readonly recordVersion: number
}

export type BucketChange =
  | { readonly versioning: Exclude<VersioningState, 'unset'> }
  | { readonly encryption: BucketEncryption | undefined }
  | { readonly tags: Tags | undefined }
  | { readonly publicAccessBlock: PublicAccessBlock | undefined }
  | { readonly objectOwnership: ObjectOwnership | undefined }

// ---------------------------------------------------------------- objects

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
  /** base64, followed by `-N` for a composite one. */
  readonly value: string
}

export interface ObjectMetadata {
  readonly contentType?: string
  readonly cacheControl?: string
  readonly contentDisposition?: string
  readonly contentEncoding?: string
  readonly contentLanguage?: string
  readonly expires?: string
  readonly websiteRedirectLocation?: string
  /** `STANDARD` is stored as absent. */
  readonly storageClass?: string
  /** Without the `x-amz-meta-` prefix, lower case names. */
  readonly userMetadata: ReadonlyMap<string, string>
}

/** A body to be stored. */
export interface WriteBody {
  /** Plaintext bytes; a body that ends short or runs over is `IncompleteBody`. */
  readonly sizeBytes: number
  /** All of it (small bodies), or a stream; errors it throws are passed on as they are. The engine does not keep chunks. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array>
  /** `Content-MD5`: 16 bytes; a mismatch is `BadDigest`. */
  readonly contentMd5?: Uint8Array
  /** Verified (mismatch: `BadDigest`) and kept. `value` as a function is asked for after the body ended (trailer). Absent value: computed. */
  readonly checksum?: {
    readonly algorithm: ChecksumAlgorithm
    readonly value?: Uint8Array | (() => Uint8Array)
  }
}

/** `bytes=first-last`, `bytes=first-`, or the last `suffixLength` bytes. */
export type RangeRequest = { readonly first: number; readonly last?: number } | { readonly suffixLength: number }

export interface PutObjectInput {
  readonly requester: Requester
  readonly bucket: Bucket
  readonly name: string
  readonly body: WriteBody
  readonly encryption: EncryptionRequest
  readonly metadata: ObjectMetadata
  readonly tags?: Tags
  readonly conditions?: WriteConditions
}

/** What every write of an object answers. */
export interface WrittenObject {
  readonly etag: string
  readonly lastModifiedMs: number
  readonly sizeBytes: number
  /** In buckets with versioning: the id, or `null` where it is suspended. */
  readonly versionId?: string
  readonly encryption: EncryptionInfo
  readonly checksum?: ObjectChecksum
}

export interface ReadObjectInput {
  readonly requester: Requester
  readonly bucket: Bucket
  readonly name: string
  readonly versionId?: string
  readonly customerKey?: CustomerKey
  readonly conditions?: ReadConditions
  readonly range?: RangeRequest
  /** The range counts only while this holds; otherwise the whole object is read. */
  readonly ifRange?: RangeValidator
  readonly partNumber?: number
}

/** One version of an object, for response headers. */
export interface ObjectHead {
  readonly name: string
  readonly etag: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  /** Present in buckets with versioning. */
  readonly versionId?: string
  readonly metadata: ObjectMetadata
  readonly tagCount: number
  readonly encryption: EncryptionInfo
  readonly checksum?: ObjectChecksum
  /** Number of parts of a multipart object. */
  readonly partCount?: number
}

/** `range` is set when a part of the object was asked for: inclusive plaintext offsets. */
export interface ReadHead {
  readonly head: ObjectHead
  readonly range?: { readonly first: number; readonly last: number }
  /** Plaintext bytes of the answer. */
  readonly contentLength: number
  /** Of exactly the bytes of the answer: the whole object, or a part that was asked for by its number. */
  readonly checksum?: ObjectChecksum
}

/** Not one byte of `body` is released before its package was authenticated. Ending the iteration early closes everything. */
export interface ReadObject extends ReadHead {
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}

export interface ObjectPart {
  readonly number: number
  readonly sizeBytes: number
  readonly checksum?: string
}

export interface ObjectAttributes {
  readonly head: ObjectHead
  /** Multipart objects: total, and the parts after `partNumberMarker`, at most `maxParts`. */
  readonly parts?: {
    readonly total: number
    readonly parts: readonly ObjectPart[]
    readonly truncated: boolean
    readonly nextMarker: number
  }
}

export interface DeleteObjectInput {
  readonly bucket: Bucket
  readonly name: string
  readonly versionId?: string
  readonly conditions?: DeleteConditions
}

export interface DeletedObject {
  /** Version made (a delete marker) or removed. */
  readonly versionId?: string
  /** A delete marker was made or removed. */
  readonly deleteMarker: boolean
}

// ---------------------------------------------------------------- copies

export interface CopySource {
  readonly bucket: Bucket
  readonly name: string
  readonly versionId?: string
  readonly customerKey?: CustomerKey
  readonly conditions?: ReadConditions
}

export interface CopyObjectInput {
  readonly requester: Requester
  readonly source: CopySource
  readonly bucket: Bucket
  readonly name: string
  readonly encryption: EncryptionRequest
  /** Undefined: the source's is kept (directive COPY). */
  readonly metadata?: ObjectMetadata
  /** Storage class asked for beside directive COPY. */
  readonly storageClass?: string
  /** Undefined: the source's are kept. */
  readonly tags?: Tags
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly conditions?: WriteConditions
}

export interface CopiedObject extends WrittenObject {
  readonly sourceVersionId?: string
}

// ---------------------------------------------------------------- listings

export interface ObjectSummary {
  readonly name: string
  readonly etag: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  readonly storageClass: string
  readonly checksum?: ObjectChecksum
  readonly ownerAccountId: AccountId
}

export type Listed<T> =
  | { readonly kind: 'item'; readonly item: T }
  | { readonly kind: 'prefix'; readonly prefix: string }

export interface ListObjectsInput {
  readonly bucket: Bucket
  readonly prefix: string
  readonly delimiter?: string
  /** Only names and common prefixes after this one, in UTF-8 byte order. */
  readonly after?: string
  readonly limit: number
  /** `after` was `next` of a page that ended within a common prefix. Default false. */
  readonly isWithinPrefix?: boolean
}

/** Where a listing goes on: the values for `after` and `isWithinPrefix`. */
export interface NextPage {
  readonly after: string
  readonly isWithinPrefix: boolean
}

export interface ListedPage<T> {
  readonly items: readonly Listed<T>[]
  readonly truncated: boolean
  /** Of a page that ended early, perhaps without any item; otherwise the listing goes on after its last item. */
  readonly next?: NextPage
}

export interface VersionSummary extends ObjectSummary {
  readonly versionId: string
  readonly isLatest: boolean
  readonly deleteMarker: boolean
}

export interface ListVersionsInput extends Omit<ListObjectsInput, 'after' | 'isWithinPrefix'> {
  readonly keyMarker?: string
  readonly versionIdMarker?: string
}

// ---------------------------------------------------------------- multipart

export interface CreateUploadInput {
  readonly requester: Requester
  readonly bucket: Bucket
  readonly name: string
  readonly encryption: EncryptionRequest
  readonly metadata: ObjectMetadata
  readonly tags?: Tags
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
}

export interface UploadInfo {
  readonly uploadId: string
  readonly name: string
  readonly initiatedAtMs: number
  readonly storageClass: string
  readonly ownerAccountId: AccountId
  readonly encryption: EncryptionInfo
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
}

export interface UploadTarget {
  readonly requester: Requester
  readonly bucket: Bucket
  readonly name: string
  readonly uploadId: string
  readonly customerKey?: CustomerKey
}

export interface UploadPartInput extends UploadTarget {
  readonly partNumber: number
  readonly body: WriteBody
}

export interface UploadPartCopyInput extends UploadTarget {
  readonly partNumber: number
  readonly source: CopySource
  /** Inclusive plaintext offsets; absent: all of the source. */
  readonly range?: { readonly first: number; readonly last: number }
}

export interface UploadedPart {
  readonly number: number
  readonly etag: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  readonly checksum?: ObjectChecksum
  readonly encryption: EncryptionInfo
}

export interface CompletedPart {
  readonly number: number
  readonly etag: string
  /** base64, of the upload's algorithm. */
  readonly checksum?: string
}

export interface CompleteUploadInput extends UploadTarget {
  readonly parts: readonly CompletedPart[]
  readonly conditions?: WriteConditions
  /** `x-amz-checksum-<alg>` of the whole: base64, verified for FULL_OBJECT. */
  readonly checksum?: string
  readonly checksumType?: ChecksumType
  /** `x-amz-mp-object-size`. */
  readonly sizeBytes?: number
}

export interface ListUploadsInput extends Omit<ListObjectsInput, 'after' | 'isWithinPrefix'> {
  readonly keyMarker?: string
  readonly uploadIdMarker?: string
}

// ---------------------------------------------------------------- keys

export interface KeyInfo {
  readonly name: string
  readonly id: string
  readonly ownerAccountId: AccountId
  readonly state: 'enabled' | 'locked' | 'pending-deletion' | 'missing'
  /** When a key whose deletion is scheduled is destroyed, at the earliest. */
  readonly deletionDueAtMs?: number
  readonly currentVersion: number
  readonly versions: readonly { readonly version: number; readonly createdAtMs: number }[]
  readonly grants: readonly AccountId[]
}

export interface DeleteKeyOptions {
  readonly force?: boolean
  readonly reason?: string
}

/** Exact, from counters that commit with the objects. */
export interface KeyUsage {
  readonly name: string
  readonly total: KeyUsageCounts
  readonly rows: readonly (KeyUsageCounts & { readonly keyVersion: number; readonly bucket: string })[]
}

export interface KeyUsageCounts {
  /** Names whose current version needs the key. */
  readonly objects: number
  /** Versions (current ones included) that need it. */
  readonly versions: number
  /** Plaintext bytes of those versions. */
  readonly bytes: number
  readonly uploads: number
  readonly parts: number
  readonly partBytes: number
}

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
