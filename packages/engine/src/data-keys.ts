/**
 * Data keys (DESIGN 6): one for a new object, according to its encryption plan, and the one that opens a stored envelope.
 *
 * @module
 */

import { deriveKey, zero } from '@strongroom/crypto'
import { type DataKey, KmsError } from '@strongroom/kms'
import type { Snapshot } from '@strongroom/storage'
import type { EngineContext } from './context.ts'
import type { CustomerKey, Requester } from './contract.ts'
import { type EncryptionPlan, kmsContext, parseStoredContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import type { EnvelopeKey } from './envelope.ts'
import { type DualEnvelope, type Envelope, type KmsEnvelope, plainSaltBytes } from './envelope-record.ts'
import { asBuffer } from './ids.ts'
import { findKeyById, type KeyHandle, keyArn, mayUse } from './key-registry.ts'
import { keyIsGone, kmsFailure } from './kms-failure.ts'
import type { LayerKeys } from './layer-keys.ts'

/** Where an object is: what a data key is asked for. */
export interface DataKeyTarget {
  readonly requester: Requester
  readonly bucketId: Uint8Array
  readonly bucketName: string
  readonly name: string
}

/** A data key for something new, one for each layer. The caller zeroes `dataKey`. */
export interface NewDataKey {
  readonly dataKey: LayerKeys
  readonly envelopeKey: EnvelopeKey
}

/** Frozen: data without server-side encryption depends on it. */
const plainLabel = 'strongroom plain data'

/** A data key for a new object or upload. @throws EngineError as spec 1.5 rows 25 to 28 and 32 have it */
export async function newDataKey(
  context: EngineContext,
  target: DataKeyTarget,
  plan: EncryptionPlan,
): Promise<NewDataKey> {
  if (plan.mode === 'none') {
    const keyringKeyId = context.plainDataKeys.currentId
    const salt = context.random(plainSaltBytes)
    const outer = plainDataKey(context, keyringKeyId, salt)
    return { dataKey: { outer }, envelopeKey: { mode: 'none', keyringKeyId, salt } }
  }
  if (plan.mode === 'sse-c') {
    const { key, md5 } = plan.customerKey
    return {
      dataKey: { outer: Buffer.from(key) },
      envelopeKey: { mode: 'sse-c', keyMd5: Buffer.from(md5, 'base64') },
    }
  }
  const { mode, key, shownKeyId, bucketKey } = plan
  const first = await generate(context, target, plan)
  if (mode === 'dsse-kms') return newDataKeyPair(context, target, plan, first)
  const { keyVersion, plaintext, ciphertext } = first
  const envelopeKey = { mode, keyId: key.id, keyVersion, shownKeyId, bucketKey, dataKeyCiphertext: ciphertext }
  return { dataKey: { outer: asBuffer(plaintext) }, envelopeKey }
}

/** Rotations of a key between the two calls for its data keys that are waited out. */
const maxPairAttempts = 4

/** Two data keys for two layers. Of one version of the key, so that the key index says of one version what needs it. */
async function newDataKeyPair(
  context: EngineContext,
  target: DataKeyTarget,
  plan: KmsPlan,
  first: DataKey,
): Promise<NewDataKey> {
  const { key, shownKeyId } = plan
  let outer = first
  for (let attempt = 0; attempt < maxPairAttempts; attempt += 1) {
    const inner = await generate(context, target, plan).catch((error: unknown) => {
      zero(outer.plaintext)
      throw error
    })
    if (inner.keyVersion === outer.keyVersion) {
      const { keyVersion, ciphertext: dataKeyCiphertext } = outer
      const innerDataKeyCiphertext = inner.ciphertext
      const sealed = { keyVersion, dataKeyCiphertext, innerDataKeyCiphertext }
      return {
        dataKey: { outer: asBuffer(outer.plaintext), inner: asBuffer(inner.plaintext) },
        envelopeKey: { mode: 'dsse-kms', keyId: key.id, shownKeyId, bucketKey: false, ...sealed },
      }
    }
    zero(outer.plaintext)
    outer = inner
  }
  zero(outer.plaintext)
  const cause = new KmsError('busy', `key '${key.record.name}' was rotated all the time`)
  throw kmsFailure(cause, keyArn(context, key.record.ownerAccountId, key.record.name), 'write')
}

type KmsPlan = Extract<EncryptionPlan, { key: unknown }>

async function generate(context: EngineContext, target: DataKeyTarget, plan: KmsPlan): Promise<DataKey> {
  const { record, id: keyId } = plan.key
  const associated = kmsContext(target.bucketName, target.name, plan.bucketKey, plan.context)
  try {
    if (!plan.bucketKey) return await context.kms.generateDataKey(record.name, associated)
    return await context.dataKeys.take({
      bucketId: target.bucketId,
      keyId,
      keyName: record.name,
      kmsContext: associated,
      accountId: target.requester.accountId,
    })
  } catch (error) {
    throw kmsFailure(error, keyArn(context, record.ownerAccountId, record.name), 'write')
  }
}

/** The key that a stored envelope needs, if it needs one; `undefined` if that is gone, too. */
export async function findDataKey(
  context: EngineContext,
  snapshot: Snapshot,
  envelope: Envelope,
): Promise<KeyHandle | undefined> {
  return 'keyId' in envelope ? findKeyById(context, snapshot, envelope.keyId) : undefined
}

/**
 * The data key of a stored envelope, for each layer; the caller zeroes it. Waits for the KMS, so no snapshot is to be held meanwhile: there
 * are fewer of them than there may be requests. For SSE-C it is a copy of `customerKey`, right or wrong: opening
 * the envelope tells.
 *
 * @param found what `findDataKey` found
 * @param clientContext canonical JSON of the client's map, from the record
 * @throws EngineError as spec 1.5 rows 26 to 29 and 32 have it
 */
export async function openDataKey(
  context: EngineContext,
  found: KeyHandle | undefined,
  target: DataKeyTarget,
  envelope: Envelope,
  clientContext: Uint8Array | undefined,
  customerKey: CustomerKey | undefined,
): Promise<LayerKeys> {
  if (envelope.mode === 'none') return { outer: plainDataKey(context, envelope.keyringKeyId, envelope.salt) }
  if (envelope.mode === 'sse-c') {
    if (!customerKey) throw new EngineError('InvalidRequest')
    return { outer: Buffer.from(customerKey.key) }
  }
  return decrypt(context, found, target, envelope, clientContext)
}

async function decrypt(
  context: EngineContext,
  found: KeyHandle | undefined,
  target: DataKeyTarget,
  envelope: KmsEnvelope | DualEnvelope,
  clientContext: Uint8Array | undefined,
): Promise<LayerKeys> {
  if (!found || found.record.state === 'deleted') throw keyIsGone()
  const { record } = found
  // SSE-S3 is the deployment's own business; an SSE-KMS key opens for those who may use it, cached data key or not.
  if (envelope.mode !== 'sse-s3' && !mayUse(context, record, target.requester.accountId)) throw keyIsGone()
  try {
    return await decryptLayers(context, record.name, envelope, associatedData(target, envelope, clientContext))
  } catch (error) {
    throw kmsFailure(error, keyArn(context, record.ownerAccountId, record.name), 'read')
  }
}

/** The associated data of envelopes that were opened lately, and what else it was made of. */
const associatedDataOf = new WeakMap<
  Envelope,
  {
    readonly bucketName: string
    readonly name: string
    readonly clientContext: Uint8Array | undefined
    readonly bytes: Uint8Array
  }
>()

/** Made once for an envelope, whose record is decoded once: a KMS that remembers data keys knows the very array again. */
function associatedData(
  { bucketName, name }: DataKeyTarget,
  envelope: KmsEnvelope | DualEnvelope,
  clientContext: Uint8Array | undefined,
): Uint8Array {
  const known = associatedDataOf.get(envelope)
  if (known?.name === name && known.bucketName === bucketName && isSame(known.clientContext, clientContext))
    return known.bytes
  const bytes = kmsContext(bucketName, name, envelope.bucketKey, parseStoredContext(clientContext))
  associatedDataOf.set(envelope, { bucketName, name, clientContext, bytes })
  return bytes
}

/** An envelope and a context come from one record; who would open it with another gets none of what was made for that one. */
const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && asBuffer(a).equals(b))

