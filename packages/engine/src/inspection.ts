/**
 * What maintenance needs of the engine's inside: tables, records, the one function for derived changes, and the keys of
 * stored data. Nothing that serves requests imports it.
 *
 * @module
 */

export { type BucketRecord, decodeBucketRecord, decodeBucketTags, encodeBucketRecord } from './bucket-record.ts'
export { CommitDraft } from './commit-draft.ts'
export { type Attempt, CommitLoop } from './commit-loop.ts'
export { type Holder, type Reference, Tally } from './contributions.ts'
export { type Details, decodeDetails, type Overflow } from './details.ts'
export { unsealUpload, unsealVersion } from './envelope.ts'
export type { Envelope, KmsEnvelope } from './envelope-record.ts'
export {
  decodeBlobRecord,
  decodeGarbageRecord,
  decodeSessionRecord,
  encodeBlobRecord,
  encodeGarbageRecord,
  encodeSessionRecord,
  type GarbageRecord,
  type SessionRecord,
} from './housekeeping-records.ts'
export { blobIdBytes, formatId, idBytes, parseId, sessionIdBytes } from './ids.ts'
export { decodeKeyRecord, type KeyRecord } from './key-record.ts'
export { type LayerKeys, zeroLayers } from './layer-keys.ts'
export {
  type DeleteMarker,
  decodeObjectRecord,
  encodeObjectRecord,
  type ObjectRecord,
  type ObjectVersion,
  type StoredData,
  type StoredStream,
} from './object-record.ts'
export { boundContentOf } from './open-version.ts'
export { decodePartTableChunk, maxParts, partTableDigest, type TablePart } from './part-table.ts'
export { includedBitmap, isIncluded } from './reclaimer.ts'
export { RecordStore } from './record-store.ts'
export { isKeyInKms, type MissingDataKey, openStoredDataKey } from './stored-data-key.ts'
export * from './tables.ts'
export { openRange, storedSize } from './two-layers.ts'
export {
  decodePartRecord,
  decodeUploadRecord,
  type PartRecord,
  type Segment,
  type UploadRecord,
} from './upload-record.ts'
export { formatVersionId } from './version-id.ts'
export { versionOf } from './version-slot.ts'
