/**
 * The part of the contract about multipart uploads.
 *
 * @module
 */

import type { AccountId, Bucket, Requester, Tags } from './bucket-contract.ts'
import type { WriteConditions } from './condition-types.ts'
import type { CustomerKey, EncryptionInfo, EncryptionRequest } from './encryption-contract.ts'
import type { ListObjectsInput } from './listing-contract.ts'
import type {
  ChecksumAlgorithm,
  ChecksumType,
  CopySource,
  ObjectChecksum,
  ObjectMetadata,
  WriteBody,
} from './object-contract.ts'

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
