/**
 * The source of a copy (spec 1.6.5, 1.6.8): found, allowed by its conditions, opened with the key it needs; and what of its
 * data a destination can share.
 *
 * @module
 */

import { sealKey, unsealKey, zero } from '@strongroom/crypto'
import type { Snapshot } from '@strongroom/storage'
import { bucketIdOf } from './bucket-access.ts'
import { type Attempt, neverStill, StaleSnapshot } from './commit-loop.ts'
import { checkReadConditions } from './conditions.ts'
import type { EngineContext } from './context.ts'
import type { CopySource, Requester } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { readableVersion } from './find-version.ts'
import type { Random } from './ids.ts'
import type { KeyHandle } from './key-registry.ts'
import type { LayerKeys } from './layer-keys.ts'
import type { ObjectVersion } from './object-record.ts'
import { checkKeyClass, openVersion } from './open-version.ts'
import { formatVersionId } from './version-id.ts'

/** Most bytes of one copy: 5 GiB. */
export const maxCopyBytes = 5 * 2 ** 30

/** The data of the source went while it was being copied: the copy begins again. */
export class SourceGone extends Error {
  constructor() {
    super('the source of a copy was removed')
    this.name = 'SourceGone'
  }
}

/** Times that a copy begins again before it gives up. */
const maxAttempts = 8

/** Runs a copy until its source stands still. @throws EngineError `SlowDown`, and whatever `copy` throws */
export async function copyFrom<T>(copy: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    try {
      return await copy()
    } catch (error) {
      if (!(error instanceof SourceGone) && !(error instanceof StaleSnapshot)) throw error
    }
  }
  throw new EngineError('SlowDown', { message: neverStill })
}

/** An attempt for the commit loop that ends the loop if what it retains is gone. */
export function retaining<T>(attempt: Attempt<T>): Attempt<T> {
  return async (snapshot, draft) => {
    try {
      return await attempt(snapshot, draft)
    } catch (error) {
      throw error instanceof StaleSnapshot ? new SourceGone() : error
    }
  }
}

/** The version to copy, its class of key and conditions checked. @throws EngineError */
export async function findSource(
  context: EngineContext,
  snapshot: Snapshot,
  source: CopySource,
): Promise<ObjectVersion> {
  const target = { bucketId: bucketIdOf(source.bucket), name: source.name }
  try {
    const { record } = await readableVersion(context, snapshot, target, source.versionId)
    checkKeyClass(record.envelope, source.customerKey)
    checkReadConditions(source.conditions, record)
    return record
  } catch (error) {
    throw asCopyError(error)
  }
}

/** A copy answers some conditions otherwise than a GET does. */
function asCopyError(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error
  if (error.code === 'NotModified') return new EngineError('PreconditionFailed', { cause: error })
  if (error.code === 'MethodNotAllowed') {
    return new EngineError('InvalidRequest', {
      message: 'The source of a copy request may not specifically refer to a delete marker by version id.',
      cause: error,
    })
  }
  return error
}

/**
 * The object key of the source; the caller zeroes it. Waits for the KMS: no snapshot is to be held.
 *
 * @param found what `findDataKey` found
 * @throws EngineError as GetObject does
 */
export function openSource(
  context: EngineContext,
  found: KeyHandle | undefined,
  requester: Requester,
  source: CopySource,
  record: ObjectVersion,
): Promise<LayerKeys> {
  const { bucket, name, customerKey } = source
  const target = { requester, bucketId: bucketIdOf(bucket), bucketName: bucket.name, name }
  return openVersion(context, found, target, record, customerKey)
}

/** Whether two envelopes have as many layers, so that what is stored under one can be had under the other. */
export function haveSameLayers(a: { readonly mode: string }, b: { readonly mode: string }): boolean {
  return (a.mode === 'dsse-kms') === (b.mode === 'dsse-kms')
}

/** What a copy says of its source's version. */
export function sourceVersionOf(source: CopySource, record: ObjectVersion): { readonly sourceVersionId?: string } {
  return source.bucket.versioning === 'unset' ? {} : { sourceVersionId: formatVersionId(record) }
}

/** Content that was opened for reading. */
export type OpenContent = Uint8Array | AsyncIterable<Uint8Array>

/** Lets a writer take content that was opened, and closes it whatever comes: a writer that fails early has not begun it. */
export async function passOn<T>(content: OpenContent, write: (content: OpenContent) => Promise<T>): Promise<T> {
  try {
    return await write(content)
  } finally {
    if (!(content instanceof Uint8Array)) await content[Symbol.asyncIterator]().return?.()
  }
}

/** The MD5 of the whole object, where its entity tag is that (spec 3.8). */
export function md5Of({ envelope, etag }: ObjectVersion): Uint8Array | undefined {
  const isMd5 = (envelope.mode === 'none' || envelope.mode === 'sse-s3') && etag.partCount === 0
  return isMd5 ? etag.digest : undefined
}

/** Seals a key anew: from under one key to under another. */
export function resealKey(from: Uint8Array, sealedKey: Uint8Array, to: Uint8Array, random: Random): Buffer {
  const key = unsealKey(from, sealedKey)
  try {
    return sealKey(to, key, random)
  } finally {
    zero(key)
  }
}
