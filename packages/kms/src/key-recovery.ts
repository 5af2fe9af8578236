/**
 * Keys that were deleted from a store which keeps deleted entries for a while: bringing one back whole, or destroying what is
 * left of it. docs/formats/stored-keys.md says which entries a key has. Of two nodes that do so with one key at the same
 * moment one goes on: whoever makes the claim, an entry of the name that a scheduled deletion has while the key is there.
 *
 * @module
 */
import type { KeyName, KeyStore, KeyVersion } from './contract.ts'
import { deletionEntryName, maxKeyVersion, versionEntryName } from './entry-name.ts'
import { formatKeyMarker, type KeyMarker, parseKeyMarker } from './key-marker.ts'
import { KmsError } from './kms-error.ts'
import { getEntry, isUnreadable, keyNotFound } from './loaded-key.ts'
import { parseStoredKey, zeroStoredKey } from './stored-key.ts'
import { familyLength } from './stored-key-message.ts'

/** Versions purged at most: a store need not say whether there was anything to purge. */
const maxVersions = 10_000

/** The family of no key. */
const claimFamily = '0'.repeat(2 * familyLength)

/** A claim older than this belongs to a node that died; in milliseconds. */
const claimLastsMs = 600_000

/** Whether a marker is a claim that may still be somebody's. */
export function isClaim(marker: KeyMarker | undefined, nowMs: number): boolean {
  return marker?.family === claimFamily && marker.meaning === 'deleting' && Math.abs(nowMs - marker.atMs) < claimLastsMs
}

/**
 * Brings a deleted key back: its later versions first, so that the key is never there without them. Asked again after a
 * crash it goes on where it stopped. A deleted key of its own with the name of a version comes back, too: without it what
 * stands behind it could not be found.
 *
 * @throws KmsError `key-exists` when it is there, `key-not-found` when there is nothing to recover, `busy` when another node
 * recovers or purges it
 */
export async function recoverKey(store: KeyStore, name: KeyName, now: () => number): Promise<void> {
  await mustBeAbsent(store, name)
  if (store.recover === undefined) throw keyNotFound(name)
  const recover = store.recover.bind(store)
  await claimed(store, name, now, async () => {
    for (let version = 2; version < maxKeyVersion; version++) {
      const entry = versionEntryName(name, version)
      const isRecovered = await succeeds(() => recover(entry))
      const found = await lookAt(store, entry, version)
      if (isRecovered && found === 'absent') throw notBackYet(entry)
      if (found === 'absent') break
    }
    await recover(name)
  })
}

/**
 * Destroys what is left of a deleted key, its last version first: what a purge that was cut short has left is a key with fewer
 * versions, which is found when it is purged again. What only looks like a version of it by its name, a deleted key of its own
 * that moved in from KES, stays as it was: a deleted entry says what it is only while it is recovered. What cannot be read may
 * be anybody's and stays, too.
 *
 * @throws KmsError `key-exists` when the key is there: it has to be deleted first. `key-not-found` when nothing is left,
 * `busy` when another node recovers or purges it, `unsupported` when it is purged but for what cannot be read
 */
export async function purgeKey(store: KeyStore, name: KeyName, now: () => number): Promise<void> {
  await mustBeAbsent(store, name)
  if (store.purge === undefined) throw keyNotFound(name)
  const purge = store.purge.bind(store)
  await claimed(store, name, now, async () => {
    const entries: string[] = []
    const unreadable: string[] = []
    for (let version = 2; version <= maxVersions; version++) {
      const entry = versionEntryName(name, version)
      const found = await tellVersion(store, entry, version, purge)
      if (found === 'absent') break
      if (found === 'version') entries.push(entry)
      if (found === 'unreadable') unreadable.push(entry)
    }
    for (const entry of entries.reverse()) await succeeds(() => purge(entry))
    await purge(name)
    if (unreadable.length > 0) throw stillThere(name, unreadable)
  })
}

