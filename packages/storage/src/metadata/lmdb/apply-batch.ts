/**
 * Applies a group of commits inside one LMDB write transaction (DESIGN 4, group commit).
 *
 * Commits are taken in order, and each is checked in full before the first of its changes: reads inside the transaction
 * see the changes of the commits before it, so no two commits of a group can build on the same state. Additions to
 * counters are summed over the group. Limits were checked at the door, so what can still throw here is LMDB itself.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { mapKey, readInt64, readUint64, writeUint64 } from '../../bytes.ts'
import { type Check, type Commit, type CommitResult, maxValueBytes } from '../contract.ts'
import { encodeEntry, readVersion, versionBytes } from './lmdb-entry.ts'
import type { LmdbEnvironment, LmdbTable } from './lmdb-environment.ts'

/** The tables, without the root that drives them. */
export type LmdbTables = Pick<LmdbEnvironment, 'entries' | 'counters' | 'state'>

/** Key of the last version given out, in the state table. Data depends on it. */
const sequenceKey = Buffer.from('sequence')

const committed: CommitResult = { committed: true }

interface Sum {
  readonly key: Uint8Array
  delta: number
}

/**
 * Applies what can be applied; the results are in the order of the commits. Must run inside a write transaction.
 *
 * @throws whatever LMDB throws; the transaction must not be committed then
 */
export function applyBatch(tables: LmdbTables, commits: readonly Commit[]): CommitResult[] {
  // One buffer serves all puts: LMDB copies it before `put` returns.
  const scratch = Buffer.allocUnsafeSlow(versionBytes + maxValueBytes)
  const before = readSequence(tables.state)
  let sequence = before
  const sums = new Map<string, Sum>()
  const results = commits.map((commit): CommitResult => {
    const failed = commit.checks?.find((check) => !holds(tables.entries, check))
    if (failed !== undefined) return { committed: false, failedKey: failed.key }
    for (const key of commit.deletes ?? []) tables.entries.remove(key)
    if (commit.puts !== undefined && commit.puts.length > 0) sequence++
    for (const put of commit.puts ?? []) tables.entries.put(put.key, encodeEntry(scratch, sequence, put.value))
    for (const { key, delta } of commit.adds ?? []) addUp(tables.counters, sums, key, delta)
    return committed
  })
  for (const { key, delta } of sums.values()) addToCounter(tables.counters, key, delta)
  if (sequence !== before) writeSequence(tables.state, sequence)
  return results
}

function holds(entries: LmdbTable, check: Check): boolean {
  const stored = entries.getBinaryFast(check.key)
  if (stored === undefined) return check.version === 'absent'
  return check.version === readVersion(stored, entries.lastSize)
}

function readSequence(state: LmdbTable): number {
  const stored = state.getBinaryFast(sequenceKey)
  return stored === undefined ? 0 : readUint64(stored, 0)
}

function writeSequence(state: LmdbTable, sequence: number): void {
  const bytes = Buffer.allocUnsafeSlow(8)
  writeUint64(bytes, 0, sequence)
  state.put(sequenceKey, bytes)
}

function addUp(counters: LmdbTable, sums: Map<string, Sum>, key: Uint8Array, delta: number): void {
  const name = mapKey(key)
  const sum = sums.get(name)
  if (sum === undefined) {
    sums.set(name, { key, delta })
    return
  }
  const total = sum.delta + delta
  if (Number.isSafeInteger(total)) {
    sum.delta = total
    return
  }
  // No longer exact: what came before goes into the counter now.
  addToCounter(counters, key, sum.delta)
  sum.delta = delta
}

/** A counter at zero is not kept: it reads as zero anyway, and those of deleted buckets and keys go away. */
function addToCounter(counters: LmdbTable, key: Uint8Array, delta: number): void {
  if (delta === 0) return
  const stored = counters.getBinaryFast(key)
  const value = BigInt.asIntN(64, (stored === undefined ? 0n : readInt64(stored)) + BigInt(delta))
  if (value === 0n) {
    counters.remove(key)
    return
  }
  const bytes = Buffer.allocUnsafeSlow(8)
  bytes.writeBigInt64BE(value)
  counters.put(key, bytes)
}
