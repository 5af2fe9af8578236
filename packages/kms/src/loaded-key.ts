/**
 * A key as `KeyService` holds it in memory: all its versions and whether it is locked, read from the entries of a key store.
 *
 * @module
 */
import type { KeyDescription, KeyName, KeyState, KeyStore, KeyVersion } from './contract.ts'
import { deletionEntryName, markerEntryName, maxKeyVersion, versionEntryName } from './entry-name.ts'
import { type KeyMarker, keyFamily, parseKeyMarker } from './key-marker.ts'
import { KmsError } from './kms-error.ts'
import { parseStoredKey, type StoredKey, zeroStoredKey } from './stored-key.ts'
import { timestampToDate } from './timestamp.ts'

/** A key with its material; whoever loaded it zeroes it with `zeroLoadedKey`. */
export interface LoadedKey {
  readonly name: KeyName
  readonly state: KeyState
  /** Of a key whose deletion is scheduled: when, in milliseconds. */
  readonly deletionDueAtMs?: number
  /** Hex; differs between two keys that had the same name one after the other. */
  readonly family: string
  readonly versions: ReadonlyMap<KeyVersion, StoredKey>
  readonly currentVersion: KeyVersion
  readonly current: StoredKey
  readonly first: StoredKey
  /** The first number whose entry does not exist. */
  readonly nextVersion: KeyVersion
  /** The first key of its own with the name of a version of this one, if there is one: it may go, and leave a gap. */
  readonly foreignEntry?: string
}

/** Overwrites the material of all versions. */
export function zeroLoadedKey(key: LoadedKey): void {
  for (const stored of key.versions.values()) zeroStoredKey(stored)
}

/** What the outside may know. */
export function describeLoadedKey(key: LoadedKey): KeyDescription {
  return {
    name: key.name,
    state: key.state,
    algorithm: key.current.algorithm,
    ...(key.deletionDueAtMs === undefined ? {} : { deletionDueAt: new Date(key.deletionDueAtMs) }),
    currentVersion: key.currentVersion,
    versions: [...key.versions].map(([version, { createdAt, createdBy }]) => ({
      version,
      createdAt: timestampToDate(createdAt),
      createdBy,
    })),
  }
}

/** An entry's value, or `undefined` when it does not exist. */
export async function getEntry(store: KeyStore, entry: string): Promise<Uint8Array | undefined> {
  try {
    return await store.get(entry)
  } catch (error) {
    if (error instanceof KmsError && error.code === 'key-not-found') return undefined
    throw error
  }
}

/** Whether that says of an entry that it is there and cannot be read, or not be vouched for by its store. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof KmsError && (error.code === 'invalid-key' || error.code === 'not-authentic')
}

/** Whether a marker is about this key and not about an earlier one of that name. */
export function markerApplies(marker: KeyMarker | undefined, family: string): marker is KeyMarker {
  return marker?.family === family
}

/** The error for a key that does not exist. */
export function keyNotFound(name: KeyName): KmsError {
  return new KmsError('key-not-found', `key '${name}' does not exist`)
}

/**
 * Reads a key. `expectedNext` is how far its versions are known to go: entries up to there are asked for at once, so that
 * a key costs one round trip to a remote store.
 *
 * @throws KmsError `key-not-found`, `invalid-key`, and what the store throws
 */
export async function loadKey(store: KeyStore, name: KeyName, expectedNext: KeyVersion = 2): Promise<LoadedKey> {
  const later = Array.from({ length: expectedNext - 1 }, (_, i) => getEntry(store, versionEntryName(name, i + 2)))
  const values = await Promise.all([getEntry(store, name), getEntry(store, markerEntryName(name)), ...later])
  const [firstValue, markerValue, ...versionValues] = values
  const loading: StoredKey[] = []
  try {
    if (firstValue === undefined || parseKeyMarker(firstValue) !== undefined) throw keyNotFound(name)
    const first = readVersion(firstValue, name, 1, loading)
    // A version of another key is no key, nor is its marker.
    if (first.mark !== undefined) throw keyNotFound(name)
    const family = Buffer.from(keyFamily(first)).toString('hex')
    const versions = new Map<KeyVersion, StoredKey>([[1, first]])
    let foreignEntry: string | undefined
    let version = 2
    for (; version < maxKeyVersion; version++) {
      const index = version - 2
      const entry = versionEntryName(name, version)
      const value = index < versionValues.length ? versionValues[index] : await getEntry(store, entry)
      if (value === undefined) break
      const stored = readVersion(value, name, version, loading)
      if (isVersionOf(stored, family, version)) {
        versions.set(version, stored)
        continue
      }
      // A key from KES, or a remnant of a deleted one.
      if (stored.mark === undefined) foreignEntry ??= entry
      zeroStoredKey(stored)
    }
    const currentVersion = Math.max(...versions.keys())
    const marker = markerValue === undefined ? undefined : parseKeyMarker(markerValue)
    return {
      name,
      family,
      versions,
      currentVersion,
      first,
      current: versions.get(currentVersion) ?? first,
      ...(await stateOf(store, name, family, marker)),
      nextVersion: version,
      ...(foreignEntry === undefined ? {} : { foreignEntry }),
    }
  } catch (error) {
    for (const stored of loading) zeroStoredKey(stored)
    throw error
  } finally {
    for (const value of values) value?.fill(0)
  }
}

/** The second marker is asked for only where there is the first, so that keys in use cost nothing more. */
async function stateOf(
  store: KeyStore,
  name: KeyName,
  family: string,
  marker: KeyMarker | undefined,
): Promise<Pick<LoadedKey, 'state' | 'deletionDueAtMs'>> {
  if (!markerApplies(marker, family)) return { state: 'enabled' }
  if (marker.meaning === 'deleting') return { state: 'pending-deletion' }
  const value = await getEntry(store, deletionEntryName(name))
  const deletion = value === undefined ? undefined : parseKeyMarker(value)
  if (!markerApplies(deletion, family)) return { state: 'locked' }
  return { state: 'pending-deletion', deletionDueAtMs: deletion.atMs }
}

function readVersion(value: Uint8Array, name: KeyName, version: KeyVersion, loading: StoredKey[]): StoredKey {
  try {
    const stored = parseStoredKey(value)
    loading.push(stored)
    return stored
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    // Going on without a version might seal under an older one that somebody had reason to replace.
    const so =
      version > 1 ? `, so key '${name}' is not used: restore it, or remove it if it is no version of that key` : ''
    const entry = versionEntryName(name, version)
    throw new KmsError(error.code, `the stored key '${entry}' cannot be read${so}`, { cause: error })
  } finally {
    value.fill(0)
  }
}

function isVersionOf({ mark }: StoredKey, family: string, version: KeyVersion): boolean {
  return mark !== undefined && mark.version === version && Buffer.from(mark.family).toString('hex') === family
}
