/**
 * Blobs as files, on a local disk or any mounted file system (DESIGN 5).
 *
 * @module
 */

import { constants, fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectoryDurably } from '../../durable-directory.ts'
import { StorageError } from '../../storage-error.ts'
import { checkBlobId, isBlobId, isLowerHex, isSessionId } from '../blob-id.ts'
import { checkRange, chunksOf } from '../blob-range.ts'
import type { BlobId, BlobReader, BlobStore, BlobWriter, SessionId } from '../contract.ts'
import { AlignedBuffers } from './aligned-buffers.ts'
import { BlobDirectories } from './blob-directories.ts'
import { DirectBlobWriter } from './direct-blob-writer.ts'
import { FileBlobWriter } from './file-blob-writer.ts'
import { type BlobFileSystem, blobErrorOf, nodeFileSystem, systemCodeOf } from './file-system.ts'

const fileMode = 0o600

/** Blobs from this size on are written past the page cache: as much as a part of an upload has at most clients. */
const defaultDirectBytes = 4 * 1024 * 1024

/** The buffers of all direct writes: those that the medium takes from, and those that are being filled. Hardly any is ever full. */
const writeBuffers = { count: 8, sizeBytes: 1088 * 1024 }

/** Absent where the system has no direct writes. */
const directFlags: number | undefined =
  constants.O_DIRECT === undefined
    ? undefined
    : constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT

export interface FilesBlobStoreOptions {
  /** Blobs that are announced with this size are written past the page cache; `Infinity`: none. */
  readonly directBytes?: number
}

/**
 * Opens the store in `root`, which is made (mode 0700) if it is missing.
 *
 * @throws StorageError `unavailable`, `full`
 */
export async function openFilesBlobStore(
  root: string,
  fileSystem: BlobFileSystem = nodeFileSystem,
  options: FilesBlobStoreOptions = {},
): Promise<FilesBlobStore> {
  try {
    await makeDirectoryDurably(fileSystem, root)
  } catch (error) {
    throw blobErrorOf(error, `cannot open the blob store in ${root}`)
  }
  return new FilesBlobStore(root, fileSystem, options.directBytes ?? defaultDirectBytes)
}

/** See {@link openFilesBlobStore}. */
export class FilesBlobStore implements BlobStore {
  readonly #root: string
  readonly #fileSystem: BlobFileSystem
  readonly #directories: BlobDirectories
  readonly #directBytes: number
  /** Made for the first large blob; `null` once it is known that this file system or runtime has no direct writes. */
  #buffers: AlignedBuffers | null | undefined

  /** @internal Use {@link openFilesBlobStore}. */
  constructor(root: string, fileSystem: BlobFileSystem, directBytes: number) {
    this.#root = root
    this.#directBytes = directBytes
    this.#fileSystem = fileSystem
    this.#directories = new BlobDirectories(root, fileSystem)
  }

