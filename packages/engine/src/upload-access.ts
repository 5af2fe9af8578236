/**
 * Finding a running upload, and opening the key under which the keys of its parts are sealed (DESIGN 6; spec 1.6.7 and 1.5
 * rows 17 and 18, AWS column).
 *
 * @module
 */

import { CryptoError, unsealKey } from '@strongroom/crypto'
import type { Entry, Snapshot } from '@strongroom/storage'
import { bucketIdOf } from './bucket-access.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { CustomerKey, UploadTarget } from './contract.ts'
import { openDataKey } from './data-keys.ts'
import { EngineError } from './engine-error.ts'
import { unsealUpload } from './envelope.ts'
import type { Envelope } from './envelope-record.ts'
import { idBytes, parseId } from './ids.ts'
import type { KeyHandle } from './key-registry.ts'
import { type LayerKeys, zeroLayers } from './layer-keys.ts'
import { readSession } from './session.ts'
import { uploadKey } from './tables.ts'
import type { UploadRecord } from './upload-record.ts'

/** Which upload. */
export interface UploadPlace {
  readonly bucketId: Uint8Array
  readonly name: string
  readonly uploadId: Uint8Array
}

/** An upload's record, with details, and its entry. */
export interface FoundUpload extends UploadPlace {
  readonly entry: Entry
  readonly record: UploadRecord
}

/** Keys of an upload. The owner zeroes them. */
export interface UploadKeys {
  readonly dataKey: LayerKeys
  readonly objectKey: LayerKeys
}

/** Most parts of an upload; they are numbered from 1. */
export const maxPartNumber = 10_000

function noSuchUpload(uploadId: string): EngineError {
  return new EngineError('NoSuchUpload', { fields: { UploadId: uploadId } })
}

/** @throws EngineError `NoSuchUpload` for what can be no upload's id */
export function uploadPlaceOf({ bucket, name, uploadId }: UploadTarget): UploadPlace {
  const id = parseId(uploadId, idBytes)
  if (!id) throw noSuchUpload(uploadId)
  return { bucketId: bucketIdOf(bucket), name, uploadId: id }
}

/** @throws EngineError `NoSuchUpload` */
export async function findUpload(context: EngineContext, snapshot: Snapshot, place: UploadPlace): Promise<FoundUpload> {
  const { bucketId, name, uploadId } = place
  const entry = await snapshot.get(uploadKey.encode(bucketId, name, uploadId))
  if (!entry) throw noSuchUpload(Buffer.from(uploadId).toString('hex'))
  return { ...place, entry, record: await context.records.upload(snapshot, entry) }
}

/**
 * Has a commit check that an upload takes parts.
 *
 * @throws EngineError `NoSuchUpload`, `OperationAborted` while it is being completed or aborted
 */
export async function checkUpload(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  place: UploadPlace,
): Promise<FoundUpload> {
  const found = await findUpload(context, snapshot, place)
  if (await isBeingEnded(context, snapshot, found)) throw new EngineError('OperationAborted')
  draft.check(found.entry.key, found.entry)
  return found
}

/** Whether the mark of someone who ends the upload is on it, and counts. */
export async function isBeingEnded(
  context: EngineContext,
  snapshot: Snapshot,
  { record, uploadId }: FoundUpload,
): Promise<boolean> {
  const marked = record.completingSession
  if (!marked) return false
  if (Buffer.compare(marked, context.session.id) === 0) return context.uploadTurns.isTaken(turnOf(uploadId))
  return (await readSession(context.records, snapshot, marked))?.state === 'open'
}

/** The name of an upload's turn. */
export function turnOf(uploadId: Uint8Array): string {
  return Buffer.from(uploadId).toString('latin1')
}

/**
 * Whether the client's key goes with the upload.
 *
 * @throws EngineError `InvalidRequest`: rows 17 and 18
 */
export function checkUploadCustomerKey(envelope: Envelope, customerKey: CustomerKey | undefined): void {
  if ((envelope.mode === 'sse-c') !== (customerKey !== undefined)) throw parametersMissing()
  if (envelope.mode !== 'sse-c' || !customerKey) return
  if (Buffer.from(envelope.keyMd5).toString('base64') !== customerKey.md5) throw parametersDiffer()
}

function parametersMissing(): EngineError {
  return new EngineError('InvalidRequest', {
    message:
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    fields: { ArgumentName: 'x-amz-server-side-encryption' },
  })
}

function parametersDiffer(cause?: unknown): EngineError {
  return new EngineError('InvalidRequest', {
    message: 'The provided encryption parameters did not match the ones used originally.',
    fields: { ArgumentName: 'x-amz-server-side-encryption' },
    cause,
  })
}

/**
 * Opens an upload's envelope.
 *
 * @param key what `findDataKey` found
 * @throws EngineError as `openDataKey`, row 18 for another client key, `AccessDenied` for an upload without encryption that
 * began before the deployment required it
 */
export async function openUpload(
  context: EngineContext,
  key: KeyHandle | undefined,
  target: UploadTarget,
  found: FoundUpload,
): Promise<UploadKeys> {
  const { bucketId, name, uploadId, record } = found
  const place = { requester: target.requester, bucketId, bucketName: target.bucket.name, name }
  const { details, envelope } = record
  if (envelope.mode === 'none' && context.settings.requireEncryption) {
    throw new EngineError('AccessDenied', {
      message: 'This upload was begun without server-side encryption, which is required now. Begin it again.',
    })
  }
  const dataKey = await openDataKey(context, key, place, envelope, details.context, target.customerKey)
  try {
    const bound = { bucketId, name, uploadId, context: details.context }
    return { dataKey, objectKey: unsealUpload(dataKey, envelope, bound) }
  } catch (error) {
    zeroLayers(dataKey)
    throw envelope.mode === 'sse-c' && error instanceof CryptoError ? parametersDiffer(error) : error
  }
}

/**
 * The key under which the keys of the parts are sealed, and with two layers the object key of the inner one; the caller zeroes
 * them.
 *
 * @throws EngineError as `openUpload`
 */
export async function openTableKey(
  context: EngineContext,
  key: KeyHandle | undefined,
  target: UploadTarget,
  found: FoundUpload,
): Promise<LayerKeys> {
  const keys = await openUpload(context, key, target, found)
  try {
    const { outer, inner } = keys.objectKey
    const tableKey = unsealKey(outer, found.record.sealedTableKey)
    return inner ? { outer: tableKey, inner: Buffer.from(inner) } : { outer: tableKey }
  } finally {
    zeroLayers(keys.dataKey, keys.objectKey)
  }
}
