/**
 * The cryptography of envelopes (DESIGN 6, docs/formats/envelopes.md): data key → KEK, bound to everything that identifies
 * and describes the content → object key. Two records swapped, a part table replaced, a size changed: none opens.
 *
 * @module
 */

import { CanonicalDigest, CryptoError, deriveKek, type KekBinding, sealKey, unsealKey, zero } from '@strongroom/crypto'
import { corrupt } from './codec.ts'
import type { CustomerEnvelope, DualEnvelope, Envelope, KmsEnvelope, PlainEnvelope } from './envelope-record.ts'
import { ivBytes } from './envelope-record.ts'
import { idBytes, type Random } from './ids.ts'
import type { LayerKeys } from './layer-keys.ts'
import { type ObjectVersion, type StoredData, streamBits } from './object-record.ts'

type KeyOf<E extends Envelope> = Omit<E, 'form' | 'iv' | 'sealedObjectKey' | 'sealedInnerKey'>

/** Which data key protects a version: an envelope without what is sealed. */
export type EnvelopeKey = KeyOf<PlainEnvelope> | KeyOf<KmsEnvelope> | KeyOf<DualEnvelope> | KeyOf<CustomerEnvelope>

/** What a version's object key is bound to, besides the key that seals it. */
export type BoundContent = Pick<ObjectVersion, 'sequence' | 'isNull' | 'sizeBytes' | 'etag' | 'checksum' | 'data'> & {
  readonly bucketId: Uint8Array
  readonly name: string
  /** Canonical JSON of the client's encryption context. */
  readonly context: Uint8Array | undefined
}

/** What an upload's object key is bound to. */
export interface BoundUpload {
  readonly bucketId: Uint8Array
  readonly name: string
  readonly uploadId: Uint8Array
  readonly context: Uint8Array | undefined
}

/** Frozen: stored envelopes depend on these labels and on the order of the fields below. */
const objectLabel = 'strongroom object v1'
const uploadLabel = 'strongroom upload v1'

/** Seals an object key for a version. The data key stays the caller's. */
export function sealForVersion(
  dataKey: LayerKeys,
  key: EnvelopeKey,
  content: BoundContent,
  objectKey: LayerKeys,
  random: Random,
): Envelope {
  return seal(dataKey, key, 'object', versionDigest(key, content), objectKey, random)
}

/** Seals an object key for an upload. The data key stays the caller's. */
export function sealForUpload(
  dataKey: LayerKeys,
  key: EnvelopeKey,
  upload: BoundUpload,
  objectKey: LayerKeys,
  random: Random,
): Envelope {
  return seal(dataKey, key, 'upload', uploadDigest(key, upload), objectKey, random)
}

/** The object key of a version, for each layer; the caller zeroes it. @throws CryptoError `not-authentic` */
export function unsealVersion(dataKey: LayerKeys, envelope: Envelope, content: BoundContent): LayerKeys {
  if (envelope.form === 'object') return unseal(dataKey, envelope, versionDigest(envelope, content))
  // An SSE-C object that was completed without its key keeps the upload's envelope; its part table belongs to the upload's id.
  // No other mode has that excuse: with an upload's old envelope, a record could be made to say anything.
  if (envelope.mode !== 'sse-c') throw new CryptoError('not-authentic', 'this envelope belongs to an upload')
  const uploadId = content.data.kind === 'manifest' ? content.data.id : Buffer.alloc(idBytes)
  return unseal(dataKey, envelope, uploadDigest(envelope, { ...content, uploadId }))
}

/** The object key of an upload, for each layer; the caller zeroes it. @throws CryptoError `not-authentic` */
export function unsealUpload(dataKey: LayerKeys, envelope: Envelope, upload: BoundUpload): LayerKeys {
  return unseal(dataKey, envelope, uploadDigest(envelope, upload))
}

/** The key part of an envelope: for sealing another object key under the same data key. */
export function envelopeKeyOf(envelope: Envelope): EnvelopeKey {
  const { form: _form, iv: _iv, sealedObjectKey: _sealed, ...key } = envelope
  if (key.mode !== 'dsse-kms') return key
  const { sealedInnerKey: _inner, ...dual } = key
  return dual
}

