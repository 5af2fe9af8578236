/**
 * Arbitrary records for property tests.
 *
 * @module
 */

import fc from 'fast-check'
import type { BucketRecord } from './bucket-record.ts'
import type { BucketEncryption, ObjectChecksum, ObjectMetadata, Tags } from './contract.ts'
import type { Details } from './details.ts'
import type { Envelope } from './envelope-record.ts'
import type { KeyRecord } from './key-record.ts'
import type { ObjectRecord, StoredData } from './object-record.ts'
import type { TablePart } from './part-table.ts'
import type { PartRecord, Segment, UploadRecord } from './upload-record.ts'

/** Buffers, for decoders return views that are Buffers. */
export function bytesOf(minLength: number, maxLength = minLength): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes))
}

/** Drops keys whose value is undefined, as `exactOptionalPropertyTypes` wants it. */
function compact<T>(value: unknown): T {
  return Object.fromEntries(Object.entries(value as object).filter(([, v]) => v !== undefined)) as T
}

function optional<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(values, { nil: undefined })
}

const text = fc.string({ unit: 'binary', maxLength: 30 })
const account = fc.stringMatching(/^[0-9]{12}$/)
const millis = fc.integer({ min: 0, max: 4e12 })
const size = fc.integer({ min: 0, max: 5 * 2 ** 40 })
const sequence = fc.integer({ min: 0, max: 2 ** 52 })

export const tagsArbitrary: fc.Arbitrary<Tags> = fc.array(fc.record({ key: text, value: text }), { maxLength: 10 })

