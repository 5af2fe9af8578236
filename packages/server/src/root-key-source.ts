/**
 * Where the root key comes from, by the settings, and the keyring that it opens (DESIGN 7).
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  createKeyring,
  createRootKeyFile,
  credentialRootKey,
  fileRootKey,
  type Keyring,
  KmsError,
  type KmsErrorCode,
  keyringFileName,
  openKeyring,
  passphraseRootKey,
  type RootKey,
} from '@strongroom/kms'
import type { DataDirectory } from './data-directory.ts'
import { systemErrorCode } from './durable-file.ts'
import { ServerError } from './server-error.ts'
import type { Settings } from './settings/setting-table.ts'

export interface RootKeySource {
  readonly rootKey: RootKey
  /** For people: `the file /etc/root.key`. */
  readonly description: string
  /** The file of a root key that we may replace ourselves. */
  readonly ownFile?: string
  /** It was made by us and lies beside the data: good for trying out only. */
  readonly isTrial: boolean
}

type RootKeySettings = Pick<Settings, 'rootKeyFile' | 'rootKeyPassphraseFile' | 'rootKeyCredential'>

/** @throws ServerError `root-key` when a source is named and not there */
export async function rootKeySource(
  settings: RootKeySettings,
  directory: DataDirectory,
  credentialsDirectory: string | undefined,
): Promise<RootKeySource> {
  const { rootKeyFile, rootKeyPassphraseFile, rootKeyCredential } = settings
  if (rootKeyFile !== undefined) return keyFileSource(rootKeyFile)
  if (rootKeyPassphraseFile !== undefined) return await passphraseSource(rootKeyPassphraseFile)
  if (rootKeyCredential !== undefined) {
    if (credentialsDirectory === undefined) {
      throw new ServerError(
        'root-key',
        'rootKeyCredential is set, but $CREDENTIALS_DIRECTORY is not: no service manager gave a credential',
      )
    }
    const path = join(credentialsDirectory, rootKeyCredential)
    return { rootKey: credentialRootKey(path), description: `the credential ${rootKeyCredential}`, isTrial: false }
  }
  return { ...keyFileSource(directory.rootKeyFile), isTrial: true }
}

/** A root key in a file. */
export function keyFileSource(file: string): RootKeySource {
  const path = resolve(file)
  return { rootKey: fileRootKey(path), description: `the file ${path}`, ownFile: path, isTrial: false }
}

/** A root key derived from the passphrase in a file; a line break at its end does not count. */
export async function passphraseSource(file: string): Promise<RootKeySource> {
  const path = resolve(file)
  let text: Buffer
  try {
    text = await readFile(path)
  } catch (error) {
    throw new ServerError('root-key', `the passphrase file ${path} cannot be read (${systemErrorCode(error)})`, {
      cause: error,
    })
  }
  let length = text.length
  while (length > 0 && (text[length - 1] === 0x0a || text[length - 1] === 0x0d)) length--
  if (length < 12) throw new ServerError('root-key', `the passphrase in ${path} is shorter than 12 bytes`)
  return {
    rootKey: passphraseRootKey(text.subarray(0, length)),
    description: `the passphrase in ${path}`,
    isTrial: false,
  }
}

/** What to do about what the key service says of a root key. */
const hints: Readonly<Partial<Record<KmsErrorCode, string>>> = {
  'key-not-found': '. Set rootKeyFile, rootKeyPassphraseFile or rootKeyCredential, or restore it from a backup',
}

/**
 * Opens the keyring, or makes it (and a root key for trying out) in a new data directory.
 *
 * @throws ServerError `root-key`: it does not open, or it is missing from a deployment that has been in use
 */
export async function openOrCreateKeyring(directory: DataDirectory, source: RootKeySource): Promise<Keyring> {
  const location = { directory: directory.root, rootKey: source.rootKey }
  try {
    if (existsSync(join(directory.root, keyringFileName))) return await openKeyring(location)
    if (existsSync(join(directory.metadata, 'data.mdb'))) {
      throw new ServerError(
        'root-key',
        `${join(directory.root, keyringFileName)} is missing: without it nothing can be read. Restore it from a backup`,
      )
    }
    if (source.isTrial && !existsSync(directory.rootKeyFile)) await createRootKeyFile(directory.rootKeyFile)
    return await createKeyring(location)
  } catch (error) {
    if (error instanceof KmsError) {
      const isNamed = error.message.includes(source.description.split(' ').at(-1) ?? '')
      const where = isNamed ? '' : ` (root key: ${source.description})`
      throw new ServerError('root-key', `${error.message}${where}${hints[error.code] ?? ''}`, { cause: error })
    }
    throw error
  }
}
