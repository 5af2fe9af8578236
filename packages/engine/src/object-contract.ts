/**
 * The part of the contract about objects, their versions and copies.
 *
 * @module
 */

import type { Bucket, Requester, Tags } from './bucket-contract.ts'
import type { DeleteConditions, RangeValidator, ReadConditions, WriteConditions } from './condition-types.ts'
import type { CustomerKey, EncryptionInfo, EncryptionRequest } from './encryption-contract.ts'

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
  /** The chunks of a stream become the engine's: it may free the memory of one that is the whole of its memory. Default: no. */
  readonly givesChunks?: boolean
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
