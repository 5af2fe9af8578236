/**
 * GetObject and HeadObject (spec 1.6.2, 1.6.3). The order of checks: the version, the class of the client's key, the
 * conditions, the range, the key. HEAD needs no KMS; a client's key is verified by both, for empty objects too.
 *
 * @module
 */

import type { EntryVersion, Snapshot } from '@strongroom/storage'
import { findBody, openBody } from './body-reader.ts'
import { bucketIdOf } from './bucket-access.ts'
import { corrupt } from './codec.ts'
import { neverStill, StaleSnapshot } from './commit-loop.ts'
import { checkReadConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { Bucket, ObjectHead, ReadHead, ReadObject, ReadObjectInput } from './contract.ts'
import { findDataKey } from './data-keys.ts'
import { EngineError } from './engine-error.ts'
import { type ReadableVersion, readableVersion } from './find-version.ts'
import { zeroLayers } from './layer-keys.ts'
import type { ObjectVersion } from './object-record.ts'
import { checkKeyClass, openVersion } from './open-version.ts'
import { encryptionInfoOf, formatEtag } from './presentation.ts'
import { planRead, type ReadPlan } from './read-plan.ts'
import { formatVersionId } from './version-id.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Times that a read begins again because its data went; each time somebody has overwritten or removed the object. */
const maxAttempts = 16

/** Reads an object, or a part of it. @throws EngineError as the contract says, `SlowDown` if it never stands still */
export async function getObject(context: EngineContext, input: ReadObjectInput): Promise<ReadObject> {
  let before: EntryVersion | undefined
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const seen: { version?: EntryVersion } = {}
    try {
      return await getOnce(context, input, seen)
    } catch (error) {
      // Overwritten and removed between reading the record and opening its data: the next state is whole again.
      if (!(error instanceof StaleSnapshot)) throw error
      if (seen.version === before) corrupt('the data of an object is missing')
      before = seen.version
    }
  }
  throw new EngineError('SlowDown', { message: neverStill })
}

/** @param seen told which state of the record was read */
async function getOnce(
  context: EngineContext,
  input: ReadObjectInput,
  seen: { version?: EntryVersion },
): Promise<ReadObject> {
  const { record, plan, found, source } = await withSnapshot(context, async (snapshot) => {
    const readable = await findReadable(context, snapshot, input)
    seen.version = readable.entry.version
    const { record: version } = readable
    const span = await planRead(context, snapshot, version, input)
    const key = await findDataKey(context, snapshot, version.envelope)
    // Last: what was found has to be opened or released.
    return { record: version, plan: span, found: key, source: await findBody(context, snapshot, version, span) }
  })
  // The snapshot is released: the KMS may take its time.
  try {
    const objectKey = await openVersion(context, found, dataKeyTarget(input), record, input.customerKey)
    try {
      return { ...readHead(input.bucket, input.name, record, plan), body: await openBody(context, source, objectKey) }
    } finally {
      zeroLayers(objectKey)
    }
  } catch (error) {
    source.release()
    throw error
  }
}

/** What a GET would say, without its body. @throws EngineError as the contract says */
export function headObject(context: EngineContext, input: ReadObjectInput): Promise<ReadHead> {
  return withSnapshot(context, async (snapshot) => {
    const { record } = await findReadable(context, snapshot, input)
    const plan = await planRead(context, snapshot, record, input)
    await verifyCustomerKey(context, snapshot, input, record)
    return readHead(input.bucket, input.name, record, plan)
  })
}

/** Refuses the wrong client's key where nothing else would need the key. @throws EngineError `AccessDenied` */
export async function verifyCustomerKey(
  context: EngineContext,
  snapshot: Snapshot,
  input: ReadObjectInput,
  record: ObjectVersion,
): Promise<void> {
  if (record.envelope.mode !== 'sse-c') return
  const found = await findDataKey(context, snapshot, record.envelope)
  zeroLayers(await openVersion(context, found, dataKeyTarget(input), record, input.customerKey))
}

function dataKeyTarget({ requester, bucket, name }: ReadObjectInput) {
  return { requester, bucketId: bucketIdOf(bucket), bucketName: bucket.name, name }
}

/** The version to read, with the class of the key and the conditions checked. @throws EngineError */
export async function findReadable(
  context: EngineContext,
  snapshot: Snapshot,
  input: ReadObjectInput,
): Promise<ReadableVersion> {
  const target = { bucketId: bucketIdOf(input.bucket), name: input.name }
  const found = await readableVersion(context, snapshot, target, input.versionId)
  // Ceph's clients are told of a part that is not there before they are asked for their key.
  const isCeph = context.settings.compatibility === 'ceph'
  if (isCeph && input.partNumber !== undefined) await planRead(context, snapshot, found.record, input)
  checkKeyClass(found.record.envelope, input.customerKey)
  checkReadConditions(input.conditions, found.record)
  return found
}

function readHead(bucket: Bucket, name: string, record: ObjectVersion, plan: ReadPlan): ReadHead {
  const { offset, length, isPartial, checksum } = plan
  const answer: Changeable<ReadHead> = { head: objectHead(bucket, name, record), contentLength: length }
  if (checksum) answer.checksum = checksum
  if (isPartial) answer.range = { first: offset, last: offset + length - 1 }
  return answer
}

/** What is put together field by field: spreads of what is mostly absent cost a small read more than the rest of it. */
type Changeable<T> = { -readonly [Field in keyof T]: T[Field] }

/** A version for response headers. */
export function objectHead(bucket: Bucket, name: string, record: ObjectVersion): ObjectHead {
  const { details, envelope, etag, checksum } = record
  const head: Changeable<ObjectHead> = {
    name,
    etag: formatEtag(etag),
    sizeBytes: record.sizeBytes,
    lastModifiedMs: record.lastModifiedMs,
    metadata: details.metadata,
    tagCount: record.tagCount,
    encryption: encryptionInfoOf(envelope, details.context),
  }
  if (bucket.versioning !== 'unset') head.versionId = formatVersionId(record)
  if (checksum) head.checksum = checksum
  if (etag.partCount > 0) head.partCount = etag.partCount
  return head
}
