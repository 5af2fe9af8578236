/**
 * CopyObject (spec 1.6.5, DESIGN 6): a new envelope for the same data wherever the destination promises no digest that the
 * source lacks; otherwise the data is read, and sealed anew, once. Encryption and context are never inherited.
 *
 * @module
 */

import { checksumOf, keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import type { Snapshot } from '@strongroom/storage'
import { type BodySource, findBody, openBody } from './body-reader.ts'
import { type SealedBody, writeBody } from './body-writer.ts'
import { bucketIdOf } from './bucket-access.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { CopiedObject, CopyObjectInput, ObjectMetadata } from './contract.ts'
import {
  copyFrom,
  findSource,
  haveSameLayers,
  maxCopyBytes,
  md5Of,
  type OpenContent,
  openSource,
  passOn,
  resealKey,
  retaining,
  sourceVersionOf,
} from './copy-source.ts'
import { findDataKey, type NewDataKey, newDataKey } from './data-keys.ts'
import type { Details } from './details.ts'
import { type EncryptionPlan, planEncryption, storedContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import { sealForVersion } from './envelope.ts'
import { asBuffer } from './ids.ts'
import type { KeyHandle } from './key-registry.ts'
import { type LayerKeys, newLayerKeys, zeroLayers } from './layer-keys.ts'
import { type NewVersion, putVersion } from './new-version.ts'
import { decodeObjectHead, type ObjectVersion, type StoredData } from './object-record.ts'
import { objectKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Copies an object. @throws EngineError */
export function copyObject(context: EngineContext, input: CopyObjectInput): Promise<CopiedObject> {
  return copyFrom(() => copyOnce(context, input))
}

/** What the copy is going to consist of. */
interface CopiedContent {
  readonly content: NewVersion['content']
  /** Absent: the data is shared. */
  readonly body?: SealedBody
}

/** The keys of a copy; zeroed when it is done. */
interface CopyKeys {
  readonly fresh: NewDataKey
  /** The object key of the new version. */
  readonly objectKey: LayerKeys
}

async function copyOnce(context: EngineContext, input: CopyObjectInput): Promise<CopiedObject> {
  const { requester, source, bucket, name } = input
  const bucketId = bucketIdOf(bucket)
  const plan = await planEncryption(context, requester, bucket, name, input.encryption)
  const found = await withSnapshot(context, (snapshot) => findContent(context, snapshot, input, plan))
  // The snapshot is released: the KMS may take its time.
  try {
    const fresh = await newDataKey(context, { requester, bucketId, bucketName: bucket.name, name }, plan)
    const keys: CopyKeys = { fresh, objectKey: newLayerKeys(context.random, fresh.dataKey) }
    try {
      const { body, content } = await copyContent(context, input, found, hasMd5(plan), keys)
      const version: NewVersion = {
        bucketId,
        name,
        ownerAccountId: requester.accountId,
        content,
        details: copiedDetails(input, found.record, storedContext(plan)),
        conditions: input.conditions,
        keyId: 'keyId' in fresh.envelopeKey ? fresh.envelopeKey.keyId : undefined,
        seal: (bound) => sealForVersion(fresh.dataKey, fresh.envelopeKey, bound, keys.objectKey, context.random),
        isFresh: () => body !== undefined,
      }
      const written = await commitCopy(context, version, body)
      context.figures[body ? 'copiesRewritten' : 'copiesShared'] += 1
      return { ...written, ...sourceVersionOf(source, found.record) }
    } finally {
      zeroLayers(fresh.dataKey, keys.objectKey)
    }
  } finally {
    found.source?.release()
  }
}

/** What a copy needs of the state in which it found its source. */
interface FoundContent {
  readonly record: ObjectVersion
  readonly key: KeyHandle | undefined
  /** The data, if it has to be read. To be opened or released. */
  readonly source: BodySource | undefined
}

async function findContent(
  context: EngineContext,
  snapshot: Snapshot,
  input: CopyObjectInput,
  plan: EncryptionPlan,
): Promise<FoundContent> {
  const record = await findSource(context, snapshot, input.source)
  checkCopy(input, record, plan)
  const current = await snapshot.get(objectKey.encode(bucketIdOf(input.bucket), input.name))
  checkWriteConditions(input.conditions, current && decodeObjectHead(context.records.open(current)))
  const key = await findDataKey(context, snapshot, record.envelope)
  const span = { offset: 0, length: record.sizeBytes }
  // Last: what was found has to be opened or released.
  const source = mustRead(input, record, plan) ? await findBody(context, snapshot, record, span) : undefined
  return { record, key, source }
}

/** Whether the copy promises a digest that the source lacks, or has another number of layers. */
function mustRead(input: CopyObjectInput, record: ObjectVersion, plan: EncryptionPlan): boolean {
  if (record.sizeBytes === 0) return false
  const lacksDigest = !hasChecksum(record, input) || (hasMd5(plan) && md5Of(record) === undefined)
  return lacksDigest || !haveSameLayers(plan, record.envelope)
}

/** Whether the entity tag is to be the MD5 of the content. */
function hasMd5({ mode }: EncryptionPlan): boolean {
  return mode === 'none' || mode === 'sse-s3'
}

async function commitCopy(context: EngineContext, version: NewVersion, body: SealedBody | undefined) {
  try {
    return await context.commits.run(
      retaining((snapshot, draft) => {
        body?.putInto(draft)
        return putVersion(context, snapshot, draft, version)
      }),
    )
  } catch (error) {
    // Refused for certain: nothing names the blob. Other errors leave open whether the commit took place.
    if (error instanceof EngineError) await body?.discard()
    throw error
  }
}

/** @throws EngineError `InvalidRequest` for copies that are too large or change nothing (row 41) */
function checkCopy(input: CopyObjectInput, record: ObjectVersion, plan: EncryptionPlan): void {
  if (record.sizeBytes > maxCopyBytes) {
    throw new EngineError('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${maxCopyBytes}`,
    })
  }
  const { source, bucket, name } = input
  const isItself = source.bucket.id === bucket.id && source.name === name && source.versionId === undefined
  if (!isItself || changesSomething(input, record, plan)) return
  throw new EngineError('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  })
}

function changesSomething(input: CopyObjectInput, record: ObjectVersion, plan: EncryptionPlan): boolean {
  if (input.metadata !== undefined || input.tags !== undefined) return true
  // Asking for encryption counts as a change even if the outcome is the same; so does a rule of the bucket's own.
  if (input.encryption.mode !== 'default' || input.bucket.encryption !== undefined) return true
  if (plan.mode !== record.envelope.mode || isOtherKey(plan, record)) return true
  const { storageClass = 'STANDARD', checksumAlgorithm } = input
  if (input.storageClass !== undefined && storageClass !== (record.storageClass ?? 'STANDARD')) return true
  return checksumAlgorithm !== undefined && checksumAlgorithm !== record.checksum?.algorithm
}

function isOtherKey(plan: EncryptionPlan, { envelope }: ObjectVersion): boolean {
  return 'key' in plan && 'keyId' in envelope && Buffer.compare(plan.key.id, envelope.keyId) !== 0
}

/** Shares the data, or reads and stores it anew. */
async function copyContent(
  context: EngineContext,
  input: CopyObjectInput,
  found: FoundContent,
  wantsMd5: boolean,
  keys: CopyKeys,
): Promise<CopiedContent> {
  const { record } = found
  const opened = await openContent(context, input, found, wantsMd5, keys)
  if (opened instanceof Uint8Array || Symbol.asyncIterator in opened) {
    return passOn(opened, (content) => rewrite(context, input, record, wantsMd5, keys, content))
  }
  return { content: opened }
}

/** The content of a copy that shares its data; else the data, opened for reading. */
async function openContent(
  context: EngineContext,
  input: CopyObjectInput,
  { record, key, source }: FoundContent,
  wantsMd5: boolean,
  keys: CopyKeys,
): Promise<NewVersion['content'] | OpenContent> {
  const { sizeBytes, envelope } = record
  // An empty object has nothing to open; but the wrong client's key is refused all the same.
  if (sizeBytes === 0 && envelope.mode !== 'sse-c') return emptyContent(context, input, record, wantsMd5)
  const sourceKey = await openSource(context, key, input.requester, input.source, record)
  try {
    if (sizeBytes === 0) return emptyContent(context, input, record, wantsMd5)
    if (source) return await openBody(context, source, sourceKey)
    const digest = (wantsMd5 ? md5Of(record) : undefined) ?? context.random(16)
    return contentOf(record, digest, sharedData(context, record.data, sourceKey, keys.objectKey))
  } finally {
    zeroLayers(sourceKey)
  }
}

/** Whether the source has the checksum that the copy is to have: one of the whole, as a copy is one part (AWS: `FULL_OBJECT`). */
function hasChecksum({ checksum }: ObjectVersion, { checksumAlgorithm }: CopyObjectInput): boolean {
  if (checksumAlgorithm === undefined) return checksum?.type !== 'COMPOSITE'
  return checksum?.algorithm === checksumAlgorithm && checksum.type === 'FULL_OBJECT'
}

function contentOf(record: ObjectVersion, digest: Uint8Array, data: StoredData): NewVersion['content'] {
  const { sizeBytes, checksum } = record
  return { sizeBytes, etag: { digest, partCount: 0 }, data, ...(checksum ? { checksum } : undefined) }
}

function emptyContent(
  context: EngineContext,
  { checksumAlgorithm }: CopyObjectInput,
  record: ObjectVersion,
  wantsMd5: boolean,
): NewVersion['content'] {
  const nothing = Buffer.alloc(0)
  const algorithm = checksumAlgorithm ?? record.checksum?.algorithm
  const value = algorithm && checksumOf(algorithm, nothing).toString('base64')
  const digest = wantsMd5 ? checksumOf('MD5', nothing) : context.random(16)
  const content = { sizeBytes: 0, etag: { digest, partCount: 0 }, data: { kind: 'none' } } as const
  return algorithm && value ? { ...content, checksum: { algorithm, type: 'FULL_OBJECT', value } } : content
}

/** The same data under another object key. What is derived from the key of the inner layer goes on being derived from it. */
function sharedData(context: EngineContext, data: StoredData, from: LayerKeys, to: LayerKeys): StoredData {
  if (from.inner && to.inner) from.inner.copy(to.inner)
  switch (data.kind) {
    case 'none':
      return data
    case 'single':
      return { ...data, sealedKey: resealKey(from.outer, data.sealedKey, to.outer, context.random) }
    default:
      return { ...data, sealedTableKey: resealKey(from.outer, data.sealedTableKey, to.outer, context.random) }
  }
}

async function rewrite(
  context: EngineContext,
  input: CopyObjectInput,
  record: ObjectVersion,
  wantsMd5: boolean,
  keys: CopyKeys,
  sourceContent: OpenContent,
): Promise<CopiedContent> {
  const { sizeBytes } = record
  const algorithm = input.checksumAlgorithm ?? record.checksum?.algorithm
  const streamKey = asBuffer(context.random(keySizeBytes))
  try {
    const source = { sizeBytes, content: sourceContent, ...(algorithm ? { checksum: { algorithm } } : undefined) }
    const body = await writeBody(context, source, streamKey, wantsMd5, keys.objectKey.inner)
    const digest = (wantsMd5 ? body.md5 : undefined) ?? context.random(16)
    const { stream, checksum } = body
    const data: StoredData = stream
      ? { kind: 'single', ...stream, sealedKey: sealKey(keys.objectKey.outer, streamKey, context.random) }
      : { kind: 'none' }
    const content = { sizeBytes, etag: { digest, partCount: 0 }, data, ...(checksum ? { checksum } : undefined) }
    return { content, body }
  } finally {
    zero(streamKey)
  }
}

/** Metadata and tags by their directives. A redirect is never copied, and the class is what is asked for (AWS). */
function copiedDetails(input: CopyObjectInput, record: ObjectVersion, clientContext: Buffer | undefined): Details {
  const tags = input.tags ?? record.details.tags
  const metadata = input.metadata ?? copiedMetadata(record.details.metadata, input.storageClass)
  return { metadata, tags, ...(clientContext ? { context: clientContext } : undefined) }
}

function copiedMetadata(metadata: ObjectMetadata, storageClass: string | undefined): ObjectMetadata {
  const { websiteRedirectLocation: _redirect, storageClass: _class, ...copied } = metadata
  return storageClass === undefined || storageClass === 'STANDARD' ? copied : { ...copied, storageClass }
}
