/**
 * Count records against the references there are. The same for blobs and for part tables: they differ in their tables.
 *
 * @module
 */

import {
  decodeBlobRecord,
  decodeGarbageRecord,
  encodeBlobRecord,
  encodeGarbageRecord,
  rangeOf,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import { type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { idText, type PassTally, type ReferenceSum } from './pass-tally.ts'
import { entriesOf } from './walk.ts'

interface IdKey {
  readonly tag: number
  encode(id: Uint8Array): Uint8Array
  decode(key: Uint8Array): readonly [Uint8Array]
}

export interface CountedTables {
  readonly counts: IdKey
  readonly garbage: IdKey
  /** What is counted, for people. */
  readonly what: string
}

const nothing = new Uint8Array(0)

const plural = (count: number): string => (count === 1 ? '1 reference' : `${count} references`)

/**
 * Compares one table of counts.
 *
 * @param ignores counts of things that nothing refers to and that are looked at elsewhere
 */
export async function checkCounts(
  inspection: Inspection,
  tables: CountedTables,
  tally: PassTally,
  sums: ReadonlyMap<string, ReferenceSum>,
  ignores: (id: Uint8Array) => Promise<boolean>,
): Promise<void> {
  const { counts } = tables
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(counts.tag)))) {
    const [id] = counts.decode(entry.key)
    if (!tally.isMine(id)) continue
    inspection.count('referenceCounts')
    const sum = sums.get(idText(id))
    const expected = sum?.count ?? 0
    if (sum) sum.isSeen = true
    const found = inspection.tryOpen(entry, decodeBlobRecord)?.count
    if (found === expected || (expected === 0 && (await ignores(id)))) continue
    const garbage = await inspection.snapshot.get(tables.garbage.encode(id))
    const repair = setCount(inspection, tables, id, sum, entry, garbage)
    if (found === undefined) {
      // With a count that damage elsewhere makes too low, what is needed would go.
      const isCertain = !inspection.isConcealing
      await inspection.open(entry, decodeBlobRecord, isCertain ? { repair } : {})
      continue
    }
    await inspection.found({
      kind: 'reference-count',
      place: inspection.placeOf(entry),
      problem: `${tables.what} counts ${plural(found)}, and there ${expected === 1 ? 'is' : 'are'} ${expected}`,
      repair,
      isExcess: found > expected,
    })
  }
}

/** Garbage is what nothing refers to. */
export async function checkGarbage(
  inspection: Inspection,
  tables: CountedTables,
  tally: PassTally,
  sums: ReadonlyMap<string, ReferenceSum>,
): Promise<void> {
  for await (const entry of entriesOf(inspection.snapshot, rangeOf(Buffer.of(tables.garbage.tag)))) {
    const [id] = tables.garbage.decode(entry.key)
    if (!tally.isMine(id)) continue
    inspection.count('garbage')
    const sum = sums.get(idText(id))
    if (!sum) {
      await inspection.open(entry, decodeGarbageRecord, { repair: rewriteGarbage(inspection, entry) })
      continue
    }
    const count = await inspection.snapshot.get(tables.counts.encode(id))
    sum.isSeen = true
    await inspection.found({
      kind: 'garbage-in-use',
      place: inspection.placeOf(entry),
      problem: `${tables.what} is noted as garbage, and has ${plural(sum.count)}`,
      repair: setCount(inspection, tables, id, sum, count, entry),
    })
  }
}

/** What is referred to has its count. Comes last: what was not seen by then has none. */
export async function checkMissing(
  inspection: Inspection,
  tables: CountedTables,
  sums: ReadonlyMap<string, ReferenceSum>,
  isCounted: (sum: ReferenceSum) => boolean,
  onMissing: (id: Uint8Array) => void,
): Promise<void> {
  for (const sum of sums.values()) {
    if (sum.isSeen || !isCounted(sum)) continue
    const { id } = sum.reference
    onMissing(id)
    await inspection.found({
      kind: 'reference-count',
      place: inspection.placeOf({ key: tables.counts.encode(id) }),
      problem: `${tables.what} has no count, and ${plural(sum.count)}`,
      repair: setCount(inspection, tables, id, sum, undefined, undefined),
    })
  }
}

/** Writes the count that the references call for; what nothing refers to becomes garbage. */
function setCount(
  inspection: Inspection,
  tables: CountedTables,
  id: Uint8Array,
  sum: ReferenceSum | undefined,
  seen: Entry | undefined,
  garbage: Entry | undefined,
): Repair {
  const key = tables.counts.encode(id)
  const garbageAt = tables.garbage.encode(id)
  const expected = sum?.count ?? 0
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, key, seen))) return false
    if (!(await isUnchanged(snapshot, draft, garbageAt, garbage))) return false
    if (expected > 0) {
      draft.putRecord(key, encodeBlobRecord({ count: expected }))
      if (garbage) draft.delete(garbageAt)
    } else {
      if (seen) draft.delete(key)
      if (!garbage) draft.putRecord(garbageAt, emptyGarbage(inspection))
    }
    return true
  }
}

/** What a garbage record of a blob or table says is not needed for removing it. */
function rewriteGarbage(inspection: Inspection, entry: Entry): Repair {
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, entry.key, entry))) return false
    draft.putRecord(entry.key, emptyGarbage(inspection))
    return true
  }
}

function emptyGarbage({ options }: Inspection): Buffer {
  return encodeGarbageRecord({ sinceMs: Math.trunc(options.now()), includedParts: nothing })
}
