/**
 * Data keys for verifying stored data without a requester (`strongroom fsck --verify-data`): a key that cannot be had is an
 * answer, not an error.
 *
 * @module
 */

import { KmsError, type KmsErrorCode } from '@strongroom/kms'
import type { EngineContext } from './context.ts'
import { decryptLayers, plainDataKey } from './data-keys.ts'
import { kmsContext, parseStoredContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import type { Envelope } from './envelope-record.ts'
import type { KeyRecord } from './key-record.ts'
import type { LayerKeys } from './layer-keys.ts'

/** Why a data key cannot be had. `refused`: the KMS says that the sealed key is not what it made for this place. */
export type MissingDataKey =
  | 'client-held'
  | 'key-locked'
  | 'key-pending-deletion'
  | 'key-destroyed'
  | 'kms-unreachable'
  | 'keyring-key-missing'
  | 'refused'

/** The caller zeroes `dataKey`. */
export type StoredDataKey = { readonly dataKey: LayerKeys } | { readonly missing: MissingDataKey }

const kmsReasons: Partial<Readonly<Record<KmsErrorCode, MissingDataKey>>> = {
  'key-disabled': 'key-locked',
  'key-pending-deletion': 'key-pending-deletion',
  'key-not-found': 'key-destroyed',
  'not-authentic': 'refused',
  'permission-denied': 'kms-unreachable',
  unreachable: 'kms-unreachable',
  busy: 'kms-unreachable',
  sealed: 'kms-unreachable',
}

/**
 * The data key of a stored envelope.
 *
 * @param keyRecord of the envelope's key id, if it has one
 * @param clientContext canonical JSON of the client's encryption context, from the record
 */
export async function openStoredDataKey(
  context: Pick<EngineContext, 'kms' | 'plainDataKeys'>,
  place: { readonly bucketName: string; readonly name: string },
  envelope: Envelope,
  keyRecord: KeyRecord | undefined,
  clientContext: Uint8Array | undefined,
): Promise<StoredDataKey> {
  if (envelope.mode === 'sse-c') return { missing: 'client-held' }
  try {
    if (envelope.mode === 'none') {
      return { dataKey: { outer: plainDataKey(context, envelope.keyringKeyId, envelope.salt) } }
    }
    if (!keyRecord || keyRecord.state === 'deleted') return { missing: 'key-destroyed' }
    const associated = kmsContext(place.bucketName, place.name, envelope.bucketKey, parseStoredContext(clientContext))
    return { dataKey: await decryptLayers(context, keyRecord.name, envelope, associated) }
  } catch (error) {
    const missing = error instanceof KmsError ? kmsReasons[error.code] : undefined
    if (missing) return { missing }
    if (error instanceof EngineError) return { missing: 'keyring-key-missing' }
    throw error
  }
}

/** Whether the KMS has a key; `undefined` if it cannot be asked. */
export async function isKeyInKms(kms: EngineContext['kms'], name: string): Promise<boolean | undefined> {
  try {
    await kms.describeKey(name)
    return true
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    return error.code === 'key-not-found' ? false : undefined
  }
}
