/**
 * What changes keys: create, rotate, lock, unlock, delete (now or later).
 * Every order of steps here leaves, when the process dies between two of them, a key that is whole, locked or being
 * deleted, and whose deletion can be finished by asking again (docs/formats/stored-keys.md).
 *
 * @module
 */
import type { RandomSource } from '@strongroom/crypto'
import type { KeyAlgorithm, KeyDescription, KeyName, KeyStore } from './contract.ts'
import { deletionEntryName, markerEntryName, versionEntryName } from './entry-name.ts'
import { familyOfKeyEntry, listKeyNames, versionsToDelete } from './key-entries.ts'
import { formatKeyMarker, type MarkerMeaning, parseKeyMarker } from './key-marker.ts'
import { isClaim, purgeKey, recoverKey, replaceEntry } from './key-recovery.ts'
import { checkUsable } from './key-state.ts'
import { KmsError } from './kms-error.ts'
import { describeLoadedKey, getEntry, keyNotFound, type LoadedKey, markerApplies } from './loaded-key.ts'
import type { LoadedKeyCache } from './loaded-key-cache.ts'
import { NameMutex } from './name-mutex.ts'
import { formatStoredKey, keyLength, type StoredKey, type VersionMark, zeroStoredKey } from './stored-key.ts'
import { timestampFromMs } from './timestamp.ts'

/** What the administration works with. */
export interface KeyAdministrationOptions {
  readonly store: KeyStore
  readonly cache: LoadedKeyCache
  readonly defaultAlgorithm: KeyAlgorithm
  readonly createdBy: string
  readonly now: () => number
  readonly random: RandomSource
}

/** Whom to note in a new key, and its algorithm. */
interface NewKeyOptions {
  readonly algorithm?: KeyAlgorithm
  readonly createdBy?: string
}

/** Rotations of one key by other nodes at the same moment that are waited out. */
const maxRotationRaces = 16

/** See the module. Names are checked by the caller. */
export class KeyAdministration {
  readonly #options: KeyAdministrationOptions
  readonly #mutex = new NameMutex()

  constructor(options: KeyAdministrationOptions) {
    this.#options = options
  }

