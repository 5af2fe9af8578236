/**
 * Listing with a delimiter over any ordered store: the keys below a common prefix are skipped by a seek, so a page costs
 * as many seeks as it has common prefixes, however many keys lie below them (DESIGN 4).
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { compareBytes, startsWith, successor, upperBound } from '../bytes.ts'
import { StorageError } from '../storage-error.ts'
import type { Entry, ListedItem, ListPrefixesOptions } from './contract.ts'

/** What an engine must offer: lazy forward iteration from a key. */
export interface OrderedSource {
  /** Entries in key order from `gte`, up to `lt` if there is one. Every call is one seek; ending early frees the cursor. */
  seek(gte: Uint8Array, lt: Uint8Array | undefined): Iterable<Entry>
}

/**
 * One page of entries and common prefixes in byte order; see `Snapshot.listPrefixes`.
 *
 * @throws StorageError `invalid` if the delimiter is empty
 */
export function listPrefixes(source: OrderedSource, options: ListPrefixesOptions): ListedItem[] {
  const { prefix, delimiter, limit } = options
  if (delimiter.length === 0) throw new StorageError('invalid', 'a delimiter must not be empty')
  const end = upperBound(prefix)
  const items: ListedItem[] = []
  let start = startOfPage(options)
  while (start !== undefined && items.length < limit && (end === undefined || compareBytes(start, end) < 0)) {
    start = listRun(source, start, end, options, items)
  }
  return items
}

/** The first key that may be listed; `undefined` if none can follow. */
function startOfPage({ prefix, delimiter, after }: ListPrefixesOptions): Uint8Array | undefined {
  if (after === undefined || compareBytes(after, prefix) < 0) return prefix
  // `after` lies in or beyond a common prefix: that one was given out already, so all of it is skipped.
  const commonPrefix = startsWith(after, prefix) ? commonPrefixOf(after, prefix, delimiter) : undefined
  return commonPrefix === undefined ? successor(after) : upperBound(commonPrefix)
}

/** Lists entries up to and including the next common prefix; resolves to where the next run starts, if there is one. */
function listRun(
  source: OrderedSource,
  start: Uint8Array,
  end: Uint8Array | undefined,
  { prefix, delimiter, limit }: ListPrefixesOptions,
  items: ListedItem[],
): Uint8Array | undefined {
  for (const entry of source.seek(start, end)) {
    const commonPrefix = commonPrefixOf(entry.key, prefix, delimiter)
    if (commonPrefix !== undefined) {
      items.push({ kind: 'prefix', prefix: commonPrefix })
      return upperBound(commonPrefix)
    }
    items.push({ kind: 'entry', entry })
    if (items.length >= limit) return undefined
  }
  return undefined
}

function commonPrefixOf(key: Uint8Array, prefix: Uint8Array, delimiter: Uint8Array): Uint8Array | undefined {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length)
  const at = bytes.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : Uint8Array.prototype.slice.call(key, 0, at + delimiter.length)
}
