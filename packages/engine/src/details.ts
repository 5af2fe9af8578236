/**
 * The part of an object's record that a listing does not need and that can outgrow one value: headers, user metadata,
 * tags and the encryption context. What is too large for the record itself goes to overflow chunks
 * (docs/formats/metadata-records.md, "Overflow").
 *
 * @module
 */

import { RecordReader, RecordWriter } from './codec.ts'
import type { ObjectMetadata, Tags } from './contract.ts'

/** What clients say about an object, besides its bytes. */
export interface Details {
  readonly metadata: ObjectMetadata
  readonly tags: Tags
  /** Canonical JSON of the client's encryption context; absent if it sent none. */
  readonly context?: Uint8Array
}

/** Where the details are if not in the record. The chunks belong to this one version and are never shared. */
export interface Overflow {
  /** 16 bytes; the chunks are `manifest/id/0` and so on. */
  readonly id: Uint8Array
  readonly chunkCount: number
}

/** Data depends on the order: bit n of the header bitmap. Storage class is part of the record's head, for listings. */
const headers = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'expires',
  'websiteRedirectLocation',
] as const

const contextBit = 0x80
const maxTextBytes = 65_536
const maxTags = 50
const maxUserMetadata = 4_096

/** The details of an object without any. */
export const noDetails: Details = { metadata: { userMetadata: new Map() }, tags: [] }

/** Appends tags. */
export function writeTags(writer: RecordWriter, tags: Tags): void {
  writer.uint(tags.length)
  for (const tag of tags) writer.text(tag.key).text(tag.value)
}

/** Takes off what {@link writeTags} appended. */
export function readTags(reader: RecordReader): Tags {
  const count = reader.uint(maxTags)
  const tags: { key: string; value: string }[] = []
  for (let i = 0; i < count; i += 1) tags.push({ key: reader.text(maxTextBytes), value: reader.text(maxTextBytes) })
  return tags
}

/** Appends the details, but for the storage class. */
export function writeDetails(writer: RecordWriter, details: Details): void {
  const { metadata, tags, context } = details
  let bits = context === undefined ? 0 : contextBit
  headers.forEach((name, bit) => {
    if (metadata[name] !== undefined) bits |= 1 << bit
  })
  writer.u8(bits)
  for (const name of headers) {
    const value = metadata[name]
    if (value !== undefined) writer.text(value)
  }
  writer.uint(metadata.userMetadata.size)
  for (const [name, value] of metadata.userMetadata) writer.text(name).text(value)
  writeTags(writer, tags)
  if (context !== undefined) writer.bytes(context)
}

/** Takes off what {@link writeDetails} appended and puts the storage class back. */
export function readDetails(reader: RecordReader, storageClass: string | undefined): Details {
  const bits = reader.u8()
  const metadata: { -readonly [K in keyof ObjectMetadata]: ObjectMetadata[K] } = { userMetadata: new Map() }
  for (let bit = 0; bit < headers.length; bit += 1) {
    const name = headers[bit]
    if (name !== undefined && bits & (1 << bit)) metadata[name] = reader.text(maxTextBytes)
  }
  const userMetadata = new Map<string, string>()
  const count = reader.uint(maxUserMetadata)
  for (let i = 0; i < count; i += 1) userMetadata.set(reader.text(maxTextBytes), reader.text(maxTextBytes))
  metadata.userMetadata = userMetadata
  if (storageClass !== undefined) metadata.storageClass = storageClass
  const tags = readTags(reader)
  if ((bits & contextBit) === 0) return { metadata, tags }
  return { metadata, tags, context: Buffer.from(reader.bytes(maxTextBytes)) }
}

const detailsFormat = 1

/** Details as bytes of their own, for overflow chunks. */
export function encodeDetails(details: Details): Buffer {
  const writer = new RecordWriter(detailsFormat, 8_192)
  writeDetails(writer, details)
  return writer.finish()
}

/** @throws StorageError `corrupt` */
export function decodeDetails(bytes: Uint8Array, storageClass: string | undefined): Details {
  const reader = new RecordReader(bytes, 'details', detailsFormat)
  const details = readDetails(reader, storageClass)
  reader.end()
  return details
}
