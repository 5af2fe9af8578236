/**
 * The part of the contract about listings.
 *
 * @module
 */

import type { AccountId, Bucket } from './bucket-contract.ts'
import type { ObjectChecksum } from './object-contract.ts'

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
