/**
 * The part table of a multipart object: written in chunks `manifest/id/n` before the commit that names it, never changed
 * afterwards, and shared by copies. A record names it by its digest (docs/formats/metadata-records.md, "Part tables").
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { RecordReader, RecordWriter } from './codec.ts'
import type { ObjectChecksum } from './contract.ts'
import { readChecksum, writeChecksum } from './object-record.ts'
import { readSegments, type Segment, writeSegments } from './upload-record.ts'

export interface TablePart {
  /** 1 to 10,000; ascending, not always without gaps. */
  readonly number: number
  readonly sizeBytes: number
  readonly checksum?: ObjectChecksum
  readonly segments: readonly Segment[]
}

const format = 1

/** Above this a chunk is closed. With the largest part behind it, a chunk still fits a value. */
const maxChunkBytes = 7_000

/** Most parts of a table. */
export const maxParts = 10_000

function encodePart(part: TablePart): Buffer {
  const writer = new RecordWriter(part.checksum ? 1 : 0, 256)
  writer.uint(part.number).uint(part.sizeBytes)
  if (part.checksum) writeChecksum(writer, part.checksum)
  writeSegments(writer, part.segments)
  return writer.finish()
}

/** The chunks of a table, each a format byte and its parts. */
export function encodePartTable(parts: readonly TablePart[]): Buffer[] {
  const chunks: Buffer[] = []
  let open: Buffer[] = []
  let openBytes = 0
  const close = () => {
    if (open.length === 0) return
    const head = new RecordWriter(format, 8).uint(open.length).finish()
    chunks.push(Buffer.concat([head, ...open]))
    open = []
    openBytes = 0
  }
  for (const part of parts) {
    const encoded = encodePart(part)
    if (openBytes + encoded.length > maxChunkBytes) close()
    open.push(encoded)
    openBytes += encoded.length
  }
  close()
  return chunks
}

/** The parts of one chunk; byte fields are views of it. @throws StorageError `corrupt` */
export function decodePartTableChunk(bytes: Uint8Array): TablePart[] {
  const reader = new RecordReader(bytes, 'part table', format)
  const count = reader.uint(maxParts)
  const parts: TablePart[] = []
  for (let i = 0; i < count; i += 1) {
    const hasChecksum = reader.oneOf([false, true])
    const number = reader.uint(maxParts)
    const sizeBytes = reader.uint()
    const checksum = hasChecksum ? { checksum: readChecksum(reader) } : undefined
    parts.push({ number, sizeBytes, ...checksum, segments: readSegments(reader) })
  }
  reader.end()
  return parts
}

/** What a record names its table by: SHA-256 over the chunks, each preceded by its length. */
export function partTableDigest(chunks: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  const length = Buffer.allocUnsafe(4)
  for (const chunk of chunks) {
    length.writeUInt32BE(chunk.length)
    hash.update(length).update(chunk)
  }
  return hash.digest()
}