/** Has the KMS open the data key of each layer; the caller zeroes them. @throws KmsError */
export async function decryptLayers(
  { kms }: Pick<EngineContext, 'kms'>,
  keyName: string,
  envelope: KmsEnvelope | DualEnvelope,
  associated: Uint8Array,
): Promise<LayerKeys> {
  const { keyVersion, dataKeyCiphertext } = envelope
  const outer = asBuffer(await kms.decrypt(keyName, keyVersion, dataKeyCiphertext, associated))
  if (envelope.mode !== 'dsse-kms') return { outer }
  try {
    const inner = asBuffer(await kms.decrypt(keyName, keyVersion, envelope.innerDataKeyCiphertext, associated))
    return { outer, inner }
  } catch (error) {
    zero(outer)
    throw error
  }
}

/** The data key of an object without server-side encryption; the caller zeroes it. @throws EngineError `InternalError` */
export function plainDataKey(
  context: Pick<EngineContext, 'plainDataKeys'>,
  keyringKeyId: number,
  salt: Uint8Array,
): Buffer {
  return deriveKey(plainKeyringKey(context, keyringKeyId), plainLabel, salt)
}

/** What {@link plainDataKey} derives from; stays the keyring's. @throws EngineError `InternalError` */
export function plainKeyringKey(
  { plainDataKeys }: Pick<EngineContext, 'plainDataKeys'>,
  keyringKeyId: number,
): Uint8Array {
  const key = plainDataKeys.keys.get(keyringKeyId)
  if (!key) throw new EngineError('InternalError', { cause: new Error(`the keyring has no data key ${keyringKeyId}`) })
  return key
}
