/**
 * The part of the contract about who may reach a bucket, and whose its objects are.
 *
 * @module
 */

/** What a bucket refuses or ignores of what would make it public. Kept; the layer above acts on it. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** Whose the objects are that others write into a bucket. Kept; the layer above acts on it. */
export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'
