/**
 * The record of a bucket: the value of `bucket/id` (docs/formats/metadata-records.md).
 *
 * @module
 */

import { StorageError } from '@strongroom/storage'
import { RecordReader, RecordWriter } from './codec.ts'
import type {
  AccountId,
  BucketEncryption,
  ObjectOwnership,
  PublicAccessBlock,
  Tags,
  VersioningState,
} from './contract.ts'
import { type Overflow, readTags, writeTags } from './details.ts'
import { idBytes } from './ids.ts'

export interface BucketRecord {
  readonly name: string
  readonly ownerAccountId: AccountId
  readonly createdAtMs: number
  /** `deleting`: it is being found out whether the bucket is empty; nothing may be written meanwhile. */
  readonly state: 'active' | 'deleting'
  /** When it got into this state: a deletion that was cut short counts for nothing after a while. */
  readonly stateSinceMs: number
  readonly versioning: VersioningState
  readonly encryption?: BucketEncryption
  readonly tags?: Tags
  /** Where the tags are if they outgrew the record. */
  readonly overflow?: Overflow
  readonly publicAccessBlock?: PublicAccessBlock
  readonly objectOwnership?: ObjectOwnership
}

/** Of a record that ends with its tags; `accessFormat` has what says who may reach the bucket after them. */
const format = 1
const accessFormat = 2

/** Data depends on the order of these. */
const states: readonly BucketRecord['state'][] = ['active', 'deleting']
const versioningStates: readonly VersioningState[] = ['unset', 'enabled', 'suspended']
const algorithms: readonly BucketEncryption['algorithm'][] = ['AES256', 'aws:kms', 'aws:kms:dsse']
const ownerships = ['none', 'BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const
const blockFlags = ['blockPublicAcls', 'ignorePublicAcls', 'blockPublicPolicy', 'restrictPublicBuckets'] as const
/** Set where there is a block, all of whose flags may be off. */
const hasBlock = 1 << blockFlags.length
const tagPlaces = ['none', 'record', 'overflow'] as const

/** Longest id of a default key; what is longer could be written and never read again. */
const maxKeyIdBytes = 2_048

function writeEncryption(writer: RecordWriter, encryption: BucketEncryption): void {
  writer.u8(algorithms.indexOf(encryption.algorithm))
  writer.u8((encryption.bucketKeyEnabled ? 1 : 0) | (encryption.blocksSseC ? 2 : 0) | (encryption.keyId ? 4 : 0))
  if (encryption.keyId === undefined || encryption.keyId === '') return
  if (Buffer.byteLength(encryption.keyId) > maxKeyIdBytes) throw new StorageError('invalid', 'a key id is too long')
  writer.text(encryption.keyId)
}

function readEncryption(reader: RecordReader): BucketEncryption {
  const algorithm = reader.oneOf(algorithms)
  const bits = reader.u8()
  if (bits > 7) reader.fail('unknown flags')
  return {
    algorithm,
    bucketKeyEnabled: (bits & 1) !== 0,
    blocksSseC: (bits & 2) !== 0,
    ...(bits & 4 ? { keyId: reader.text(maxKeyIdBytes) } : undefined),
  }
}

function blockBits(block: PublicAccessBlock | undefined): number {
  return block ? blockFlags.reduce((bits, name, at) => bits | (block[name] ? 1 << at : 0), hasBlock) : 0
}

function readAccess(reader: RecordReader): Pick<BucketRecord, 'publicAccessBlock' | 'objectOwnership'> {
  const bits = reader.u8()
  if (bits !== 0 && bits >> blockFlags.length !== 1) reader.fail('unknown flags')
  const isOn = (at: number): boolean => (bits & (1 << at)) !== 0
  const publicAccessBlock: PublicAccessBlock = {
    blockPublicAcls: isOn(0),
    ignorePublicAcls: isOn(1),
    blockPublicPolicy: isOn(2),
    restrictPublicBuckets: isOn(3),
  }
  const ownership = reader.oneOf(ownerships)
  if (bits === 0 && ownership === 'none') reader.fail('nothing in it that needs its format')
  return {
    ...(bits ? { publicAccessBlock } : undefined),
    ...(ownership === 'none' ? undefined : { objectOwnership: ownership }),
  }
}

/** The bytes of a record. Tags are left out if the record has an overflow: its chunks hold them. */
export function encodeBucketRecord(record: BucketRecord): Buffer {
  const { publicAccessBlock, objectOwnership } = record
  const hasAccess = publicAccessBlock !== undefined || objectOwnership !== undefined
  const writer = new RecordWriter(hasAccess ? accessFormat : format)
  writer.text(record.name).text(record.ownerAccountId).u64(record.createdAtMs)
  writer.u8(states.indexOf(record.state)).u64(record.stateSinceMs).u8(versioningStates.indexOf(record.versioning))
  writer.u8(record.encryption === undefined ? 0 : 1)
  if (record.encryption !== undefined) writeEncryption(writer, record.encryption)
  if (record.overflow !== undefined) {
    writer.u8(tagPlaces.indexOf('overflow')).fixed(record.overflow.id, idBytes).uint(record.overflow.chunkCount)
  } else if (record.tags !== undefined) {
    writeTags(writer.u8(tagPlaces.indexOf('record')), record.tags)
  } else {
    writer.u8(tagPlaces.indexOf('none'))
  }
  if (hasAccess) writer.u8(blockBits(publicAccessBlock)).u8(ownerships.indexOf(objectOwnership ?? 'none'))
  return writer.finish()
}

/** @throws StorageError `corrupt` */
export function decodeBucketRecord(bytes: Uint8Array): BucketRecord {
  const reader = new RecordReader(bytes, 'bucket', format, accessFormat)
  const common = {
    name: reader.text(255),
    ownerAccountId: reader.text(64),
    createdAtMs: reader.u64(),
    state: reader.oneOf(states),
    stateSinceMs: reader.u64(),
    versioning: reader.oneOf(versioningStates),
    ...(reader.oneOf([false, true]) ? { encryption: readEncryption(reader) } : undefined),
  }
  const place = reader.oneOf(tagPlaces)
  const rest =
    place === 'none'
      ? undefined
      : place === 'record'
        ? { tags: readTags(reader) }
        : { overflow: { id: Buffer.from(reader.fixed(idBytes)), chunkCount: reader.uint(16) } }
  const access = reader.format === accessFormat ? readAccess(reader) : undefined
  reader.end()
  return { ...common, ...rest, ...access }
}

const tagsFormat = 1

/** A bucket's tags as bytes of their own, for overflow chunks. */
export function encodeBucketTags(tags: Tags): Buffer {
  const writer = new RecordWriter(tagsFormat)
  writeTags(writer, tags)
  return writer.finish()
}

/** @throws StorageError `corrupt` */
export function decodeBucketTags(bytes: Uint8Array): Tags {
  const reader = new RecordReader(bytes, 'bucket tags', tagsFormat)
  const tags = readTags(reader)
  reader.end()
  return tags
}
