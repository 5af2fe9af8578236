/**
 * CopyObject (spec 1.6.5, DESIGN 6): a new envelope for the same data wherever the destination promises no digest that the
 * source lacks; otherwise the data is read, and sealed anew, once. Encryption and context are never inherited.
 *
 * @module
 */

import { checksumOf, keySizeBytes, sealKey, zero } from '@strongroom/crypto'
import { readBody } from './body-reader.ts'
import { type SealedBody, writeBody } from './body-writer.ts'
import { bucketIdOf } from './bucket-access.ts'
import { checkWriteConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { CopiedObject, CopyObjectInput, ObjectMetadata } from './contract.ts'
import {
  copyFrom,
  findSource,
  maxCopyBytes,
  md5Of,
  type OpenContent,
  openSource,
  passOn,
  resealKey,
  retaining,
  sourceVersionOf,
} from './copy-source.ts'
import { type NewDataKey, newDataKey } from './data-keys.ts'
import type { Details } from './details.ts'
import { type EncryptionPlan, planEncryption, storedContext } from './encryption-plan.ts'
import { EngineError } from './engine-error.ts'
import { sealForVersion } from './envelope.ts'
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
  readonly objectKey: Buffer
}

async function copyOnce(context: EngineContext, input: CopyObjectInput): Promise<CopiedObject> {
  const { requester, source, bucket, name } = input
  const bucketId = bucketIdOf(bucket)
  const plan = await planEncryption(context, requester, bucket, name, input.encryption)
  const record = await withSnapshot(context, async (snapshot) => {
    const found = await findSource(context, snapshot, source)
    checkCopy(input, found, plan)
    const current = await snapshot.get(objectKey.encode(bucketId, name))
    checkWriteConditions(input.conditions, current && decodeObjectHead(context.records.open(current)))
    return found
  })
  const fresh = await newDataKey(context, { requester, bucketId, bucketName: bucket.name, name }, plan)
  const keys: CopyKeys = { fresh, objectKey: Buffer.from(context.random(keySizeBytes)) }
  try {
    const copied = await copyContent(context, input, record, plan, keys)
    const { body, content } = copied
    const version: NewVersion = {
      bucketId,
      name,
      ownerAccountId: requester.accountId,
      content,
      details: copiedDetails(input, record, storedContext(plan)),
      conditions: input.conditions,
      keyId: 'keyId' in fresh.envelopeKey ? fresh.envelopeKey.keyId : undefined,
      seal: (bound) => sealForVersion(fresh.dataKey, fresh.envelopeKey, bound, keys.objectKey, context.random),
      isFresh: () => body !== undefined,
    }
    const written = await commitCopy(context, version, body)
    context.figures[body ? 'copiesRewritten' : 'copiesShared'] += 1
    return { ...written, ...sourceVersionOf(source, record) }
  } finally {
    zero(fresh.dataKey, keys.objectKey)
  }
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
  record: ObjectVersion,
  plan: EncryptionPlan,
  keys: CopyKeys,
): Promise<CopiedContent> {
  const wantsMd5 = plan.mode === 'none' || plan.mode === 'sse-s3'
  const opened = await openContent(context, input, record, wantsMd5, keys)
  if (opened instanceof Uint8Array || Symbol.asyncIterator in opened) {
    return passOn(opened, (content) => rewrite(context, input, record, wantsMd5, keys, content))
  }
  return { content: opened }
}

/** The content of a copy that shares its data; else the data, opened for reading. No snapshot is held while it is read. */
function openContent(
  context: EngineContext,
  input: CopyObjectInput,
  record: ObjectVersion,
  wantsMd5: boolean,
  keys: CopyKeys,
): Promise<NewVersion['content'] | OpenContent> {
  const { sizeBytes, envelope } = record
  const { requester, source } = input
  return withSnapshot(context, async (snapshot) => {
    // An empty object has nothing to open; but the wrong client's key is refused all the same.
    if (sizeBytes === 0 && envelope.mode !== 'sse-c') return emptyContent(context, input, record, wantsMd5)
    const sourceKey = await openSource(context, snapshot, requester, source, record)
    try {
      if (sizeBytes === 0) return emptyContent(context, input, record, wantsMd5)
      const md5 = md5Of(record)
      if (!hasChecksum(record, input) || (wantsMd5 && md5 === undefined)) {
        return await readBody(context, snapshot, record, sourceKey, { offset: 0, length: sizeBytes })
      }
      const digest = (wantsMd5 ? md5 : undefined) ?? context.random(16)
      return contentOf(record, digest, sharedData(context, record.data, sourceKey, keys.objectKey))
    } finally {
      zero(sourceKey)
    }
  })
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

/** The same data under another object key. */
function sharedData(context: EngineContext, data: StoredData, from: Uint8Array, to: Uint8Array): StoredData {
  switch (data.kind) {
    case 'none':
      return data
    case 'single':
      return { ...data, sealedKey: resealKey(from, data.sealedKey, to, context.random) }
    default:
      return { ...data, sealedTableKey: resealKey(from, data.sealedTableKey, to, context.random) }
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
  const streamKey = Buffer.from(context.random(keySizeBytes))
  try {
    const source = { sizeBytes, content: sourceContent, ...(algorithm ? { checksum: { algorithm } } : undefined) }
    const body = await writeBody(context, source, streamKey, wantsMd5)
    const digest = (wantsMd5 ? body.md5 : undefined) ?? context.random(16)
    const { stream, checksum } = body
    const data: StoredData = stream
      ? { kind: 'single', ...stream, sealedKey: sealKey(keys.objectKey, streamKey, context.random) }
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