  /** Makes a key of `material`, or of random bytes. */
  create(name: KeyName, material: Uint8Array | undefined, options: NewKeyOptions): Promise<KeyDescription> {
    const stored = this.#newStoredKey(options.algorithm ?? this.#options.defaultAlgorithm, material, options.createdBy)
    return this.#change(name, async () => {
      try {
        await this.#createEntry(name, stored)
      } finally {
        zeroStoredKey(stored)
      }
      return this.useFresh(name, describeLoadedKey)
    })
  }

  rotate(name: KeyName, { createdBy }: NewKeyOptions): Promise<KeyDescription> {
    return this.#change(name, async () => {
      for (let race = 0; race < maxRotationRaces; race++) {
        if (await this.#addVersion(name, createdBy)) return this.useFresh(name, describeLoadedKey)
      }
      throw new KmsError('busy', `key '${name}' is being rotated elsewhere`)
    })
  }

  lock(name: KeyName): Promise<KeyDescription> {
    return this.#change(name, async () => {
      const { state, family } = await this.useFresh(name, identity)
      if (state === 'pending-deletion') checkUsable(name, state)
      if (state === 'enabled') await this.#markLocked(name, family)
      return this.useFresh(name, describeLoadedKey)
    })
  }

  /** Lock first: what dies after it leaves a locked key. */
  scheduleDeletion(name: KeyName, dueAtMs: number): Promise<KeyDescription> {
    return this.#change(name, async () => {
      const { state, family } = await this.useFresh(name, identity)
      if (state === 'pending-deletion') checkUsable(name, state)
      if (state === 'enabled') await this.#markLocked(name, family)
      await this.#mark(name, 'scheduled', family, dueAtMs)
      return this.useFresh(name, describeLoadedKey)
    })
  }

  /** A deletion that is due may have begun, here or on another node: it goes on. */
  cancelDeletion(name: KeyName): Promise<KeyDescription> {
    return this.#change(name, async () => {
      const { state, deletionDueAtMs } = await this.useFresh(name, identity)
      if (state === 'pending-deletion') {
        if (deletionDueAtMs === undefined || deletionDueAtMs <= this.#options.now()) checkUsable(name, state)
        await this.#removeMarker(deletionEntryName(name))
      }
      return this.useFresh(name, describeLoadedKey)
    })
  }

  unlock(name: KeyName): Promise<KeyDescription> {
    return this.#change(name, async () => {
      const { state } = await this.useFresh(name, identity)
      if (state === 'pending-deletion') checkUsable(name, state)
      if (state === 'locked') await this.#removeMarker(markerEntryName(name))
      return this.useFresh(name, describeLoadedKey)
    })
  }

  /**
   * Marker first, so that the key is used no more; then the versions, newest first; then version 1; then the marker.
   * Asked again after a crash it goes on where it stopped, also when version 1 is already gone.
   */
  delete(name: KeyName): Promise<void> {
    return this.#change(name, async () => {
      const family = await familyOfKeyEntry(this.#options.store, name)
      if (family === 'no-key') throw keyNotFound(name)
      if (family !== undefined) await this.#markForDeletion(name, family)
      this.#options.cache.drop(name)
      let removed = 0
      for (const version of await versionsToDelete(this.#options.store, name)) {
        removed += await this.#deleteEntry(versionEntryName(name, version))
      }
      removed += await this.#deleteEntry(name)
      removed += await this.#deleteMarker(deletionEntryName(name))
      removed += await this.#deleteMarker(markerEntryName(name))
      this.#options.cache.drop(name)
      if (removed === 0) throw keyNotFound(name)
    })
  }

  /** Brings a deleted key back, unless it is being made anew or purged here at this moment. */
  recover(name: KeyName): Promise<KeyDescription> {
    return this.#change(name, async () => {
      await recoverKey(this.#options.store, name, this.#options.now)
      return this.useFresh(name, describeLoadedKey)
    })
  }

  /** In turn with what would bring the key to life, so that a living key is never taken for the rest of a deleted one. */
  purge(name: KeyName): Promise<void> {
    return this.#change(name, () => purgeKey(this.#options.store, name, this.#options.now))
  }

  /** Names of keys that match. */
  list(pattern: string): Promise<readonly KeyName[]> {
    return listKeyNames(this.#options.store, pattern)
  }

  /** Reads the key anew and works with it. */
  async useFresh<T>(name: KeyName, work: (key: LoadedKey) => T): Promise<T> {
    this.#options.cache.drop(name)
    return this.#options.cache.use(name, work)
  }

  /** One change of a key at a time, and nothing remembered from before it. */
  #change<T>(name: KeyName, change: () => Promise<T>): Promise<T> {
    return this.#mutex.run(name, async () => {
      try {
        return await change()
      } catch (error) {
        // How far it came is not known.
        this.#options.cache.drop(name)
        throw error
      }
    })
  }

  #newStoredKey(
    algorithm: KeyAlgorithm,
    material: Uint8Array | undefined,
    createdBy?: string,
    mark?: VersionMark,
  ): StoredKey {
    const { random } = this.#options
    return {
      algorithm,
      key: material === undefined ? random(keyLength) : Uint8Array.from(material),
      hmacKey: random(keyLength),
      createdAt: timestampFromMs(this.#options.now()),
      createdBy: createdBy ?? this.#options.createdBy,
      ...(mark === undefined ? {} : { mark }),
    }
  }

  async #createEntry(entry: string, stored: StoredKey): Promise<void> {
    const value = formatStoredKey(stored)
    try {
      await this.#options.store.create(entry, value)
    } finally {
      value.fill(0)
    }
  }

  /** `false` when another node was faster with that number. */
  async #addVersion(name: KeyName, createdBy: string | undefined): Promise<boolean> {
    const { state, family, nextVersion, algorithm, foreignEntry } = await this.useFresh(name, identity)
    checkUsable(name, state)
    if (foreignEntry !== undefined) {
      // A version behind it could not be found any more once that key is deleted.
      throw new KmsError('unsupported', `'${foreignEntry}' is a key of its own, so key '${name}' cannot be rotated`)
    }
    const mark = { version: nextVersion, family: Buffer.from(family, 'hex') }
    const stored = this.#newStoredKey(algorithm, undefined, createdBy, mark)
    try {
      await this.#createEntry(versionEntryName(name, nextVersion), stored)
      return true
    } catch (error) {
      if (error instanceof KmsError && error.code === 'key-exists') return false
      throw error
    } finally {
      zeroStoredKey(stored)
    }
  }

  /** Without the date of a deletion that another node's unlocking left: it would come back to life with the lock. */
  async #markLocked(name: KeyName, family: string): Promise<void> {
    await this.#deleteMarker(deletionEntryName(name))
    await this.#mark(name, 'locked', family)
  }

  /** Makes a marker, in the place of one that is about an earlier key of that name. */
  async #mark(name: KeyName, meaning: MarkerMeaning, family: string, atMs = this.#options.now()): Promise<void> {
    const entry = meaning === 'scheduled' ? deletionEntryName(name) : markerEntryName(name)
    const value = formatKeyMarker({ meaning, family, atMs })
    try {
      await this.#options.store.create(entry, value)
    } catch (error) {
      if (!(error instanceof KmsError && error.code === 'key-exists')) throw error
      const existing = await getEntry(this.#options.store, entry)
      const marker = existing === undefined ? undefined : parseKeyMarker(existing)
      if (markerApplies(marker, family)) return
      if (existing !== undefined && marker === undefined) {
        throw new KmsError(
          'unsupported',
          `'${entry}' is a key of its own, so key '${name}' cannot be ${meaning === 'scheduled' ? 'scheduled for deletion' : 'locked'}`,
        )
      }
      await replaceEntry(this.#options.store, entry, value)
    }
  }

  /** A lock stays as it is: it stops the use of the key as well. A deletion for later becomes due: it cannot be taken back. */
  async #markForDeletion(name: KeyName, family: string): Promise<void> {
    const entry = deletionEntryName(name)
    const value = await getEntry(this.#options.store, entry)
    const later = value === undefined ? undefined : parseKeyMarker(value)
    if (markerApplies(later, family) && later.atMs > this.#options.now()) {
      const due = formatKeyMarker({ meaning: 'scheduled', family, atMs: this.#options.now() })
      await replaceEntry(this.#options.store, entry, due)
    }
    try {
      await this.#mark(name, 'deleting', family)
    } catch (error) {
      // Where a key from KES has the marker's name, deletion goes without.
      if (!(error instanceof KmsError && error.code === 'unsupported')) throw error
    }
  }

  async #deleteMarker(entry: string): Promise<number> {
    const value = await getEntry(this.#options.store, entry)
    const marker = value === undefined ? undefined : parseKeyMarker(value)
    if (marker === undefined || isClaim(marker, this.#options.now())) return 0
    return this.#removeMarker(entry)
  }

  /** How many entries that removed. */
  #deleteEntry(entry: string): Promise<0 | 1> {
    return this.#remove(() => this.#options.store.delete(entry))
  }

  /** A marker is made again under the same name, so it goes for good where the store would keep deleted entries. */
  #removeMarker(entry: string): Promise<0 | 1> {
    const { store } = this.#options
    return this.#remove(() => (store.purge === undefined ? store.delete(entry) : store.purge(entry)))
  }

  async #remove(removal: () => Promise<void>): Promise<0 | 1> {
    try {
      await removal()
      return 1
    } catch (error) {
      if (error instanceof KmsError && error.code === 'key-not-found') return 0
      throw error
    }
  }
}

function identity({ state, deletionDueAtMs, family, nextVersion, foreignEntry, current }: LoadedKey) {
  return { state, deletionDueAtMs, family, nextVersion, foreignEntry, algorithm: current.algorithm }
}
