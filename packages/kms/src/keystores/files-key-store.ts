/**
 * One file per entry, in the layout of KES: `<directory>/<name>`, mode 0600, the stored key as text (kes-protocol 8.3).
 * Other than with KES, a crash leaves no empty or half-written file under the name of a key, other files and
 * directories are not listed, and a directory that is gone is `unreachable`, not an absent key.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeyStore } from '../contract.ts'
import {
  fileErrorCode,
  makeDirectoryDurably,
  readSmallFile,
  syncDirectory,
  temporaryPrefix,
  writeDurably,
} from '../durable-file.ts'
import { checkEntryName, isEntryName } from '../entry-name.ts'
import { KmsError } from '../kms-error.ts'
import { maxStoredKeyBytes } from '../stored-key.ts'

/** Settings of a files key store. */
export interface FilesKeyStoreOptions {
  /** Clock in milliseconds, for the age of unfinished files. Default `Date.now`. */
  readonly now?: () => number
}

/** An unfinished file older than this belongs to a process that died; in milliseconds. */
const abandonedAfterMs = 3_600_000

const notFoundCodes = new Set(['ENOENT', 'EISDIR', 'EPERM'])

/** A directory of keys. Its file system must know hard links: they are what makes `create` exclusive and whole at once. */
export class FilesKeyStore implements KeyStore {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * Opens a directory, making it (mode 0700) and its parents if they are missing, and removes what dead writers left.
   *
   * @throws KmsError `unreachable`
   */
  static async open(directory: string, { now = Date.now }: FilesKeyStoreOptions = {}): Promise<FilesKeyStore> {
    const store = new FilesKeyStore(directory)
    try {
      await makeDirectoryDurably(directory)
      await store.#removeAbandoned(now() - abandonedAfterMs)
    } catch (error) {
      throw store.#unreachable(error)
    }
    return store
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    try {
      await writeDurably(this.#path(name), value, 'create', randomBytes(12).toString('hex'))
    } catch (error) {
      if (fileErrorCode(error) === 'EEXIST') throw new KmsError('key-exists', `key '${name}' already exists`)
      throw this.#unreachable(error)
    }
  }

  async replace(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    try {
      await writeDurably(this.#path(name), value, 'replace', randomBytes(12).toString('hex'))
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    let value: Buffer | undefined
    try {
      value = await readSmallFile(this.#path(name), maxStoredKeyBytes)
    } catch (error) {
      throw await this.#missing(name, error)
    }
    if (value === undefined) throw new KmsError('invalid-key', `the file of key '${name}' is too long for a key`)
    return value
  }

  async delete(name: string): Promise<void> {
    checkEntryName(name)
    try {
      await unlink(this.#path(name))
    } catch (error) {
      throw await this.#missing(name, error)
    }
    try {
      await syncDirectory(this.#directory)
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    yield* await this.#names(prefix)
  }

  async status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    try {
      if ((await stat(this.#directory)).isDirectory()) return { reachable: true }
      return { reachable: false, detail: 'the key directory is not a directory' }
    } catch (error) {
      return { reachable: false, detail: `the key directory cannot be read (${fileErrorCode(error)})` }
    }
  }

  async close(): Promise<void> {}

  async #names(prefix: string): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.#directory, { withFileTypes: true })
      return entries
        .filter((entry) => entry.name.startsWith(prefix) && !entry.isDirectory() && isEntryName(entry.name))
        .map((entry) => entry.name)
        .sort()
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  /** Tells an absent key from an absent directory, which KES does not. */
  async #missing(name: string, error: unknown): Promise<KmsError> {
    if (notFoundCodes.has(fileErrorCode(error)) && (await this.#isNoFile(name)) && (await this.status()).reachable) {
      return new KmsError('key-not-found', `key '${name}' does not exist`)
    }
    return this.#unreachable(error)
  }

  async #isNoFile(name: string): Promise<boolean> {
    try {
      return (await stat(this.#path(name))).isDirectory()
    } catch (error) {
      return fileErrorCode(error) === 'ENOENT'
    }
  }

  async #removeAbandoned(before: number): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.startsWith(temporaryPrefix)) continue
      const path = this.#path(name)
      try {
        if ((await stat(path)).mtimeMs < before) await unlink(path)
      } catch (error) {
        // Another process that opens the directory may be faster.
        if (fileErrorCode(error) !== 'ENOENT') throw error
      }
    }
  }

  #unreachable(error: unknown): KmsError {
    const code = fileErrorCode(error)
    const hint = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)
      ? '; does its file system know hard links?'
      : ''
    return new KmsError('unreachable', `the key directory cannot be used (${code || 'unknown error'})${hint}`, {
      cause: error,
    })
  }
}
