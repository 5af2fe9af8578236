/**
 * Which bytes of which stored streams a read needs: ranges and part numbers against the record (spec 1.6.2, 3.5).
 *
 * @module
 */

import type { Snapshot } from '@strongroom/storage'
import { isRangeCurrent } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { ObjectChecksum, RangeRequest, ReadObjectInput } from './contract.ts'
import { EngineError } from './engine-error.ts'
import type { ObjectVersion } from './object-record.ts'
import type { PartTable } from './part-tables.ts'

/** Plaintext bytes: `length` from `offset`. */
export interface ByteSpan {
  readonly offset: number
  readonly length: number
}

/** What a read is going to answer. */
export interface ReadPlan extends ByteSpan {
  /** The answer is a part of the object: 206. */
  readonly isPartial: boolean
  /** Of exactly these bytes, where it is known: of the whole object, or of a part that was asked for by its number. */
  readonly checksum?: ObjectChecksum
}

/** The part table, where the object has one. */
export async function tableOf(
  context: EngineContext,
  snapshot: Snapshot,
  record: ObjectVersion,
): Promise<PartTable | undefined> {
  return record.data.kind === 'manifest' ? context.partTables.load(snapshot, record.data) : undefined
}

/**
 * The part table, where clients see parts: of an object that an upload made. A copy shares the table, and is one part to
 * clients, as it would be if its data had been read.
 */
export async function visibleParts(
  context: EngineContext,
  snapshot: Snapshot,
  record: ObjectVersion,
): Promise<PartTable | undefined> {
  return record.etag.partCount > 0 ? tableOf(context, snapshot, record) : undefined
}

/**
 * Resolves range and part number.
 *
 * @throws EngineError `InvalidRange`, `InvalidPartNumber`, `InvalidRequest` for both at once
 */
export async function planRead(
  context: EngineContext,
  snapshot: Snapshot,
  record: ObjectVersion,
  { range, ifRange, partNumber }: Pick<ReadObjectInput, 'range' | 'ifRange' | 'partNumber'>,
): Promise<ReadPlan> {
  const { sizeBytes } = record
  if (partNumber !== undefined) {
    if (range) {
      throw new EngineError('InvalidRequest', {
        message: 'Cannot specify both Range header and partNumber query parameter',
      })
    }
    const span = partSpan(await visibleParts(context, snapshot, record), record, partNumber)
    if (span) return { ...span, isPartial: sizeBytes > 0 }
    // Spec 1.6.2: Ceph's tests want InvalidPart.
    throw new EngineError(context.settings.compatibility === 'ceph' ? 'InvalidPart' : 'InvalidPartNumber')
  }
  if (!range || !isRangeCurrent(ifRange, record)) return { ...wholeOf(record), isPartial: false }
  return { ...rangeSpan(range, sizeBytes), isPartial: true }
}

type CheckedSpan = ByteSpan & Pick<ReadPlan, 'checksum'>

function wholeOf({ sizeBytes, checksum }: ObjectVersion): CheckedSpan {
  return { offset: 0, length: sizeBytes, ...(checksum ? { checksum } : undefined) }
}

function partSpan(table: PartTable | undefined, record: ObjectVersion, partNumber: number): CheckedSpan | undefined {
  if (!table) return partNumber === 1 ? wholeOf(record) : undefined
  const index = table.parts.findIndex(({ number }) => number === partNumber)
  const part = table.parts[index]
  const offset = table.offsets[index]
  if (!part || offset === undefined) return undefined
  // The type says how the object's checksum is made of those of its parts.
  const checksum = record.checksum && part.checksum && { ...part.checksum, type: record.checksum.type }
  return { offset, length: part.sizeBytes, ...(checksum ? { checksum } : undefined) }
}

function rangeSpan(range: RangeRequest, sizeBytes: number): ByteSpan {
  if ('suffixLength' in range) {
    const length = Math.min(range.suffixLength, sizeBytes)
    if (length > 0) return { offset: sizeBytes - length, length }
  } else if (range.first < sizeBytes) {
    const last = Math.min(range.last ?? sizeBytes - 1, sizeBytes - 1)
    if (last >= range.first) return { offset: range.first, length: last - range.first + 1 }
  }
  throw new EngineError('InvalidRange', { fields: { ActualObjectSize: String(sizeBytes) } })
}
