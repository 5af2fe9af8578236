/**
 * Opening a version: the client's key class (spec 1.5 rows 14 to 16), the data key, the object key.
 *
 * @module
 */

import { CryptoError } from '@strongroom/crypto'
import type { EngineContext } from './context.ts'
import type { CustomerKey } from './contract.ts'
import { type DataKeyTarget, openDataKey, plainDataKey, plainKeyringKey } from './data-keys.ts'
import { EngineError } from './engine-error.ts'
import { type BoundContent, unsealVersion } from './envelope.ts'
import type { Envelope } from './envelope-record.ts'
import type { KeyHandle } from './key-registry.ts'
import { type LayerKeys, zeroLayers } from './layer-keys.ts'
import type { ObjectVersion } from './object-record.ts'

/**
 * Whether a client's key is there exactly if it is needed.
 *
 * @throws EngineError `InvalidRequest` (rows 14 and 16)
 */
export function checkKeyClass(envelope: Envelope, customerKey: CustomerKey | undefined): void {
  const isNeeded = envelope.mode === 'sse-c'
  if (isNeeded === (customerKey !== undefined)) return
  throw new EngineError('InvalidRequest', {
    message: isNeeded
      ? 'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.'
      : 'The encryption parameters are not applicable to this object.',
  })
}

/** What the object key of a stored version is bound to. */
export function boundContentOf(bucketId: Uint8Array, name: string, record: ObjectVersion): BoundContent {
  const { sequence, isNull, sizeBytes, etag, checksum, data, details } = record
  // What is bound and nothing else: a copy of the whole record costs ten times as much.
  const content = { bucketId, name, sequence, isNull, sizeBytes, etag, data, context: details.context }
  return checksum ? { ...content, checksum } : content
}

/**
 * The object key of a version, for each layer; the caller zeroes it.
 *
 * @param found what `findDataKey` found
 * @throws EngineError `AccessDenied` for the wrong client's key (row 15), and what `openDataKey` throws
 * @throws CryptoError `not-authentic` if record and envelope do not belong together
 */
export async function openVersion(
  context: EngineContext,
  found: KeyHandle | undefined,
  target: DataKeyTarget,
  record: ObjectVersion,
  customerKey: CustomerKey | undefined,
): Promise<LayerKeys> {
  const { envelope, details } = record
  const unseal = (dataKey: LayerKeys) =>
    unsealVersion(dataKey, envelope, boundContentOf(target.bucketId, target.name, record))
  if (envelope.mode === 'none') {
    // Nobody is asked for this key: what is remembered is hidden under the one that it is derived from.
    const { keyringKeyId, salt } = envelope
    return once(context, record, plainKeyringKey(context, keyringKeyId), () => {
      const dataKey = { outer: plainDataKey(context, keyringKeyId, salt) }
      try {
        return unseal(dataKey)
      } finally {
        zeroLayers(dataKey)
      }
    })
  }
  const dataKey = await openDataKey(context, found, target, envelope, details.context, customerKey)
  try {
    return once(context, record, dataKey.outer, () => unseal(dataKey))
  } catch (error) {
    if (envelope.mode === 'sse-c' && error instanceof CryptoError) throw wrongCustomerKey(context, error)
    throw error
  } finally {
    zeroLayers(dataKey)
  }
}

/** What was unsealed for this record with this key before, or is now. Of two layers nothing is remembered. */
function once(
  { openedVersions }: EngineContext,
  record: ObjectVersion,
  key: Uint8Array,
  unseal: () => LayerKeys,
): LayerKeys {
  const known = openedVersions.recall(record, key)
  if (known) return { outer: known }
  const opened = unseal()
  if (!opened.inner) openedVersions.remember(record, key, opened.outer)
  return opened
}

/** Row 15; Ceph's tests want 400 (spec 12 no. 22). */
export function wrongCustomerKey(context: EngineContext, cause: unknown): EngineError {
  const message =
    'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.'
  const code = context.settings.compatibility === 'ceph' ? 'InvalidRequest' : 'AccessDenied'
  return new EngineError(code, { message, cause })
}
