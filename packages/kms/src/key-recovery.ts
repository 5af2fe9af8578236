/**
 * Keys that were deleted from a store which keeps deleted entries for a while: bringing one back whole, or destroying what is
 * left of it. docs/formats/stored-keys.md says which entries a key has.
 *
 * @module
 */
import type { KeyName, KeyStore } from './contract.ts'
import { maxKeyVersion, versionEntryName } from './entry-name.ts'
import { KmsError } from './kms-error.ts'
import { getEntry, keyNotFound } from './loaded-key.ts'

/** Versions purged at most: a store need not say whether there was anything to purge. */
const maxVersions = 10_000

/**
 * Brings a deleted key back: its later versions first, so that the key is never there without them. Asked again after a
 * crash it goes on where it stopped.
 *
 * @throws KmsError `key-exists` when it is there, `key-not-found` when there is nothing to recover
 */
export async function recoverKey(store: KeyStore, name: KeyName): Promise<void> {
  await mustBeAbsent(store, name)
  if (store.recover === undefined) throw keyNotFound(name)
  const recover = store.recover.bind(store)
  for (let version = 2; version < maxKeyVersion; version++) {
    const entry = versionEntryName(name, version)
    await succeeds(() => recover(entry))
    if (!(await exists(store, entry))) break
  }
  await recover(name)
}

/**
 * Destroys what is left of a deleted key, its first version last.
 *
 * @throws KmsError `key-exists` when the key is there: it has to be deleted first. `key-not-found` when nothing is left
 */
export async function purgeKey(store: KeyStore, name: KeyName): Promise<void> {
  await mustBeAbsent(store, name)
  if (store.purge === undefined) throw keyNotFound(name)
  const purge = store.purge.bind(store)
  for (let version = 2; version <= maxVersions; version++) {
    const entry = versionEntryName(name, version)
    // What is there belongs to a key of its own, or deleting it has not come to an end.
    if ((await exists(store, entry)) || !(await succeeds(() => purge(entry)))) break
  }
  await purge(name)
}

async function mustBeAbsent(store: KeyStore, name: KeyName): Promise<void> {
  if (await exists(store, name)) throw new KmsError('key-exists', `key '${name}' is not deleted`)
}

async function exists(store: KeyStore, entry: string): Promise<boolean> {
  const value = await getEntry(store, entry)
  value?.fill(0)
  return value !== undefined
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