function stillThere(name: KeyName, entries: readonly string[]): KmsError {
  const which = entries.map((entry) => `'${entry}'`).join(', ')
  return new KmsError(
    'unsupported',
    `key '${name}' is purged, but not what cannot be read and may be no version of it: ${which}; remove it with the key store's own tools if it is`,
  )
}

/** What an entry with the name of a version is. A version is there afterwards; what was deleted and is none is deleted again. */
async function tellVersion(
  store: KeyStore,
  entry: string,
  version: KeyVersion,
  purge: (entry: string) => Promise<void>,
): Promise<Found | 'only a name'> {
  const before = await lookAt(store, entry, version)
  if (before !== 'absent') return before
  if (!(await succeeds(async () => store.recover?.(entry)))) {
    // What cannot be recovered has no value any more.
    return (await succeeds(() => purge(entry))) ? 'only a name' : 'absent'
  }
  const found = await lookAt(store, entry, version)
  if (found === 'absent') throw notBackYet(entry)
  if (found !== 'version') await store.delete(entry)
  return found
}

const notBackYet = (entry: string): KmsError =>
  new KmsError('busy', `'${entry}' was recovered, but the key store does not show it yet: ask again`)

/** Does the work while no other node does such work with the key. */
async function claimed(store: KeyStore, name: KeyName, now: () => number, work: () => Promise<void>): Promise<void> {
  const isOurs = await claim(store, name, now())
  try {
    // Another one may have come to its end before the claim.
    await mustBeAbsent(store, name)
    await work()
  } finally {
    if (isOurs) await succeeds(() => removeEntry(store, deletionEntryName(name)))
  }
}

/** `false` where a key from KES has the name of the claim, there or deleted: then it goes without. */
async function claim(store: KeyStore, name: KeyName, nowMs: number): Promise<boolean> {
  const entry = deletionEntryName(name)
  const value = formatKeyMarker({ meaning: 'deleting', family: claimFamily, atMs: nowMs })
  try {
    await store.create(entry, value)
    return true
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    if (error.code === 'key-pending-deletion') return false
    if (error.code !== 'key-exists') throw error
  }
  const existing = await getEntry(store, entry)
  const marker = existing === undefined ? undefined : parseKeyMarker(existing)
  existing?.fill(0)
  if (existing !== undefined && marker === undefined) return false
  if (marker === undefined || isClaim(marker, nowMs)) {
    throw new KmsError('busy', `key '${name}' is being recovered or purged elsewhere`)
  }
  await replaceEntry(store, entry, value)
  return true
}

/** Puts another value in the place of an entry: in one step where the store can. */
export async function replaceEntry(store: KeyStore, entry: string, value: Uint8Array): Promise<void> {
  if (store.replace !== undefined) return store.replace(entry, value)
  await succeeds(() => removeEntry(store, entry))
  await store.create(entry, value)
}

/** For good where the store would keep deleted entries, so that the name is free again. */
function removeEntry(store: KeyStore, entry: string): Promise<void> {
  return store.purge === undefined ? store.delete(entry) : store.purge(entry)
}

async function mustBeAbsent(store: KeyStore, name: KeyName): Promise<void> {
  const value = await getEntry(store, name)
  value?.fill(0)
  if (value !== undefined) throw new KmsError('key-exists', `key '${name}' is not deleted`)
}

type Found = 'absent' | 'version' | 'another key' | 'unreadable'

/** What an entry with the name of a version is, by its value. */
async function lookAt(store: KeyStore, entry: string, version: KeyVersion): Promise<Found> {
  let value: Uint8Array | undefined
  try {
    value = await getEntry(store, entry)
    if (value === undefined) return 'absent'
    const stored = parseStoredKey(value)
    zeroStoredKey(stored)
    return stored.mark?.version === version ? 'version' : 'another key'
  } catch (error) {
    if (isUnreadable(error)) return 'unreadable'
    throw error
  } finally {
    value?.fill(0)
  }
}

/** Whether there was something to work on. */
async function succeeds(work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof KmsError && error.code === 'key-not-found') return false
    throw error
  }
}
