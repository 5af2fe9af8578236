/**
 * Checksums of multipart uploads: which algorithm goes with which type, what parts must bring, and the checksum of the
 * whole from those of the parts.
 *
 * @module
 */

import { checksumOf, combineCrc } from '@strongroom/crypto'
import type { ChecksumAlgorithm, ChecksumType, CompletedPart, ObjectChecksum, WriteBody } from './contract.ts'
import { EngineError } from './engine-error.ts'
import type { TablePart } from './part-table.ts'

export interface UploadChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
}

/** Types that an algorithm can have in a multipart upload: only CRCs combine, and CRC64NVME is never composite. */
const types: Readonly<Record<ChecksumAlgorithm, readonly ChecksumType[]>> = {
  CRC32: ['FULL_OBJECT', 'COMPOSITE'],
  CRC32C: ['FULL_OBJECT', 'COMPOSITE'],
  CRC64NVME: ['FULL_OBJECT'],
  SHA1: ['COMPOSITE'],
  SHA256: ['COMPOSITE'],
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidRequest', { message })
}

/** @throws EngineError `InvalidRequest` */
export function checkUploadChecksum({ algorithm, type }: UploadChecksum): void {
  if (types[algorithm].includes(type)) return
  throw invalid(`The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`)
}

/** What a part's body has to be hashed with. @throws EngineError `InvalidRequest` for another algorithm than the upload's */
export function partChecksum(upload: UploadChecksum | undefined, body: WriteBody['checksum']): WriteBody['checksum'] {
  if (!upload) return body
  if (!body) return { algorithm: upload.algorithm }
  if (body.algorithm === upload.algorithm) return body
  throw invalid(
    `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: ${body.algorithm.toLowerCase()}`,
  )
}

/**
 * A composite checksum is only as good as the parts that the client says it consists of: it has to name theirs.
 *
 * @throws EngineError `InvalidRequest`
 */
export function checkPartChecksumsGiven(upload: UploadChecksum | undefined, parts: readonly CompletedPart[]): void {
  if (upload?.type !== 'COMPOSITE') return
  const missing = parts.find((part) => part.checksum === undefined)
  if (!missing) return
  const algorithm = upload.algorithm.toLowerCase()
  throw invalid(
    `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${missing.number} in the request.`,
  )
}

/** The checksum of an object from its parts', all of which have one of the upload's algorithm. */
export function wholeChecksum(
  { algorithm, type }: UploadChecksum,
  parts: readonly Pick<TablePart, 'checksum' | 'sizeBytes'>[],
): ObjectChecksum {
  const values = parts.map((part) => Buffer.from(part.checksum?.value ?? '', 'base64'))
  if (type === 'COMPOSITE') {
    const digest = checksumOf(algorithm, Buffer.concat(values))
    return { algorithm, type, value: `${digest.toString('base64')}-${parts.length}` }
  }
  if (algorithm === 'SHA1' || algorithm === 'SHA256') throw invalid(`${algorithm} checksums do not combine.`)
  let whole: Buffer | undefined
  values.forEach((value, index) => {
    whole = whole ? combineCrc(algorithm, whole, value, parts[index]?.sizeBytes ?? 0) : value
  })
  return { algorithm, type, value: (whole ?? Buffer.alloc(0)).toString('base64') }
}
