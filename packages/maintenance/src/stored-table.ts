/**
 * Part tables as they are stored: read past all caches, and verified.
 *
 * @module
 */

import {
  decodePartTableChunk,
  manifestKey,
  partTableDigest,
  rangeOf,
  type StoredData,
  type TablePart,
} from '@strongroom/engine'
import type { Snapshot } from '@strongroom/storage'
import { type Inspection, isDamage } from './inspection.ts'
import { pagesOf } from './walk.ts'

export type ManifestData = Extract<StoredData, { kind: 'manifest' }>

/** A table's parts, or what is wrong with it. */
export type StoredTable = { readonly parts: readonly TablePart[] } | { readonly problem: string }

/** Reads the table that a record names, and verifies that it is that one. */
export async function readTable(
  inspection: Inspection,
  snapshot: Snapshot,
  data: ManifestData,
  sizeBytes: number,
): Promise<StoredTable> {
  const chunks: Buffer[] = []
  try {
    for await (const page of pagesOf(snapshot, rangeOf(manifestKey.prefix(data.id)), 64)) {
      for (const entry of page) chunks.push(inspection.records.open(entry))
    }
    if (chunks.length !== data.chunkCount) {
      return { problem: `the part table has ${chunks.length} pieces, not ${data.chunkCount}` }
    }
    if (!partTableDigest(chunks).equals(data.tableDigest)) return { problem: 'the part table is another one' }
    return verified(chunks.flatMap(decodePartTableChunk), data.partCount, sizeBytes)
  } catch (error) {
    if (isDamage(error)) return { problem: 'a piece of the part table does not open' }
    throw error
  }
}

function verified(parts: readonly TablePart[], partCount: number, sizeBytes: number): StoredTable {
  if (parts.length !== partCount) return { problem: `the part table has ${parts.length} parts, not ${partCount}` }
  let before = 0
  let total = 0
  for (const part of parts) {
    if (part.number <= before) return { problem: 'the part table is out of order' }
    if (!isWhole(part)) return { problem: `the sizes of part ${part.number} do not add up` }
    before = part.number
    total += part.sizeBytes
  }
  if (total !== sizeBytes) return { problem: `the parts have ${total} bytes, not ${sizeBytes}` }
  return { parts }
}

/** Whether a part's segments are as many bytes as the part. */
export function isWhole(part: Pick<TablePart, 'segments' | 'sizeBytes'>): boolean {
  return part.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0) === part.sizeBytes
}