  async create(blobId: BlobId, sizeBytes = 0): Promise<BlobWriter> {
    const path = this.#directories.pathOf(blobId)
    const directory = this.#directories.directoryOf(blobId)
    try {
      await this.#directories.ensureFor(blobId)
      const buffers = sizeBytes >= this.#directBytes ? this.#directBuffers() : undefined
      const direct = buffers && (await this.#createDirectly(blobId, path))
      if (direct && buffers) return new DirectBlobWriter(this.#fileSystem, direct, { path, directory }, buffers)
      return new FileBlobWriter(this.#fileSystem, await this.#createFile(blobId, path, 'wx'), path, directory)
    } catch (error) {
      throw blobErrorOf(error, 'cannot create a blob')
    }
  }

  async open(blobId: BlobId, endBytes: number): Promise<BlobReader> {
    const handle = await this.#openFile(blobId)
    try {
      // The size is in the inode that `open` has just read: asking for it synchronously does not wait for the disk.
      if (fstatSync(handle.fd).size < endBytes) throw truncated()
      return new FileBlobReader(handle)
    } catch (error) {
      await handle.close()
      throw blobErrorOf(error, 'cannot read a blob')
    }
  }

  async *read(blobId: BlobId, offset: number, length: number): AsyncGenerator<Uint8Array> {
    checkRange(offset, length)
    yield* chunksOf(await this.open(blobId, offset + length), offset, length)
  }

  async size(blobId: BlobId): Promise<number | undefined> {
    return await this.#sizeOfFile(this.#directories.pathOf(blobId))
  }

  async delete(blobId: BlobId): Promise<boolean> {
    const wasThere = await this.#unlink(blobId)
    await this.#directories.syncAndTidyUp([blobId])
    return wasThere
  }

  async deleteAll(blobIds: readonly BlobId[]): Promise<void> {
    for (const blobId of blobIds) await this.#unlink(blobId)
    await this.#directories.syncAndTidyUp(blobIds)
  }

  async *sessions(): AsyncGenerator<SessionId> {
    for await (const name of this.#names(this.#root)) {
      if (isSessionId(name)) yield name
    }
  }

  async *list(sessionId: SessionId): AsyncGenerator<{ readonly blobId: BlobId; readonly sizeBytes: number }> {
    if (!isSessionId(sessionId)) throw new StorageError('invalid', 'a session id has 16 lower-case hex digits')
    const session = this.#directories.sessionPath(sessionId)
    for await (const fanOut of this.#names(session)) {
      if (fanOut.length !== 2 || !isLowerHex(fanOut)) continue
      for await (const blobId of this.#names(join(session, fanOut))) {
        const isMine = isBlobId(blobId) && blobId.startsWith(sessionId + fanOut)
        const sizeBytes = isMine ? await this.#sizeOfFile(join(session, fanOut, blobId)) : undefined
        // Gone since the directory was read: no longer there to be listed.
        if (sizeBytes !== undefined) yield { blobId, sizeBytes }
      }
    }
  }

  async capacity(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    try {
      const { bavail, blocks, bsize } = await this.#fileSystem.statfs(this.#root)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    } catch (error) {
      throw blobErrorOf(error, 'cannot ask for free space')
    }
  }

  /** There is nothing to close: writers and readers close their own files. */
  async close(): Promise<void> {}

  async #unlink(blobId: BlobId): Promise<boolean> {
    try {
      await this.#fileSystem.unlink(this.#directories.pathOf(blobId))
      return true
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return false
      throw blobErrorOf(error, 'cannot delete a blob')
    }
  }

  async #createFile(blobId: BlobId, path: string, flags: string | number): Promise<FileHandle> {
    try {
      return await this.#fileSystem.open(path, flags, fileMode)
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error
      await this.#directories.ensureAgainFor(blobId)
      return await this.#fileSystem.open(path, flags, fileMode)
    }
  }

  #directBuffers(): AlignedBuffers | undefined {
    if (directFlags === undefined || this.#buffers === null) return undefined
    try {
      this.#buffers ??= new AlignedBuffers(writeBuffers.count, writeBuffers.sizeBytes)
      return this.#buffers
    } catch {
      this.#buffers = null
      return undefined
    }
  }

  /** A file for direct writes; `undefined` where the file system refuses to have any. */
  async #createDirectly(blobId: BlobId, path: string): Promise<FileHandle | undefined> {
    try {
      return await this.#createFile(blobId, path, directFlags ?? 'wx')
    } catch (error) {
      if (systemCodeOf(error) !== 'EINVAL') throw error
      this.#buffers = null
      // Linux makes the file before it refuses the flag.
      await this.#fileSystem.unlink(path).catch(() => undefined)
      return undefined
    }
  }

  async #openFile(blobId: BlobId): Promise<FileHandle> {
    checkBlobId(blobId)
    try {
      return await this.#fileSystem.open(this.#directories.pathOf(blobId), 'r')
    } catch (error) {
      throw blobErrorOf(error, 'cannot read a blob')
    }
  }

  async #sizeOfFile(path: string): Promise<number | undefined> {
    try {
      return (await this.#fileSystem.stat(path)).size
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw blobErrorOf(error, 'cannot ask for the size of a blob')
    }
  }

  /** Names in a directory, without reading all of a large one into memory; none if it is gone. */
  async *#names(path: string): AsyncGenerator<string> {
    try {
      for await (const entry of await this.#fileSystem.opendir(path)) yield entry.name
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw blobErrorOf(error, 'cannot list blobs')
    }
  }
}

class FileBlobReader implements BlobReader {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** A file system may return less at a time. */
  async read(buffer: Uint8Array, position: number): Promise<void> {
    try {
      for (let filled = 0; filled < buffer.length; ) {
        const { bytesRead } = await this.#handle.read(buffer, filled, buffer.length - filled, position + filled)
        if (bytesRead === 0) throw truncated()
        filled += bytesRead
      }
    } catch (error) {
      throw blobErrorOf(error, 'cannot read a blob')
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

function truncated(): StorageError {
  return new StorageError('truncated', 'a blob is shorter than its record says')
}