const metadataArbitrary = fc
  .record({
    contentType: optional(text),
    cacheControl: optional(text),
    contentDisposition: optional(text),
    contentEncoding: optional(text),
    contentLanguage: optional(text),
    expires: optional(text),
    websiteRedirectLocation: optional(text),
    userMetadata: fc.array(fc.tuple(text, text), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  })
  .map((value) => compact<ObjectMetadata>(value))

export const detailsArbitrary: fc.Arbitrary<Details> = fc
  .record({ metadata: metadataArbitrary, tags: tagsArbitrary, context: optional(bytesOf(0, 60)) })
  .map((value) => compact<Details>(value))

const checksumArbitrary: fc.Arbitrary<ObjectChecksum> = fc.record({
  algorithm: fc.constantFrom('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'),
  type: fc.constantFrom('FULL_OBJECT', 'COMPOSITE'),
  value: fc.base64String({ maxLength: 44 }),
})

const envelopeCommon = {
  form: fc.constantFrom('object' as const, 'upload' as const),
  iv: bytesOf(32),
  sealedObjectKey: bytesOf(64),
}

export const envelopes: fc.Arbitrary<Envelope> = fc.oneof(
  fc.record({
    mode: fc.constant('none' as const),
    ...envelopeCommon,
    keyringKeyId: fc.nat(),
    salt: bytesOf(16),
  }),
  fc.record({ mode: fc.constant('sse-c' as const), ...envelopeCommon, keyMd5: bytesOf(16) }),
  fc.record({
    mode: fc.constantFrom('sse-s3' as const, 'sse-kms' as const),
    ...envelopeCommon,
    keyId: bytesOf(16),
    keyVersion: fc.integer({ min: 1, max: 1_000 }),
    shownKeyId: text,
    bucketKey: fc.boolean(),
    dataKeyCiphertext: bytesOf(1, 200),
  }),
  fc.record({
    mode: fc.constant('dsse-kms' as const),
    ...envelopeCommon,
    keyId: bytesOf(16),
    keyVersion: fc.integer({ min: 1, max: 1_000 }),
    shownKeyId: text,
    bucketKey: fc.constant(false),
    dataKeyCiphertext: bytesOf(1, 200),
    sealedInnerKey: bytesOf(64),
    innerDataKeyCiphertext: bytesOf(1, 200),
  }),
)

const plainStream = { blobId: bytesOf(24), isInline: fc.boolean(), nonce: bytesOf(12), sealedKey: bytesOf(64) }
const stream = { ...plainStream, layers: fc.constant(2 as const) }

const datas: fc.Arbitrary<StoredData> = fc.oneof(
  fc.record({ kind: fc.constant('none' as const) }),
  fc.record({ kind: fc.constant('single' as const), ...plainStream }),
  fc.record({ kind: fc.constant('single' as const), ...stream }),
  fc.record({
    kind: fc.constant('manifest' as const),
    id: bytesOf(16),
    partCount: fc.integer({ min: 1, max: 10_000 }),
    chunkCount: fc.nat(300),
    tableDigest: bytesOf(32),
    sealedTableKey: bytesOf(64),
  }),
)

const versionHead = {
  sequence,
  isNull: fc.boolean(),
  inVersions: fc.boolean(),
  nullSequence: optional(sequence),
  lastModifiedMs: millis,
  ownerAccountId: account,
}

export const objectRecords: fc.Arbitrary<ObjectRecord> = fc.oneof(
  fc
    .record({ kind: fc.constant('delete-marker' as const), ...versionHead })
    .map((value) => compact<ObjectRecord>(value)),
  fc
    .record({
      kind: fc.constant('object' as const),
      ...versionHead,
      sizeBytes: size,
      etag: fc.record({ digest: bytesOf(16), partCount: fc.nat(10_000) }),
      checksum: optional(checksumArbitrary),
      storageClass: optional(fc.constantFrom('GLACIER', 'STANDARD_IA')),
      details: detailsArbitrary,
      envelope: envelopes,
      data: datas,
    })
    .map((value) => {
      const { storageClass, details } = value
      const metadata = storageClass === undefined ? details.metadata : { ...details.metadata, storageClass }
      return compact<ObjectRecord>({ ...value, details: { ...details, metadata }, tagCount: details.tags.length })
    }),
)

export const segments: fc.Arbitrary<Segment> = fc.oneof(
  fc.record({ sizeBytes: size, ...plainStream }),
  fc.record({ sizeBytes: size, ...stream }),
)

export const partRecords: fc.Arbitrary<PartRecord> = fc
  .record({
    lastModifiedMs: millis,
    sizeBytes: size,
    etag: bytesOf(16),
    checksum: optional(checksumArbitrary),
    segments: fc.array(segments, { maxLength: 5 }),
  })
  .map((value) => compact<PartRecord>(value))

export const tableParts: fc.Arbitrary<TablePart[]> = fc.array(
  fc
    .record({
      number: fc.integer({ min: 1, max: 10_000 }),
      sizeBytes: size,
      checksum: optional(checksumArbitrary),
      segments: fc.array(segments, { maxLength: 60 }),
    })
    .map((value) => compact<TablePart>(value)),
  { maxLength: 40 },
)

export const uploadRecords: fc.Arbitrary<UploadRecord> = fc
  .record({
    initiatedAtMs: millis,
    ownerAccountId: account,
    completingSession: optional(bytesOf(8)),
    checksum: optional(
      fc.record({
        algorithm: fc.constantFrom('CRC32' as const, 'CRC64NVME' as const, 'SHA256' as const),
        type: fc.constantFrom('FULL_OBJECT' as const, 'COMPOSITE' as const),
      }),
    ),
    details: detailsArbitrary,
    envelope: envelopes,
    sealedTableKey: bytesOf(64),
  })
  .map((value) => compact<UploadRecord>(value))

const bucketEncryption: fc.Arbitrary<BucketEncryption> = fc
  .record({
    algorithm: fc.constantFrom('AES256' as const, 'aws:kms' as const),
    keyId: optional(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })),
    bucketKeyEnabled: fc.boolean(),
    blocksSseC: fc.boolean(),
  })
  .map((value) => compact<BucketEncryption>(value))

export const bucketRecords: fc.Arbitrary<BucketRecord> = fc
  .record({
    name: fc.stringMatching(/^[a-z0-9-]{3,63}$/),
    ownerAccountId: account,
    createdAtMs: millis,
    state: fc.constantFrom('active' as const, 'deleting' as const),
    stateSinceMs: millis,
    versioning: fc.constantFrom('unset' as const, 'enabled' as const, 'suspended' as const),
    encryption: optional(bucketEncryption),
    tags: optional(tagsArbitrary),
    publicAccessBlock: optional(
      fc.record({
        blockPublicAcls: fc.boolean(),
        ignorePublicAcls: fc.boolean(),
        blockPublicPolicy: fc.boolean(),
        restrictPublicBuckets: fc.boolean(),
      }),
    ),
    objectOwnership: optional(
      fc.constantFrom('BucketOwnerEnforced' as const, 'BucketOwnerPreferred' as const, 'ObjectWriter' as const),
    ),
  })
  .map((value) => compact<BucketRecord>(value))

export const keyRecords: fc.Arbitrary<KeyRecord> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/),
  ownerAccountId: account,
  createdAtMs: millis,
  state: fc.constantFrom('active' as const, 'deleting' as const, 'deleted' as const, 'scheduled' as const),
  stateSinceMs: millis,
  grants: fc.array(account, { maxLength: 5 }),
})
