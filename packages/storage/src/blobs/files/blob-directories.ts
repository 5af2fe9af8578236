/**
 * The directories of the files adapter: `<root>/<session>/<2 hex>/<blobId>`, where the two digits are the first random
 * ones. Every new directory is durable before anything in it is.
 *
 * @module
 */

import { join } from 'node:path'
import { syncDirectory } from '../../durable-directory.ts'
import { sessionOf } from '../blob-id.ts'
import type { BlobId, SessionId } from '../contract.ts'
import { type BlobFileSystem, blobErrorOf, systemCodeOf } from './file-system.ts'

const directoryMode = 0o700
const fanOutStart = 16
const fanOutEnd = 18

/** Makes, remembers and tidies up directories. */
export class BlobDirectories {
  readonly #root: string
  readonly #fileSystem: BlobFileSystem
  /** Directories that this process has made durable, or is making; by path. */
  readonly #durable = new Map<string, Promise<void>>()

  constructor(root: string, fileSystem: BlobFileSystem) {
    this.#root = root
    this.#fileSystem = fileSystem
  }

  sessionPath(sessionId: SessionId): string {
    return join(this.#root, sessionId)
  }

  /** @throws StorageError `invalid` */
  directoryOf(blobId: BlobId): string {
    return join(this.#root, sessionOf(blobId), blobId.slice(fanOutStart, fanOutEnd))
  }

  /** @throws StorageError `invalid` */
  pathOf(blobId: BlobId): string {
    return join(this.directoryOf(blobId), blobId)
  }

  /** Makes the directories of a blob, durably; once per process and directory. */
  async ensureFor(blobId: BlobId): Promise<void> {
    await this.#ensure(this.sessionPath(sessionOf(blobId)), this.#root)
    await this.#ensure(this.directoryOf(blobId), this.sessionPath(sessionOf(blobId)))
  }

  /** Another process may have removed the directories of this blob, as they were empty: makes them again. */
  async ensureAgainFor(blobId: BlobId): Promise<void> {
    this.#durable.delete(this.directoryOf(blobId))
    this.#durable.delete(this.sessionPath(sessionOf(blobId)))
    await this.ensureFor(blobId)
  }

  /**
   * Makes it durable that blobs are gone, whoever removed them: one that was found missing may have been unlinked by a
   * process that died before it came to this. Then removes what directories are empty.
   *
   * @throws StorageError
   */
  async syncAndTidyUp(blobIds: readonly BlobId[]): Promise<void> {
    const blobIn = new Map(blobIds.map((blobId) => [this.directoryOf(blobId), blobId]))
    // At once, so that a journalling file system can commit them together.
    const synced = await Promise.allSettled([...blobIn.keys()].map((directory) => this.#syncIfThere(directory)))
    for (const result of synced) {
      if (result.status === 'rejected') throw blobErrorOf(result.reason, 'cannot delete a blob durably')
    }
    for (const blobId of blobIn.values()) await this.#tidyUpAfter(blobId)
  }

  /** A directory is only removed when all that was in it is durably gone. */
  async #syncIfThere(directory: string): Promise<void> {
    try {
      await syncDirectory(this.#fileSystem, directory)
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error
    }
  }

  /** Removes the directories of a blob that is gone, if they are empty. Those that this process writes to stay. */
  async #tidyUpAfter(blobId: BlobId): Promise<void> {
    const directory = this.directoryOf(blobId)
    const session = this.sessionPath(sessionOf(blobId))
    if (this.#durable.has(session)) return
    if (await this.#removeIfEmpty(directory)) await this.#removeIfEmpty(session)
  }

  async #ensure(path: string, parent: string): Promise<void> {
    let made = this.#durable.get(path)
    if (made === undefined) {
      made = this.#make(path, parent)
      this.#durable.set(path, made)
    }
    try {
      await made
    } catch (error) {
      if (this.#durable.get(path) === made) this.#durable.delete(path)
      throw error
    }
  }

  async #make(path: string, parent: string): Promise<void> {
    await this.#fileSystem.mkdir(path, { recursive: true, mode: directoryMode })
    await syncDirectory(this.#fileSystem, parent)
  }

  async #removeIfEmpty(path: string): Promise<boolean> {
    try {
      await this.#fileSystem.rmdir(path)
      return true
    } catch (error) {
      // Not empty, or gone: both as they should be. Anything else is no reason to fail a delete that is done.
      return systemCodeOf(error) === 'ENOENT'
    }
  }
}
