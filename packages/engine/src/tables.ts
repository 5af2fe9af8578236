/**
 * The tables of the metadata store that the engine owns (docs/formats/metadata-records.md): one tuple definition each.
 * Tags are frozen: stored keys depend on them. 0x60 to 0x7f belong to the accounts.
 *
 * @module
 */

import { defineTuple, descending, fixedBytes, prefixEnd, text, uint64 } from '@strongroom/storage'
import { blobIdBytes, idBytes, sessionIdBytes } from './ids.ts'

/** `name/bucketName` → bucket id. */
export const bucketNameKey = defineTuple(0x01, text())

/** `owned/accountId/bucketName` → bucket id: the buckets of an account, by name. */
export const ownedBucketKey = defineTuple(0x02, text(), text())

/** `bucket/id` → BucketRecord. */
export const bucketKey = defineTuple(0x03, fixedBytes(idBytes))

/** `object/bucketId/name` → ObjectRecord: the current version. The name is last and raw: its prefixes are key prefixes. */
export const objectKey = defineTuple(0x04, fixedBytes(idBytes), text())

/** `version/bucketId/name/newest first` → ObjectRecord: every version, where versioning was ever enabled. */
export const versionKey = defineTuple(0x05, fixedBytes(idBytes), text(), descending())

/** `upload/bucketId/name/uploadId` → UploadRecord. */
export const uploadKey = defineTuple(0x06, fixedBytes(idBytes), text(), fixedBytes(idBytes))

/** `part/uploadId/number` → PartRecord. */
export const partKey = defineTuple(0x07, fixedBytes(idBytes), uint64())

/** `manifest/id/chunk` → a piece of a part table, or of details that outgrew their record. */
export const manifestKey = defineTuple(0x08, fixedBytes(idBytes), uint64())

/** `data/blobId` → the sealed bytes of a small object or part, as they are: they carry their own authentication. */
export const dataKey = defineTuple(0x09, fixedBytes(blobIdBytes))

/** `blob/blobId` → BlobRecord: reference count. See `contributions.ts` for when there is one. */
export const blobKey = defineTuple(0x0a, fixedBytes(blobIdBytes))

/** `table/manifestId` → BlobRecord: reference count of a part table. */
export const tableKey = defineTuple(0x0b, fixedBytes(idBytes))

/** `garbage/blobId` → GarbageRecord: a blob that nothing refers to any more. */
export const garbageBlobKey = defineTuple(0x0c, fixedBytes(blobIdBytes))

/** `garbage/manifestId` → GarbageRecord: a part table that nothing refers to any more. */
export const garbageTableKey = defineTuple(0x0d, fixedBytes(idBytes))

/** `garbage/uploadId` → GarbageRecord: an upload that ended and whose part records are still there. */
export const garbageUploadKey = defineTuple(0x0e, fixedBytes(idBytes))

/** `session/sessionId` → SessionRecord. */
export const sessionKey = defineTuple(0x0f, fixedBytes(sessionIdBytes))

/** `key/keyId` → KeyRecord. */
export const keyKey = defineTuple(0x10, fixedBytes(idBytes))

/** `keyname/name` → key id. */
export const keyNameKey = defineTuple(0x11, text())

/** `use/keyId/keyVersion/bucketId/name/sequence`: the versions that need a key. */
export const useVersionKey = defineTuple(0x12, fixedBytes(idBytes), uint64(), fixedBytes(idBytes), text(), uint64())

/** `useupload/keyId/keyVersion/bucketId/uploadId`: the running uploads that need a key. */
export const useUploadKey = defineTuple(0x13, fixedBytes(idBytes), uint64(), fixedBytes(idBytes), fixedBytes(idBytes))

/** `count/bucketId/what`: counters of a bucket; `what` indexes {@link bucketCounts}. */
export const bucketCountKey = defineTuple(0x14, fixedBytes(idBytes), uint64())

/** `keycount/keyId/keyVersion/bucketId/what`: counters of a key version; `what` indexes {@link keyCounts}. */
export const keyCountKey = defineTuple(0x15, fixedBytes(idBytes), uint64(), fixedBytes(idBytes), uint64())

/** Data depends on the order. */
export const bucketCounts = ['objects', 'versions', 'bytes'] as const
export type BucketCount = (typeof bucketCounts)[number]

/** Data depends on the order. */
export const keyCounts = ['objects', 'versions', 'bytes', 'uploads', 'parts', 'partBytes'] as const
export type KeyCount = (typeof keyCounts)[number]

/** The half-open range of all keys that begin with `prefix`. */
export function rangeOf(prefix: Uint8Array): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: prefix, lt: prefixEnd(prefix) }
}
