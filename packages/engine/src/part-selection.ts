/**
 * Which parts an object is going to consist of: what Complete says, checked against what is there (issue 3 section 3).
 *
 * @module
 */

import { checksumOf } from '@strongroom/crypto'
import type { CompletedPart, CompleteUploadInput, ObjectChecksum } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId } from './ids.ts'
import type { EtagValue } from './object-record.ts'
import type { TablePart } from './part-table.ts'
import { maxPartNumber } from './upload-access.ts'
import { checkPartChecksumsGiven, type UploadChecksum, wholeChecksum } from './upload-checksums.ts'
import type { PartRecord } from './upload-record.ts'

/** Smallest part but for the last: 5 MiB. */
const minPartBytes = 5 * 2 ** 20

/** Largest object: 5 TiB. */
const maxObjectBytes = 5 * 2 ** 40

/** The parts of an object, and what follows from them. */
export interface PartSelection {
  readonly parts: readonly TablePart[]
  readonly sizeBytes: number
  readonly etag: EtagValue
  readonly checksum?: ObjectChecksum
}

/** @throws EngineError `MalformedXML` for no parts or too many, `InvalidPartOrder` unless numbers ascend */
export function checkPartList(parts: readonly CompletedPart[]): void {
  if (parts.length === 0 || parts.length > maxPartNumber) throw new EngineError('MalformedXML')
  let previous = 0
  for (const { number } of parts) {
    if (number <= previous) throw new EngineError('InvalidPartOrder')
    previous = number
  }
}

/** The entity tag of an object from those of its parts (spec 1.6.9): MD5 of them all, in every encryption mode. */
export function multipartEtag(partEtags: readonly Uint8Array[]): EtagValue {
  return { digest: checksumOf('MD5', Buffer.concat(partEtags)), partCount: partEtags.length }
}

/**
 * Picks the parts and computes size, entity tag and checksum of the whole.
 *
 * @throws EngineError `InvalidPart`, `EntityTooSmall`, `EntityTooLarge`, `InvalidRequest` and `BadDigest` for promises of
 * the request that do not hold
 */
export function selectParts(
  input: CompleteUploadInput,
  uploaded: ReadonlyMap<number, PartRecord>,
  upload: UploadChecksum | undefined,
): PartSelection {
  checkPartChecksumsGiven(upload, input.parts)
  const found = input.parts.map((wanted) => findPart(wanted, uploaded))
  checkSizes(input.parts, found)
  const sizeBytes = found.reduce((sum, part) => sum + part.sizeBytes, 0)
  checkSize(input.sizeBytes, sizeBytes)
  const parts = found.map(({ sizeBytes: size, checksum, segments }, index): TablePart => {
    const number = input.parts[index]?.number ?? 0
    return { number, sizeBytes: size, segments, ...(checksum ? { checksum } : undefined) }
  })
  const checksum = upload && wholeChecksum(upload, parts)
  checkWhole(input, checksum)
  const etag = multipartEtag(found.map((part) => part.etag))
  return { parts, sizeBytes, etag, ...(checksum ? { checksum } : undefined) }
}

function findPart(wanted: CompletedPart, uploaded: ReadonlyMap<number, PartRecord>): PartRecord {
  const part = uploaded.get(wanted.number)
  const isMeant =
    part !== undefined &&
    formatId(part.etag) === wanted.etag &&
    (wanted.checksum === undefined || wanted.checksum === part.checksum?.value)
  if (isMeant) return part
  throw new EngineError('InvalidPart', { fields: { PartNumber: String(wanted.number), ETag: wanted.etag } })
}

function checkSizes(wanted: readonly CompletedPart[], found: readonly PartRecord[]): void {
  const small = found.slice(0, -1).findIndex((part) => part.sizeBytes < minPartBytes)
  if (small < 0) return
  throw new EngineError('EntityTooSmall', {
    fields: {
      ProposedSize: String(found[small]?.sizeBytes ?? 0),
      MinSizeAllowed: String(minPartBytes),
      PartNumber: String(wanted[small]?.number ?? 0),
      ETag: wanted[small]?.etag ?? '',
    },
  })
}

function checkSize(promised: number | undefined, sizeBytes: number): void {
  if (sizeBytes > maxObjectBytes) {
    throw new EngineError('EntityTooLarge', {
      fields: { ProposedSize: String(sizeBytes), MaxSizeAllowed: String(maxObjectBytes) },
    })
  }
  if (promised === undefined || promised === sizeBytes) return
  throw new EngineError('InvalidRequest', {
    message: `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${sizeBytes}`,
  })
}

function checkWhole({ checksum, checksumType }: CompleteUploadInput, computed: ObjectChecksum | undefined): void {
  if (checksumType !== undefined && checksumType !== computed?.type) {
    const mode = computed ? `the ${computed.type} checksum mode` : 'no checksum'
    throw new EngineError('InvalidRequest', {
      message: `The upload was created using ${mode}. The complete request must use the same checksum mode.`,
    })
  }
  if (checksum === undefined) return
  if (!computed) {
    throw new EngineError('InvalidRequest', { message: 'The upload was created without a checksum algorithm.' })
  }
  // A composite checksum may be sent with the number of parts behind it, or without.
  if (checksum === computed.value || (computed.type === 'COMPOSITE' && computed.value.startsWith(`${checksum}-`)))
    return
  throw new EngineError('BadDigest', {
    message: `The ${computed.algorithm} you specified did not match the calculated checksum.`,
  })
}