/** Frozen: the domain of the KEKs of inner layers. */
const innerDomain = 'dsse-kms/inner'

function seal(
  dataKey: LayerKeys,
  key: EnvelopeKey,
  form: Envelope['form'],
  digest: Uint8Array,
  objectKey: LayerKeys,
  random: Random,
): Envelope {
  const iv = random(ivBytes)
  const sealedObjectKey = sealUnder(dataKey.outer, { iv, domain: key.mode, digest }, objectKey.outer, random)
  if (key.mode !== 'dsse-kms') return { ...key, form, iv, sealedObjectKey }
  const [innerDataKey, innerKey] = [innerOf(dataKey), innerOf(objectKey)]
  const sealedInnerKey = sealUnder(innerDataKey, { iv, domain: innerDomain, digest }, innerKey, random)
  return { ...key, form, iv, sealedObjectKey, sealedInnerKey }
}

function unseal(dataKey: LayerKeys, envelope: Envelope, digest: Uint8Array): LayerKeys {
  const { iv, mode, sealedObjectKey } = envelope
  const outer = unsealUnder(dataKey.outer, { iv, domain: mode, digest }, sealedObjectKey)
  if (mode !== 'dsse-kms') return { outer }
  try {
    const inner = unsealUnder(innerOf(dataKey), { iv, domain: innerDomain, digest }, envelope.sealedInnerKey)
    return { outer, inner }
  } catch (error) {
    zero(outer)
    throw error
  }
}

function innerOf({ inner }: LayerKeys): Buffer {
  return inner ?? corrupt('an envelope of two layers needs keys for both')
}

function sealUnder(dataKey: Uint8Array, binding: KekBinding, key: Uint8Array, random: Random): Buffer {
  const kek = deriveKek(dataKey, binding)
  try {
    return sealKey(kek, key, random)
  } finally {
    zero(kek)
  }
}

function unsealUnder(dataKey: Uint8Array, binding: KekBinding, sealedKey: Uint8Array): Buffer {
  const kek = deriveKek(dataKey, binding)
  try {
    return unsealKey(kek, sealedKey)
  } finally {
    zero(kek)
  }
}

function digestKey(digest: CanonicalDigest, key: EnvelopeKey, context: Uint8Array | undefined): CanonicalDigest {
  const kmsKey = 'keyId' in key ? key : undefined
  digest.text(key.mode)
  digest.optional(kmsKey, (d, { keyId, keyVersion, bucketKey }) =>
    d
      .bytes(keyId)
      .uint(keyVersion)
      .uint(bucketKey ? 1 : 0),
  )
  return digest.optional(context, (d, bytes) => d.bytes(bytes))
}

function versionDigest(key: EnvelopeKey, content: BoundContent): Buffer {
  const { bucketId, name, sequence, isNull, sizeBytes, etag, checksum, data } = content
  const digest = new CanonicalDigest(objectLabel).bytes(bucketId).bytes(Buffer.from(name))
  digest.uint(sequence).uint(isNull ? 1 : 0)
  digestKey(digest, key, content.context)
  digest.uint(sizeBytes).bytes(etag.digest).uint(etag.partCount)
  digest.optional(checksum, (d, { algorithm, type, value }) => d.text(algorithm).text(type).text(value))
  digestData(digest, data)
  return digest.digest()
}

function digestData(digest: CanonicalDigest, data: StoredData): void {
  digest.text(data.kind)
  if (data.kind === 'single') {
    digest.bytes(data.blobId).uint(streamBits(data)).bytes(data.nonce).bytes(data.sealedKey)
  } else if (data.kind === 'manifest') {
    digest.bytes(data.id).uint(data.partCount).uint(data.chunkCount).bytes(data.tableDigest).bytes(data.sealedTableKey)
  }
}

function uploadDigest(key: EnvelopeKey, upload: BoundUpload): Buffer {
  const digest = new CanonicalDigest(uploadLabel).bytes(upload.bucketId).bytes(Buffer.from(upload.name))
  return digestKey(digest.bytes(upload.uploadId), key, upload.context).digest()
}
