/**
 * The envelope as it is stored: which key protects a version or an upload, and the sealed object key
 * (docs/formats/envelopes.md). The cryptography on it is in `envelope.ts`.
 *
 * @module
 */

import type { RecordReader, RecordWriter } from './codec.ts'
import { idBytes } from './ids.ts'

/** Bytes of a key sealed under another: one DARE package of 32 bytes. */
export const sealedKeyBytes = 64

/** Bytes of the random value that makes every key-encrypting key a different one. */
export const ivBytes = 32

/** Bytes of the salt from which the data key of an object without server-side encryption is derived. */
export const plainSaltBytes = 16

interface EnvelopeCommon {
  /**
   * `object`: the sealed key is bound to everything that describes the version. `upload`: to the identity of the upload
   * only; running uploads have this form, and an SSE-C object that was completed without its key keeps it.
   */
  readonly form: 'object' | 'upload'
  readonly iv: Uint8Array
  /** The object key (OEK), sealed under the KEK. */
  readonly sealedObjectKey: Uint8Array
}

/** Without server-side encryption: the data key is derived from a key of the deployment's keyring. */
export interface PlainEnvelope extends EnvelopeCommon {
  readonly mode: 'none'
  readonly keyringKeyId: number
  readonly salt: Uint8Array
}

/** SSE-S3 and SSE-KMS: the data key was made by the KMS. */
export interface KmsEnvelope extends EnvelopeCommon {
  readonly mode: 'sse-s3' | 'sse-kms'
  /** 16 bytes: the record `key/keyId`. */
  readonly keyId: Uint8Array
  readonly keyVersion: number
  /** The key as the request, the bucket's rule or the deployment named it. */
  readonly shownKeyId: string
  readonly bucketKey: boolean
  readonly dataKeyCiphertext: Uint8Array
}

/**
 * DSSE-KMS: two data keys of one version of one key of the KMS, for two layers. What {@link KmsEnvelope} has is about the
 * outer layer. Never with a bucket key.
 */
export interface DualEnvelope extends Omit<KmsEnvelope, 'mode'> {
  readonly mode: 'dsse-kms'
  readonly innerDataKeyCiphertext: Uint8Array
  /** The object key of the inner layer, sealed under its KEK. */
  readonly sealedInnerKey: Uint8Array
}

/** SSE-C: the data key is the client's key. */
export interface CustomerEnvelope extends EnvelopeCommon {
  readonly mode: 'sse-c'
  /** 16 bytes: MD5 of the client's key, for the response header. */
  readonly keyMd5: Uint8Array
}

export type Envelope = PlainEnvelope | KmsEnvelope | DualEnvelope | CustomerEnvelope

export type EncryptionMode = Envelope['mode']

/** Data depends on the order. */
const modes: readonly EncryptionMode[] = ['none', 'sse-s3', 'sse-kms', 'sse-c', 'dsse-kms']

const uploadBit = 0x10
const bucketKeyBit = 0x20
const maxCiphertextBytes = 2_048
const maxShownBytes = 2_048

/** Appends an envelope. */
export function writeEnvelope(writer: RecordWriter, envelope: Envelope): void {
  let first = modes.indexOf(envelope.mode)
  if (envelope.form === 'upload') first |= uploadBit
  if ('bucketKey' in envelope && envelope.bucketKey) first |= bucketKeyBit
  writer.u8(first).fixed(envelope.iv, ivBytes).fixed(envelope.sealedObjectKey, sealedKeyBytes)
  switch (envelope.mode) {
    case 'none':
      writer.uint(envelope.keyringKeyId).fixed(envelope.salt, plainSaltBytes)
      break
    case 'sse-c':
      writer.fixed(envelope.keyMd5, 16)
      break
    default:
      writer.fixed(envelope.keyId, idBytes).uint(envelope.keyVersion).text(envelope.shownKeyId)
      writer.bytes(envelope.dataKeyCiphertext)
      if (envelope.mode !== 'dsse-kms') break
      writer.fixed(envelope.sealedInnerKey, sealedKeyBytes).bytes(envelope.innerDataKeyCiphertext)
  }
}

/** Takes off what {@link writeEnvelope} appended; byte fields are views of the record. */
export function readEnvelope(reader: RecordReader): Envelope {
  const first = reader.u8()
  const mode = modes[first & 0x0f]
  const form = first & uploadBit ? 'upload' : 'object'
  const common = { form, iv: reader.fixed(ivBytes), sealedObjectKey: reader.fixed(sealedKeyBytes) } as const
  switch (mode) {
    case 'none':
      return { mode, ...common, keyringKeyId: reader.uint(0xffffffff), salt: reader.fixed(plainSaltBytes) }
    case 'sse-c':
      return { mode, ...common, keyMd5: reader.fixed(16) }
    case 'sse-s3':
    case 'sse-kms':
      return { mode, ...common, ...readKmsKey(reader, first) }
    case 'dsse-kms':
      return {
        mode,
        ...common,
        ...readKmsKey(reader, first),
        sealedInnerKey: reader.fixed(sealedKeyBytes),
        innerDataKeyCiphertext: reader.bytes(maxCiphertextBytes),
      }
    default:
      return reader.fail('an unknown encryption mode')
  }
}

function readKmsKey(reader: RecordReader, first: number): Omit<KmsEnvelope, 'mode' | keyof EnvelopeCommon> {
  return {
    bucketKey: (first & bucketKeyBit) !== 0,
    keyId: reader.fixed(idBytes),
    keyVersion: reader.uint(0xffffffff),
    shownKeyId: reader.text(maxShownBytes),
    dataKeyCiphertext: reader.bytes(maxCiphertextBytes),
  }
}
