/**
 * A root key of 32 bytes in a file: made by us for trying out, or put there by a service manager
 * (systemd's `CREDENTIALS_DIRECTORY`, Docker and Kubernetes secrets).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RandomSource } from '@strongroom/crypto'
import { decodeBase64 } from '../base64.ts'
import { fileErrorCode, readSmallFile, syncDirectory, writeDurably } from '../durable-file.ts'
import { changingKeyring, sealUnderNewRootKey } from '../keyring-file.ts'
import { KmsError } from '../kms-error.ts'
import type { RootKey } from './root-key.ts'

const keyLength = 32
const maxFileBytes = 1024

/** What a service manager's credential is called when the caller gives its directory. */
export const rootKeyCredentialName = 'strongroom-root-key'

/** Where the next key waits while the keyring is sealed under it. */
const nextSuffix = '.next'

/**
 * The root key in a file of our own: base64 of 32 bytes (or the bytes themselves), not readable by everybody.
 * After a crash in the middle of `rotateRootKeyFile` it opens with whichever of the two keys fits, and tidies up.
 */
export function fileRootKey(path: string): RootKey {
  return {
    kind: 'key',
    prepare: (work) => withKey(path, true, (key) => work(key, '')),
    async unlock(_, work) {
      const opened = await withKey(path, true, work)
      if (opened !== undefined || !(await exists(path + nextSuffix))) return opened
      const openedByNext = await withKey(path + nextSuffix, true, work)
      if (openedByNext !== undefined) await putInPlace(path)
      return openedByNext
    },
  }
}

/** The root key that a service manager gives, as a file or as a directory with the file `strongroom-root-key`. */
export function credentialRootKey(path: string): RootKey {
  const use = async <T>(work: (key: Uint8Array) => Promise<T>): Promise<T> =>
    withKey((await isDirectory(path)) ? join(path, rootKeyCredentialName) : path, false, work)
  return { kind: 'key', prepare: (work) => use((key) => work(key, '')), unlock: (_, work) => use(work) }
}

/**
 * Makes a root key file of mode 0600, for trying out: it lies beside what it protects.
 *
 * @throws KmsError `key-exists`, `unreachable`
 */
export async function createRootKeyFile(path: string, random: RandomSource = randomBytes): Promise<void> {
  await writeKeyFile(path, 'create', random)
}

/**
 * Replaces the root key in a file by a new one and seals the keyring under it. A crash at any point leaves a pair of files
 * that `fileRootKey` opens.
 *
 * @throws KmsError as `openKeyring`
 */
export function rotateRootKeyFile(
  { directory, path }: { readonly directory: string; readonly path: string },
  random: RandomSource = randomBytes,
): Promise<void> {
  // Both files in one change: of two that meet, one would overwrite the key under which the other seals.
  return changingKeyring(directory, async () => {
    const change = { directory, rootKey: fileRootKey(path), newRootKey: nextRootKey(path, random) }
    // Opening first finishes a rotation that was cut off, so that the key it left is not overwritten.
    await sealUnderNewRootKey(change, { random })
    await putInPlace(path)
  })
}

function nextRootKey(path: string, random: RandomSource): RootKey {
  const next = fileRootKey(path + nextSuffix)
  return {
    ...next,
    async prepare(work) {
      await writeKeyFile(path + nextSuffix, 'replace', random)
      await next.prepare(work)
    },
  }
}

async function putInPlace(path: string): Promise<void> {
  try {
    await rename(path + nextSuffix, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    throw unreachable(error)
  }
}

async function writeKeyFile(path: string, placement: 'create' | 'replace', random: RandomSource): Promise<void> {
  const key = random(keyLength)
  const text = Buffer.from(`${Buffer.from(key.buffer, key.byteOffset, key.length).toString('base64')}\n`)
  try {
    await writeDurably(path, text, placement, randomBytes(12).toString('hex'))
  } catch (error) {
    if (fileErrorCode(error) === 'EEXIST') throw new KmsError('key-exists', 'there is a root key file already')
    throw unreachable(error)
  } finally {
    key.fill(0)
    text.fill(0)
  }
}

async function withKey<T>(path: string, isOurs: boolean, work: (key: Uint8Array) => Promise<T>): Promise<T> {
  const key = await readKey(path, isOurs)
  try {
    return await work(key)
  } finally {
    key.fill(0)
  }
}

async function readKey(path: string, isOurs: boolean): Promise<Uint8Array> {
  let content: Buffer | undefined
  try {
    if (isOurs && ((await stat(path)).mode & 0o007) !== 0) {
      throw new KmsError('permission-denied', `the root key file ${path} is open to everybody: chmod 600 ${path}`)
    }
    content = await readSmallFile(path, maxFileBytes)
  } catch (error) {
    if (error instanceof KmsError) throw error
    if (fileErrorCode(error) === 'ENOENT') throw new KmsError('key-not-found', `there is no root key file ${path}`)
    throw unreachable(error)
  }
  if (content?.length === keyLength) return content
  const key = content === undefined ? undefined : decodeBase64(content)
  content?.fill(0)
  if (key?.length === keyLength) return key
  key?.fill(0)
  throw new KmsError('invalid-key', `the root key file ${path} does not hold ${keyLength} bytes or their base64`)
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return false
    throw unreachable(error)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return false
    throw unreachable(error)
  }
}

function unreachable(error: unknown): KmsError {
  return new KmsError('unreachable', `the root key file cannot be used (${fileErrorCode(error)})`, { cause: error })
}
