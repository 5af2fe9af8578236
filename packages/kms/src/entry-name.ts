/**
 * How one key is laid out over the entries of a key store that knows no update (docs/formats/stored-keys.md):
 * `name` is version 1, `name-v-n` version n, `name-locked` the marker of a lock or of a deletion under way, `name-deletion`
 * the marker of a deletion at a certain time.
 *
 * @module
 */
import type { KeyVersion } from './contract.ts'
import { hasKeyNameCharactersOnly, maxKeyNameLength } from './key-name.ts'
import { KmsError } from './kms-error.ts'

/** Versions are counted to here, so that an entry name has a bounded length. */
export const maxKeyVersion = 999_999_999

/** Longest entry name: the longest key name with the longest version. */
const maxEntryNameLength = maxKeyNameLength + '-v-'.length + String(maxKeyVersion).length

const lockSuffix = '-locked'
const deletionSuffix = '-deletion'
const markerSuffixes = [lockSuffix, deletionSuffix]
const versionPattern = /^(?<base>.+)-v-(?<version>\d{1,9})$/
const reservedPattern = /(?:-v-\d+|-locked|-deletion)$/

/** The entry that holds a version of a key. */
export function versionEntryName(name: string, version: KeyVersion): string {
  return version === 1 ? name : `${name}-v-${version}`
}

/** The entry whose presence says that a key is locked or being deleted. */
export function markerEntryName(name: string): string {
  return `${name}${lockSuffix}`
}

/** The entry that says when a locked key is going to be deleted. Without the marker of a lock it says nothing. */
export function deletionEntryName(name: string): string {
  return `${name}${deletionSuffix}`
}

/**
 * Whether a name has the form of a version or marker entry, so that no new key may be called so. A key that moved in
 * from KES under such a name goes on working: what an entry is, its value says.
 */
export function isReservedName(name: string): boolean {
  return reservedPattern.test(name)
}

/** What an entry could be by its name; its value decides. */
export type EntryShape =
  | { readonly kind: 'key' }
  | { readonly kind: 'version'; readonly base: string; readonly version: KeyVersion }
  | { readonly kind: 'marker'; readonly base: string }

/** Reads the form of an entry name. */
export function entryShape(entry: string): EntryShape {
  for (const suffix of markerSuffixes) {
    if (entry.endsWith(suffix) && entry.length > suffix.length) {
      return { kind: 'marker', base: entry.slice(0, -suffix.length) }
    }
  }
  const match = versionPattern.exec(entry)?.groups
  const version = Number(match?.version)
  const base = match?.base
  // Only the canonical spelling: `-v-02` and `-v-1` are nobody's version entries.
  if (base !== undefined && version >= 2 && versionEntryName(base, version) === entry) {
    return { kind: 'version', base, version }
  }
  return { kind: 'key' }
}

/** Whether a key store may be asked for an entry of that name: the characters of key names, so no path and no escape. */
export function isEntryName(entry: string): boolean {
  return entry.length > 0 && entry.length <= maxEntryNameLength && hasKeyNameCharactersOnly(entry)
}

/** @throws KmsError `invalid-name` */
export function checkEntryName(entry: string): void {
  if (!isEntryName(entry)) throw new KmsError('invalid-name', 'a key store entry cannot have that name')
}
