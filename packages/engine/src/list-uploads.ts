/**
 * ListMultipartUploads: running uploads by name, and by their beginning within a name (an upload id begins with its time).
 *
 * @module
 */

import { type Entry, prefixEnd, type Snapshot } from '@strongroom/storage'
import { bucketIdOf } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { Listed, ListedPage, ListUploadsInput, UploadInfo } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId, idBytes, parseId } from './ids.ts'
import { commonPrefixOf, pageOf, successor, turnOfOthers } from './name-listing.ts'
import { standardStorageClass } from './object-record.ts'
import { encryptionInfoOf } from './presentation.ts'
import { uploadKey } from './tables.ts'
import type { UploadRecord } from './upload-record.ts'

type ListingContext = Pick<EngineContext, 'metadata' | 'records'>

/** What is shown of an upload. */
export function uploadInfoOf(name: string, uploadId: Uint8Array, record: UploadRecord): UploadInfo {
  const info = {
    uploadId: formatId(uploadId),
    name,
    initiatedAtMs: record.initiatedAtMs,
    storageClass: record.storageClass ?? standardStorageClass,
    ownerAccountId: record.ownerAccountId,
    encryption: encryptionInfoOf(record.envelope, record.details.context),
  }
  return record.checksum ? { ...info, checksum: record.checksum } : info
}

/** Bytes behind a name in a key that is not its last element. */
const terminatorBytes = 2

/** Entries read at once where every one of them may begin a common prefix. */
const seekingChunk = 16
const plainChunk = 250

/** Longer than any name: what lies beyond makes no difference, and keys stay below their limit. */
const clipLength = 2_048

/**
 * A page of uploads and common prefixes.
 *
 * @throws EngineError `InvalidArgument` for an impossible upload id marker
 */
export async function listUploads(context: ListingContext, input: ListUploadsInput): Promise<ListedPage<UploadInfo>> {
  const { bucket, limit } = input
  if (limit <= 0) return { items: [], truncated: false }
  const bucketId = bucketIdOf(bucket)
  const prefix = prefixOfNames(bucketId, input.prefix)
  const lt = prefixEnd(prefix)
  let gte = startOf(bucketId, input) ?? prefix
  if (Buffer.compare(gte, prefix) < 0) gte = prefix
  const items: Listed<UploadInfo>[] = []
  const snapshot = context.metadata.snapshot()
  try {
    for (;;) {
      const chunk = Math.min(input.delimiter ? seekingChunk : plainChunk, limit + 1 - items.length)
      const entries = Buffer.compare(gte, lt) < 0 ? await snapshot.list({ gte, lt, limit: chunk }) : []
      const next = await addChunk(context, snapshot, bucketId, input, entries, items)
      const isLast = entries.length < chunk && next === undefined
      const last = entries.at(-1)
      if (items.length > limit || isLast || !last) return pageOf(items, limit)
      gte = next ?? successor(last.key)
      await turnOfOthers()
    }
  } finally {
    snapshot.release()
  }
}

/** Adds the uploads of a chunk up to the first common prefix; returns where to go on behind that. */
async function addChunk(
  context: ListingContext,
  snapshot: Snapshot,
  bucketId: Uint8Array,
  input: ListUploadsInput,
  entries: readonly Entry[],
  items: Listed<UploadInfo>[],
): Promise<Uint8Array | undefined> {
  for (const entry of entries) {
    const [, name, uploadId] = uploadKey.decode(entry.key)
    const prefix = commonPrefixOf(name, input)
    if (prefix !== undefined) {
      items.push({ kind: 'prefix', prefix })
      return prefixEnd(prefixOfNames(bucketId, prefix))
    }
    const record = await context.records.upload(snapshot, entry)
    items.push({ kind: 'item', item: uploadInfoOf(name, uploadId, record) })
  }
  return undefined
}

/** The first bytes of the keys of all names that begin with `prefix`. */
function prefixOfNames(bucketId: Uint8Array, prefix: string): Uint8Array {
  const whole = uploadKey.prefix(bucketId, clipped(prefix))
  return whole.subarray(0, whole.length - terminatorBytes)
}

function clipped(text: string): string {
  // Cutting may part a surrogate pair, and half of one has no bytes.
  return text.length > clipLength ? Buffer.from(text.slice(0, clipLength)).toString() : text
}

/** Where a page begins behind its markers. */
function startOf(bucketId: Uint8Array, input: ListUploadsInput): Uint8Array | undefined {
  if (input.keyMarker === undefined) return undefined
  const name = clipped(input.keyMarker)
  const commonPrefix = name.startsWith(input.prefix) ? commonPrefixOf(name, input) : undefined
  if (commonPrefix !== undefined) return prefixEnd(prefixOfNames(bucketId, commonPrefix))
  if (!input.uploadIdMarker) return prefixEnd(uploadKey.prefix(bucketId, name))
  const uploadId = parseId(input.uploadIdMarker, idBytes)
  if (!uploadId) {
    throw new EngineError('InvalidArgument', {
      message: 'Invalid uploadId marker',
      fields: { ArgumentName: 'upload-id-marker', ArgumentValue: input.uploadIdMarker },
    })
  }
  return successor(uploadKey.encode(bucketId, name, uploadId))
}
