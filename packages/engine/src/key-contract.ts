/**
 * The part of the contract about keys and what depends on them.
 *
 * @module
 */

import type { AccountId } from './bucket-contract.ts'

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
