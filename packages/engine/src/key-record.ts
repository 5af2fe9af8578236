/**
 * What the engine knows of an EK: the value of `key/keyId` (docs/formats/metadata-records.md). The key itself is in the KMS.
 *
 * @module
 */

import { RecordReader, RecordWriter } from './codec.ts'
import type { AccountId } from './contract.ts'

export interface KeyRecord {
  /** The key's name in the KMS. */
  readonly name: string
  readonly ownerAccountId: AccountId
  readonly createdAtMs: number
  /**
   * `deleting`: it is being found out whether anything depends on it. `deleted`: kept so that the id stays explained.
   * `scheduled`: it is going to be deleted; nothing comes to depend on it any more.
   */
  readonly state: 'active' | 'deleting' | 'deleted' | 'scheduled'
  /** When it got into this state: a deletion that was cut short counts for nothing after a while. */
  readonly stateSinceMs: number
  /** Accounts, besides the owner, that may use it. */
  readonly grants: readonly AccountId[]
}

const format = 1

/** Data depends on the order. */
const states: readonly KeyRecord['state'][] = ['active', 'deleting', 'deleted', 'scheduled']

/** Most grants of one key: the record stays below the longest value. */
export const maxGrants = 400

export function encodeKeyRecord(record: KeyRecord): Buffer {
  const writer = new RecordWriter(format)
  writer.text(record.name).text(record.ownerAccountId).u64(record.createdAtMs).u8(states.indexOf(record.state))
  writer.u64(record.stateSinceMs).uint(record.grants.length)
  for (const accountId of record.grants) writer.text(accountId)
  return writer.finish()
}

/** @throws StorageError `corrupt` */
export function decodeKeyRecord(bytes: Uint8Array): KeyRecord {
  const reader = new RecordReader(bytes, 'key', format)
  const name = reader.text(80)
  const ownerAccountId = reader.text(64)
  const createdAtMs = reader.u64()
  const state = reader.oneOf(states)
  const stateSinceMs = reader.u64()
  const count = reader.uint(maxGrants)
  const grants: AccountId[] = []
  for (let i = 0; i < count; i += 1) grants.push(reader.text(64))
  reader.end()
  return { name, ownerAccountId, createdAtMs, state, stateSinceMs, grants }
}
