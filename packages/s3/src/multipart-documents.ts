/**
 * Documents of multipart uploads: what Create answers, what Complete takes and answers.
 *
 * @module
 */

import { type ChecksumAlgorithm, checksumAlgorithms, decodeChecksum, type ObjectChecksum } from './checksum-headers.ts'
import { bareEtag } from './conditions.ts'
import { maxPartNumber, parsePartNumber } from './range.ts'
import { malformedXml, S3Error } from './s3-error.ts'
import { childText, type Pause, parseLargeXml, requireRoot, type XmlElement } from './xml-reader.ts'
import { element, quoteEtag, xmlDocument } from './xml-writer.ts'

/** Most bytes of the document of CompleteMultipartUpload. */
export const maxCompleteDocumentBytes = 4 * 1024 * 1024

/** A part as Complete names it; the same shape as the engine's. */
export interface CompletedPart {
  readonly number: number
  readonly etag: string
  /** base64 */
  readonly checksum?: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
}

/** @throws S3Error `MalformedXML`, `InvalidArgument` (part number), `InvalidPartOrder`, `InvalidRequest` (checksum) */
export async function parseComplete(body: Uint8Array, pause: Pause): Promise<readonly CompletedPart[]> {
  // No document is a list without parts.
  if (body.length === 0) throw malformedXml()
  const limits = { maxElements: maxPartNumber * 4 + 10 }
  const root = requireRoot(await parseLargeXml(body, limits, pause), 'CompleteMultipartUpload')
  if (root.children.length === 0 || root.children.length > maxPartNumber) throw malformedXml()
  const parts = root.children.map(partOf)
  for (let index = 1; index < parts.length; index++) {
    if ((parts[index - 1]?.number ?? 0) >= (parts[index]?.number ?? 0)) throw new S3Error('InvalidPartOrder')
  }
  return parts
}

const algorithms = Object.keys(checksumAlgorithms) as ChecksumAlgorithm[]

function partOf(part: XmlElement): CompletedPart {
  if (part.name !== 'Part') throw malformedXml()
  const number = childText(part, 'PartNumber')
  const etag = childText(part, 'ETag')
  if (number === undefined || etag === undefined) throw malformedXml()
  const found: CompletedPart = { number: parsePartNumber(number.trim()), etag: bareEtag(etag) }
  if (part.children.length === 2) return found
  for (const checksumAlgorithm of algorithms) {
    const checksum = childText(part, checksumAlgorithms[checksumAlgorithm].element)?.trim()
    if (checksum === undefined || checksum === '') continue
    decodeChecksum(checksumAlgorithm, checksum)
    return { ...found, checksum, checksumAlgorithm }
  }
  return found
}

/** The answer of CreateMultipartUpload. */
export function formatInitiateResult(bucket: string, name: string, uploadId: string): string {
  const content = element('Bucket', bucket) + element('Key', name) + element('UploadId', uploadId)
  return xmlDocument('InitiateMultipartUploadResult', content)
}

/** `<ChecksumCRC32>…</ChecksumCRC32><ChecksumType>…</ChecksumType>`, or nothing. */
export function checksumElements(checksum: ObjectChecksum | undefined): string {
  if (checksum === undefined) return ''
  const { algorithm, type, value } = checksum
  return element(checksumAlgorithms[algorithm].element, value) + element('ChecksumType', type)
}

/** The answer of CompleteMultipartUpload. */
export function formatCompleteResult(result: {
  readonly location: string
  readonly bucket: string
  readonly name: string
  readonly etag: string
  readonly checksum?: ObjectChecksum
}): string {
  return xmlDocument(
    'CompleteMultipartUploadResult',
    element('Location', result.location) +
      element('Bucket', result.bucket) +
      element('Key', result.name) +
      element('ETag', quoteEtag(result.etag)) +
      checksumElements(result.checksum),
  )
}
