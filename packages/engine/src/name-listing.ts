/**
 * What the listings have in common: ranges of names in UTF-8 byte order, chunks of the object table, and pages.
 *
 * @module
 */

import type { ListedItem, Snapshot } from '@strongroom/storage'
import { prefixEnd } from '@strongroom/storage'
import type { Listed, ListedPage } from './contract.ts'
import { objectKey } from './tables.ts'

/** Which names and common prefixes are wanted. */
export interface NameRange {
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Only what comes after this; a common prefix that `after` lies in is left out. */
  readonly after?: string | undefined
}

/** Where the name, or what begins with it, stands in `object/…`. */
export function objectTableKey(bucketId: Uint8Array, name: string): Uint8Array {
  return Buffer.concat([objectKey.prefix(bucketId), clippedBytes(name)])
}

/** Longer than any name: what a client asks for beyond this makes no difference, and keys stay below their limit. */
const clipBytes = 2_048

/** Entries read at once after a page turned out to hold hidden ones. */
const laterChunk = 200

/** The bytes of a prefix, marker or delimiter, as far as they can make a difference. */
function clippedBytes(text: string): Buffer {
  const bytes = Buffer.from(text)
  return bytes.length > clipBytes ? bytes.subarray(0, clipBytes) : bytes
}

/** A chunk of the object table in the order of names. */
export interface ObjectTableChunk {
  readonly items: readonly ListedItem[]
  /** Nothing comes after it. */
  readonly isLast: boolean
}

/**
 * Goes through a range of `object/…`, delete markers included, without reading what lies below common prefixes.
 *
 * @param firstChunk items of the first chunk, if there are as many
 */
export async function* objectTableChunks(
  snapshot: Snapshot,
  bucketId: Uint8Array,
  range: NameRange,
  firstChunk: number,
): AsyncGenerator<ObjectTableChunk, void> {
  const prefix = objectTableKey(bucketId, range.prefix)
  const delimiter = range.delimiter ? clippedBytes(range.delimiter) : undefined
  let after = range.after === undefined ? undefined : objectTableKey(bucketId, range.after)
  for (let limit = firstChunk; ; limit = laterChunk) {
    const items = delimiter
      ? await snapshot.listPrefixes({ prefix, delimiter, limit, ...(after ? { after } : undefined) })
      : await listPlain(snapshot, prefix, after, limit)
    const isLast = items.length < limit
    yield { items, isLast }
    if (isLast) return
    const last = items.at(-1)
    if (last) after = last.kind === 'entry' ? last.entry.key : last.prefix
    await turnOfOthers()
  }
}

async function listPlain(
  snapshot: Snapshot,
  prefix: Uint8Array,
  after: Uint8Array | undefined,
  limit: number,
): Promise<ListedItem[]> {
  const start = after && Buffer.compare(after, prefix) >= 0 ? successor(after) : prefix
  const entries = await snapshot.list({ gte: start, lt: prefixEnd(prefix), limit })
  return entries.map((entry) => ({ kind: 'entry', entry }))
}

/** The smallest key after this one. */
export function successor(key: Uint8Array): Uint8Array {
  return Buffer.concat([key, Buffer.of(0)])
}

/** Tag and bucket id. */
const namePosition = 17

/** The name in a key, or in a common prefix, of `object/…`. */
export function nameOfObjectKey(key: Uint8Array): string {
  const bytes = Buffer.isBuffer(key) ? key : Buffer.from(key.buffer, key.byteOffset, key.length)
  return bytes.toString('utf8', namePosition)
}

/** Lets other requests go on: reads of an embedded store resolve without a turn of the event loop. */
export function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The common prefix that a name is rolled up into, or `undefined`. */
export function commonPrefixOf(name: string, { prefix, delimiter }: NameRange): string | undefined {
  if (!delimiter) return undefined
  const at = name.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : name.slice(0, at + delimiter.length)
}

/** A page from its items and, if there is more, one item more. */
export function pageOf<T>(items: readonly Listed<T>[], limit: number): ListedPage<T> {
  return items.length > limit ? { items: items.slice(0, limit), truncated: true } : { items, truncated: false }
}
