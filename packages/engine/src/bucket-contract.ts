/**
 * The part of the contract about who asks, and about buckets.
 *
 * @module
 */

import type { ObjectOwnership, PublicAccessBlock } from './bucket-reach.ts'
import type { BucketEncryption } from './encryption-contract.ts'

/** 12 decimal digits, as on AWS. */
export type AccountId = string

/** On whose behalf a call is made. Whether this account may touch the bucket has been decided above; keys are checked here. */
export interface Requester {
  readonly accountId: AccountId
  /** The deployment's first account may see keys that were put into the key store from outside. */
  readonly isRootAccount: boolean
}

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
