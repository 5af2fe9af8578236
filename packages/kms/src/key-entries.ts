/**
 * What the entries of a key store are: keys, versions and markers, told by their values and not by their names
 * (docs/formats/stored-keys.md).
 *
 * @module
 */
import type { KeyName, KeyStore, KeyVersion } from './contract.ts'
import { entryShape, isEntryName } from './entry-name.ts'
import { keyFamily, parseKeyMarker } from './key-marker.ts'
import { isKeyName, parseKeyPattern } from './key-name.ts'
import { mapConcurrently } from './keystores/concurrently.ts'
import { KmsError } from './kms-error.ts'
import { getEntry, isUnreadable } from './loaded-key.ts'
import { parseStoredKey, type StoredKey, zeroStoredKey } from './stored-key.ts'

/** Entries of a listing looked into at the same time. */
const listingConcurrency = 16

/** Names of keys that match, in byte order. @throws KmsError `invalid-name`, and what the store throws */
export async function listKeyNames(store: KeyStore, pattern: string): Promise<readonly KeyName[]> {
  const wanted = parseKeyPattern(pattern)
  if (wanted === undefined) throw new KmsError('invalid-name', 'the listing pattern is too long or invalid')
  const found: string[] = []
  for await (const name of store.list(wanted.text)) {
    if (isKeyName(name) && (wanted.isPrefix || name === wanted.text)) found.push(name)
  }
  const doubtful = found.filter((name) => entryShape(name).kind !== 'key')
  const areKeys = await mapConcurrently(doubtful, listingConcurrency, (name) => isKeyEntry(store, name))
  const noKeys = new Set(doubtful.filter((_, at) => areKeys[at] !== true))
  return found.filter((name) => !noKeys.has(name))
}

/** Newest first. Keys of their own, which moved in from KES under such names, are left alone. */
export async function versionsToDelete(store: KeyStore, name: KeyName): Promise<readonly KeyVersion[]> {
  const versions: KeyVersion[] = []
  for await (const entry of store.list(`${name}-v-`)) {
    const shape = entryShape(entry)
    if (shape.kind !== 'version' || shape.base !== name || !isEntryName(entry)) continue
    if (!(await isKeyEntry(store, entry))) versions.push(shape.version)
  }
  return versions.sort((a, b) => b - a)
}

/** Hex; `undefined` when the entry is not there or cannot be read, `'no-key'` when it is a version or the marker of another key. */
export async function familyOfKeyEntry(store: KeyStore, name: KeyName): Promise<string | undefined> {
  const value = await readable(store, name)
  if (value === undefined) return undefined
  if (parseKeyMarker(value) !== undefined) return 'no-key'
  const stored = tryParse(value)
  if (stored === undefined) return undefined
  const family = stored.mark === undefined ? Buffer.from(keyFamily(stored)).toString('hex') : 'no-key'
  zeroStoredKey(stored)
  return family
}

/** Whether an entry named like a version or marker is a key of its own. One that cannot be read is none. */
async function isKeyEntry(store: KeyStore, entry: string): Promise<boolean> {
  const value = await readable(store, entry)
  const stored = value === undefined ? undefined : tryParse(value)
  if (stored === undefined) return false
  zeroStoredKey(stored)
  return stored.mark === undefined
}

/** The value of an entry; `undefined` when there is none, or none that its store can vouch for. */
async function readable(store: KeyStore, entry: string): Promise<Uint8Array | undefined> {
  try {
    return await getEntry(store, entry)
  } catch (error) {
    if (isUnreadable(error)) return undefined
    throw error
  }
}

function tryParse(value: Uint8Array): StoredKey | undefined {
  try {
    return parseStoredKey(value)
  } catch (error) {
    if (error instanceof KmsError) return undefined
    throw error
  } finally {
    value.fill(0)
  }
}
