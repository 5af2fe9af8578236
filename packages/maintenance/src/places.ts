/**
 * The tables of the metadata store as places: which record a key belongs to, in words that its owner knows.
 *
 * @module
 */

import {
  blobKey,
  bucketCountKey,
  bucketKey,
  bucketNameKey,
  dataKey,
  formatId,
  garbageBlobKey,
  garbageTableKey,
  garbageUploadKey,
  keyCountKey,
  keyKey,
  keyNameKey,
  manifestKey,
  objectKey,
  ownedBucketKey,
  partKey,
  sessionKey,
  tableKey,
  uploadKey,
  useUploadKey,
  useVersionKey,
  versionKey,
} from '@strongroom/engine'
import type { Place } from './findings.ts'

/** Tags of the accounts' tables. */
export const accountTags = { first: 0x60, last: 0x7f } as const

/** How a bucket is called; its id if it has no record. */
export type BucketNames = (bucketId: Uint8Array) => string

interface TablePlace {
  readonly tag: number
  readonly table: string
  readonly place: (key: Uint8Array, names: BucketNames) => Omit<Place, 'table'>
}

const sequenceText = (sequence: number): string => sequence.toString(16).padStart(16, '0')

const tables: readonly TablePlace[] = [
  { tag: bucketNameKey.tag, table: 'name', place: (key) => ({ bucket: bucketNameKey.decode(key)[0] }) },
  { tag: ownedBucketKey.tag, table: 'owned', place: (key) => ({ bucket: ownedBucketKey.decode(key)[1] }) },
  { tag: bucketKey.tag, table: 'bucket', place: (key, names) => ({ bucket: names(bucketKey.decode(key)[0]) }) },
  {
    tag: objectKey.tag,
    table: 'object',
    place(key, names) {
      const [bucketId, name] = objectKey.decode(key)
      return { bucket: names(bucketId), name }
    },
  },
  {
    tag: versionKey.tag,
    table: 'version',
    place(key, names) {
      const [bucketId, name, sequence] = versionKey.decode(key)
      return { bucket: names(bucketId), name, versionId: sequenceText(sequence) }
    },
  },
  {
    tag: uploadKey.tag,
    table: 'upload',
    place(key, names) {
      const [bucketId, name, uploadId] = uploadKey.decode(key)
      return { bucket: names(bucketId), name, uploadId: formatId(uploadId) }
    },
  },
  {
    tag: partKey.tag,
    table: 'part',
    place(key) {
      const [uploadId, partNumber] = partKey.decode(key)
      return { uploadId: formatId(uploadId), partNumber }
    },
  },
  { tag: manifestKey.tag, table: 'manifest', place: (key) => ({ id: formatId(manifestKey.decode(key)[0]) }) },
  { tag: dataKey.tag, table: 'data', place: (key) => ({ blobId: formatId(dataKey.decode(key)[0]) }) },
  { tag: blobKey.tag, table: 'blob', place: (key) => ({ blobId: formatId(blobKey.decode(key)[0]) }) },
  { tag: tableKey.tag, table: 'table', place: (key) => ({ id: formatId(tableKey.decode(key)[0]) }) },
  { tag: garbageBlobKey.tag, table: 'garbage', place: (key) => ({ blobId: formatId(garbageBlobKey.decode(key)[0]) }) },
  { tag: garbageTableKey.tag, table: 'garbage', place: (key) => ({ id: formatId(garbageTableKey.decode(key)[0]) }) },
  {
    tag: garbageUploadKey.tag,
    table: 'garbage',
    place: (key) => ({ uploadId: formatId(garbageUploadKey.decode(key)[0]) }),
  },
  { tag: sessionKey.tag, table: 'session', place: (key) => ({ id: formatId(sessionKey.decode(key)[0]) }) },
  { tag: keyKey.tag, table: 'key', place: (key) => ({ id: formatId(keyKey.decode(key)[0]) }) },
  { tag: keyNameKey.tag, table: 'keyname', place: (key) => ({ key: keyNameKey.decode(key)[0] }) },
  {
    tag: useVersionKey.tag,
    table: 'use',
    place(key, names) {
      const [keyId, , bucketId, name, sequence] = useVersionKey.decode(key)
      return { bucket: names(bucketId), name, versionId: sequenceText(sequence), id: formatId(keyId) }
    },
  },
  {
    tag: useUploadKey.tag,
    table: 'useupload',
    place(key, names) {
      const [keyId, , bucketId, uploadId] = useUploadKey.decode(key)
      return { bucket: names(bucketId), uploadId: formatId(uploadId), id: formatId(keyId) }
    },
  },
  {
    tag: bucketCountKey.tag,
    table: 'count',
    place: (key, names) => ({ bucket: names(bucketCountKey.decode(key)[0]) }),
  },
  {
    tag: keyCountKey.tag,
    table: 'keycount',
    place(key, names) {
      const [keyId, , bucketId] = keyCountKey.decode(key)
      return { bucket: names(bucketId), id: formatId(keyId) }
    },
  },
]

const byTag = new Map(tables.map((table) => [table.tag, table]))

/** Whether keys with this first byte are the engine's or the accounts'. */
export function isKnownTag(tag: number): boolean {
  return byTag.has(tag) || isAccountTag(tag)
}

export function isAccountTag(tag: number): boolean {
  return tag >= accountTags.first && tag <= accountTags.last
}

const referringTags: ReadonlySet<number> = new Set([
  bucketKey.tag,
  objectKey.tag,
  versionKey.tag,
  uploadKey.tag,
  partKey.tag,
  manifestKey.tag,
  garbageUploadKey.tag,
])

/** Whether the records of a key's table refer to stored data, part tables or details. */
export function mayRefer(key: Uint8Array): boolean {
  return referringTags.has(key[0] ?? -1)
}

/** The place of an entry, as far as its key says. Never throws. */
export function placeOfKey(key: Uint8Array, names: BucketNames): Place {
  const tag = key[0] ?? -1
  const table = byTag.get(tag)
  if (!table) return { table: isAccountTag(tag) ? 'account' : `0x${tag.toString(16)}` }
  try {
    return { table: table.table, ...table.place(key, names) }
  } catch {
    // A key that is no key of its table: all there is to say is which table.
    return { table: table.table, id: formatId(key) }
  }
}
