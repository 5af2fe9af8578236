/**
 * Buckets filled with records directly, for tests of listings.
 *
 * @module
 */

import { RecordSealer } from '@strongroom/crypto'
import { MemoryMetadataStore } from '@strongroom/storage'
import { CommitDraft } from './commit-draft.ts'
import type { Bucket } from './contract.ts'
import { noDetails } from './details.ts'
import { encodeObjectRecord, type ObjectRecord } from './object-record.ts'
import { RecordStore } from './record-store.ts'
import { objectKey, uploadKey, versionKey } from './tables.ts'
import { encodeUploadRecord } from './upload-record.ts'

const envelope = {
  mode: 'none',
  form: 'object',
  iv: Buffer.alloc(32),
  sealedObjectKey: Buffer.alloc(64),
  keyringKeyId: 1,
  salt: Buffer.alloc(16),
} as const

/** A record whose sequence shows in its size and entity tag. */
export function recordOf(sequence: number, rest: Partial<ObjectRecord> = {}): ObjectRecord {
  const common = { sequence, isNull: false, inVersions: true, lastModifiedMs: sequence, ownerAccountId: '111122223333' }
  if (rest.kind === 'delete-marker') return { ...common, ...rest, kind: 'delete-marker' }
  return {
    kind: 'object',
    ...common,
    sizeBytes: sequence,
    etag: { digest: Buffer.alloc(16, sequence), partCount: 0 },
    details: noDetails,
    tagCount: 0,
    envelope,
    data: { kind: 'none' },
    ...rest,
  } as ObjectRecord
}

/** A store with records, and what listings need of the engine. */
export class ListingStore {
  readonly metadata = new MemoryMetadataStore()
  readonly records = new RecordStore(new RecordSealer({ currentKeyId: 1, keys: new Map([[1, Buffer.alloc(32, 1)]]) }))
  readonly bucketId = Buffer.alloc(16, 7)
  readonly bucket: Bucket = {
    id: this.bucketId.toString('hex'),
    name: 'bucket',
    ownerAccountId: '111122223333',
    createdAtMs: 0,
    versioning: 'enabled',
    recordVersion: 1,
  }

  /** The versions of a name, newest first. */
  async put(name: string, versions: readonly ObjectRecord[]): Promise<void> {
    const [current] = versions
    if (!current) return
    const draft = new CommitDraft(this.records)
    draft.putRecord(objectKey.encode(this.bucketId, name), encodeObjectRecord(current))
    if (current.inVersions) {
      for (const version of versions) {
        draft.putRecord(versionKey.encode(this.bucketId, name, version.sequence), encodeObjectRecord(version))
      }
    }
    await this.metadata.commit(draft.toCommit())
  }

  async putUpload(name: string, uploadId: Uint8Array): Promise<void> {
    const body = encodeUploadRecord({
      initiatedAtMs: 5,
      ownerAccountId: '111122223333',
      details: noDetails,
      envelope: { ...envelope, form: 'upload' },
      sealedTableKey: Buffer.alloc(64),
    })
    const draft = new CommitDraft(this.records).putRecord(uploadKey.encode(this.bucketId, name, uploadId), body)
    await this.metadata.commit(draft.toCommit())
  }
}
