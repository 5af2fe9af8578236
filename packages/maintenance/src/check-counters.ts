/**
 * Counters of buckets and key versions. A store cannot list its counters: those are looked at that records call for, and all
 * of the buckets and keys that have a record.
 *
 * @module
 */

import {
  bucketCountKey,
  bucketCounts,
  keyCountKey,
  keyCounts,
  keyKey,
  rangeOf,
  useUploadKey,
  useVersionKey,
} from '@strongroom/engine'
import type { Inspection } from './inspection.ts'
import { idText, type PassTally } from './pass-tally.ts'
import { entriesOf, turnOfOthers } from './walk.ts'

/** Counters read before others have a turn. */
const perTurn = 1_000

export async function checkCounters(inspection: Inspection, tally: PassTally): Promise<void> {
  const sums = [...tally.counts.values()]
  const expected = new Map(sums.map(({ key, delta }) => [idText(key), delta]))
  const keys = sums.map(({ key }) => key)
  let read = 0
  for await (const key of candidates(inspection, keys)) {
    const id = idText(key)
    await checkCounter(inspection, key, expected.get(id) ?? 0)
    expected.delete(id)
    read += 1
    if (read % perTurn === 0) await turnOfOthers()
  }
  // Of buckets or keys without a record.
  for (const [id, count] of expected) await checkCounter(inspection, Buffer.from(id, 'latin1'), count)
}

/** A difference stays the same whatever is added meanwhile: it can be added without a check. */
async function checkCounter(inspection: Inspection, key: Uint8Array, expected: number): Promise<void> {
  const counted = await inspection.snapshot.counter(key)
  inspection.count('counters')
  if (counted === expected) return
  await inspection.found({
    kind: 'counter',
    place: inspection.placeOf({ key }),
    problem: `the counter of ${nameOf(key)} says ${counted}, and there are ${expected}`,
    async repair(_snapshot, draft) {
      draft.add(key, expected - counted)
      return true
    },
    isExcess: counted > expected,
  })
}

function nameOf(key: Uint8Array): string {
  if (key[0] === bucketCountKey.tag) return bucketCounts[bucketCountKey.decode(key)[1]] ?? 'something'
  const [, keyVersion, , what] = keyCountKey.decode(key)
  return `${keyCounts[what] ?? 'something'} under key version ${keyVersion}`
}

async function* candidates(inspection: Inspection, summed: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  const buckets = [...inspection.buckets.keys()].map((id) => Buffer.from(id, 'hex'))
  for (const bucketId of buckets) {
    for (const what of bucketCounts.keys()) yield bucketCountKey.encode(bucketId, what)
  }
  for await (const { key } of entriesOf(inspection.snapshot, rangeOf(Buffer.of(keyKey.tag)))) {
    const [keyId] = keyKey.decode(key)
    const newest = await newestVersion(inspection, summed, keyId)
    for (let version = 1; version <= newest; version += 1) {
      for (const bucketId of buckets) {
        for (const what of keyCounts.keys()) yield keyCountKey.encode(keyId, version, bucketId, what)
      }
    }
  }
}

/** The newest version of a key that anything speaks of. */
async function newestVersion(
  { snapshot }: Inspection,
  summed: readonly Uint8Array[],
  keyId: Uint8Array,
): Promise<number> {
  let newest = 1
  for (const key of summed) {
    if (key[0] !== keyCountKey.tag) continue
    const [ofKey, version] = keyCountKey.decode(key)
    if (Buffer.compare(ofKey, keyId) === 0) newest = Math.max(newest, version)
  }
  for (const table of [useVersionKey, useUploadKey]) {
    const [last] = await snapshot.list({ ...rangeOf(table.prefix(keyId)), limit: 1, reverse: true })
    if (last) newest = Math.max(newest, table.decode(last.key)[1])
  }
  return newest
}
