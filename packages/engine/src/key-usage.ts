/**
 * What depends on a key, exactly (DESIGN 1, promise 7): the key index says in which buckets and under which versions, the
 * counters say how much.
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { bucketRecordOf } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { KeyUsage, KeyUsageCounts } from './contract.ts'
import { formatId } from './ids.ts'
import { findKey } from './key-registry.ts'
import { describeKey } from './keys.ts'
import { turnOfOthers } from './name-listing.ts'
import { bucketKey, keyCountKey, keyCounts, rangeOf, useUploadKey, useVersionKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** After so many other requests have their turn: a key may be used in very many buckets. */
const placesPerTurn = 100

const noUsage: KeyUsageCounts = { objects: 0, versions: 0, bytes: 0, uploads: 0, parts: 0, partBytes: 0 }

/** What depends on a key now. @throws EngineError `KMS.NotFoundException` */
export async function keyUsage(context: EngineContext, name: string): Promise<KeyUsage> {
  await describeKey(context, name)
  return withSnapshot(context, async (snapshot) => {
    const found = await findKey(context, snapshot, name)
    return found ? usageOf(context, snapshot, name, found.id) : { name, total: noUsage, rows: [] }
  })
}

/** The same of a key by its id. */
export async function usageOf(
  context: EngineContext,
  snapshot: Snapshot,
  name: string,
  keyId: Uint8Array,
): Promise<KeyUsage> {
  const rows: KeyUsage['rows'][number][] = []
  const total = { ...noUsage }
  for (const [at, { keyVersion, bucketId }] of (await usePlaces(snapshot, keyId)).entries()) {
    if (at % placesPerTurn === placesPerTurn - 1) await turnOfOthers()
    const counts = { ...noUsage }
    for (const [index, what] of keyCounts.entries()) {
      counts[what] = await snapshot.counter(keyCountKey.encode(keyId, keyVersion, bucketId, index))
      total[what] += counts[what]
    }
    const entry = await snapshot.get(bucketKey.encode(bucketId))
    rows.push({ keyVersion, bucket: entry ? bucketRecordOf(context, entry).name : formatId(bucketId), ...counts })
  }
  return { name, total, rows }
}

interface UsePlace {
  readonly keyVersion: number
  readonly bucketId: Uint8Array
}

/** Key versions and buckets in which something needs the key: one seek in the index for each. */
async function usePlaces(snapshot: Snapshot, keyId: Uint8Array): Promise<UsePlace[]> {
  const places = new Map<string, UsePlace>()
  for (const table of [useVersionKey, useUploadKey]) {
    let { gte, lt } = rangeOf(table.prefix(keyId))
    for (;;) {
      const [entry] = await snapshot.list({ gte, lt, limit: 1 })
      if (!entry) break
      const [, keyVersion, bucketId] = table.decode(entry.key)
      if (places.size % placesPerTurn === placesPerTurn - 1) await turnOfOthers()
      places.set(`${keyVersion.toString().padStart(16, '0')}/${formatId(bucketId)}`, { keyVersion, bucketId })
      gte = rangeOf(table.prefix(keyId, keyVersion, bucketId)).lt
    }
  }
  return [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place)
}
