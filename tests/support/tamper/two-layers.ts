/**
 * Tampering below the outer layer of an object in two layers (docs/adr/0015-two-layers-are-two-key-chains.md): whoever has the
 * keys of the outer layer, and not those of the inner one, alters the inner stream and seals the outer one over it anew.
 *
 * @module
 */

import { openBytes, sealBytes, sealedSize, unsealKey, zero } from '@strongroom/crypto'
import {
  type Bucket,
  boundContentOf,
  dataKey,
  decodeKeyRecord,
  decodeObjectRecord,
  formatId,
  idBytes,
  keyKey,
  objectKey,
  openStoredDataKey,
  parseId,
  RecordStore,
  type StoredStream,
  unsealVersion,
  zeroLayers,
} from '@strongroom/engine'
import { byteChanges, type ChangeName } from './changes.ts'
import type { OpenDeployment } from './deployment.ts'

/** An object in two layers that was written whole. */
export interface DualObject {
  /** Keys of its entries; the data has one only if it is inline. */
  readonly objectEntry: Buffer
  readonly dataEntry: Buffer
  /** In hex, as its file is called. */
  readonly blobId: string
  readonly stream: StoredStream
  readonly sizeBytes: number
  /** Of the outer layer of the stream. */
  readonly streamKey: Buffer
}

/** Finds an object with the keys of its outer layer. */
export async function dualObject({ stores }: OpenDeployment, bucket: Bucket, name: string): Promise<DualObject> {
  const bucketId = parseId(bucket.id, idBytes) ?? Buffer.alloc(idBytes)
  const objectEntry = Buffer.from(objectKey.encode(bucketId, name))
  const records = new RecordStore(stores.recordSealer)
  const snapshot = stores.metadata.snapshot()
  try {
    const entry = await snapshot.get(objectEntry)
    const record = entry && decodeObjectRecord(records.open(entry))
    if (record?.kind !== 'object' || record.data.kind !== 'single' || record.envelope.mode !== 'dsse-kms') {
      throw new Error(`${name} is not in two layers`)
    }
    const { data: stream, envelope, details, sizeBytes } = record
    const keyEntry = await snapshot.get(keyKey.encode(envelope.keyId))
    const keyRecord = keyEntry && decodeKeyRecord(records.open(keyEntry))
    const opened = await openStoredDataKey(
      stores,
      { bucketName: bucket.name, name },
      envelope,
      keyRecord,
      details.context,
    )
    if ('missing' in opened) throw new Error(`${name}: ${opened.missing}`)
    const keys = unsealVersion(opened.dataKey, envelope, boundContentOf(bucketId, name, record))
    const streamKey = Buffer.from(unsealKey(keys.outer, stream.sealedKey))
    zeroLayers(opened.dataKey, keys)
    const dataEntry = Buffer.from(dataKey.encode(stream.blobId))
    return { objectEntry, dataEntry, blobId: formatId(stream.blobId), stream, sizeBytes, streamKey }
  } finally {
    snapshot.release()
  }
}

/** The stored bytes with the inner layer changed, and the outer one whole. @param other what is swapped with it */
export function innerChanges(
  change: ChangeName,
  dual: DualObject,
  sealed: Buffer,
  other: { readonly dual: DualObject; readonly sealed: Buffer },
): Buffer[] {
  const between = innerOf(dual, sealed)
  const changed = change === 'swap' ? [innerOf(other.dual, other.sealed)] : (byteChanges[change]?.(between) ?? [])
  return changed.map((bytes) => sealBytes(dual.streamKey, dual.stream.nonce, bytes))
}

function innerOf({ streamKey, stream, sizeBytes }: DualObject, sealed: Buffer): Buffer {
  return openBytes(streamKey, stream.nonce, sealed, sealedSize(sizeBytes))
}

/** Zeroes the keys. */
export function forget(...duals: readonly DualObject[]): void {
  for (const { streamKey } of duals) zero(streamKey)
}
