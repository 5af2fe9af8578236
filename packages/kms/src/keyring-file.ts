/**
 * The keyring on disk: one small file, sealed under the root key, replaced whole. DESIGN 7, docs/formats/keyring.md.
 * One process works with it at a time; the instance lock of the data directory sees to that.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { CryptoError, openValue, type RandomSource, sealValue } from '@strongroom/crypto'
import { decodeBase64 } from './base64.ts'
import { fileErrorCode, type Placement, readSmallFile, writeDurably } from './durable-file.ts'
import { GoJsonError, goObject, goText, parseJson } from './go-json.ts'
import { Keyring, newKeyring, withNewKey, withNextCredentials } from './keyring.ts'
import { decodeKeyringBody, encodeKeyringBody } from './keyring-body.ts'
import { KmsError } from './kms-error.ts'
import { NameMutex } from './name-mutex.ts'
import type { RootKey, RootKeyKind } from './root-key/root-key.ts'

/** Where a keyring is and what opens it. */
export interface KeyringLocation {
  /** The file in it is called `keyring`. */
  readonly directory: string
  readonly rootKey: RootKey
}

/** Injected last, for exact tests. */
export interface KeyringClock {
  /** Milliseconds. Default `Date.now`. */
  readonly now?: () => number
  /** Default `randomBytes` of `node:crypto`. */
  readonly random?: RandomSource
}

/** Name of the file within its directory. */
export const keyringFileName = 'keyring'

/** Frozen. */
const format = 'strongroom-keyring-v1'
const rootKeyId = 0
const maxFileBytes = 8_388_608

const inWords = (kind: string): string => (kind === 'key' ? 'a key' : kind === 'passphrase' ? 'a passphrase' : kind)

interface Envelope {
  readonly kind: string
  readonly parameters: string
  readonly sealed: Uint8Array
}

/**
 * Makes and stores a new keyring. The caller closes it.
 *
 * @throws KmsError `key-exists` when there is one already
 */
export async function createKeyring(
  { directory, rootKey }: KeyringLocation,
  { now = Date.now, random = randomBytes }: KeyringClock = {},
): Promise<Keyring> {
  const keyring = newKeyring(now(), random)
  await rootKey.prepare(async (key, parameters) => {
    await writeKeyring(directory, sealKeyring(keyring, key, rootKey.kind, parameters, random), 'create')
  })
  return keyring
}

/**
 * Opens the keyring of a directory. The caller closes it.
 *
 * @throws KmsError `key-not-found` when there is none, `not-authentic` when the root key does not open it,
 * `unsupported` for one of another kind of root key or of a later format, `invalid-key`, `unreachable`
 */
export async function openKeyring({ directory, rootKey }: KeyringLocation): Promise<Keyring> {
  return withOpenKeyring(directory, rootKey, async (keyring) => keyring)
}

/** Changes of keyrings in this process, by directory. Of other processes the instance lock takes care. */
const changes = new NameMutex()

/** Runs a change of a keyring when those before it are done: each reads the file, and puts another in its place. */
export function changingKeyring<T>(directory: string, change: () => Promise<T>): Promise<T> {
  return changes.run(resolve(directory), change)
}

/** A keyring, the root key that opens it, and the one that is to. */
export interface RootKeyChange extends KeyringLocation {
  readonly newRootKey: RootKey
}

/**
 * Seals the keyring under another root key, and changes nothing else. Until the new file is in place the old one stands.
 *
 * @throws KmsError as `openKeyring`
 */
export function rotateRootKey(change: RootKeyChange, clock: KeyringClock = {}): Promise<void> {
  return changingKeyring(change.directory, () => sealUnderNewRootKey(change, clock))
}

/** {@link rotateRootKey} as a part of a larger change: within `changingKeyring`. */
export async function sealUnderNewRootKey(
  { directory, rootKey, newRootKey }: RootKeyChange,
  { random = randomBytes }: KeyringClock = {},
): Promise<void> {
  const keyring = await openKeyring({ directory, rootKey })
  try {
    await newRootKey.prepare(async (key, parameters) => {
      await writeKeyring(directory, sealKeyring(keyring, key, newRootKey.kind, parameters, random), 'replace')
    })
  } finally {
    keyring.close()
  }
}

/**
 * Gives the keyring a new metadata key, which seals from now on; the old ones go on opening. The caller closes the result.
 *
 * @throws KmsError as `openKeyring`
 */
export function addMetadataKey(location: KeyringLocation, clock: KeyringClock = {}): Promise<Keyring> {
  const { now = Date.now, random = randomBytes } = clock
  return updateKeyring(location, (keyring) => withNewKey(keyring, 'metadata', now(), random), random)
}

/** Makes new root credentials. The caller closes the result. @throws KmsError as `openKeyring` */
export function rotateRootCredentials(
  location: KeyringLocation,
  { random = randomBytes }: KeyringClock = {},
): Promise<Keyring> {
  return updateKeyring(location, withNextCredentials, random)
}

function updateKeyring(
  { directory, rootKey }: KeyringLocation,
  change: (keyring: Keyring) => Keyring,
  random: RandomSource,
): Promise<Keyring> {
  const update = () =>
    withOpenKeyring(directory, rootKey, async (keyring, key, { parameters }) => {
      try {
        const changed = change(keyring)
        await writeKeyring(directory, sealKeyring(changed, key, rootKey.kind, parameters, random), 'replace')
        return changed
      } finally {
        keyring.close()
      }
    })
  return changingKeyring(directory, update)
}

async function withOpenKeyring(
  directory: string,
  rootKey: RootKey,
  work: (keyring: Keyring, key: Uint8Array, envelope: Envelope) => Promise<Keyring>,
): Promise<Keyring> {
  const envelope = await readKeyring(directory)
  if (envelope.kind !== rootKey.kind) {
    throw new KmsError(
      'unsupported',
      `the keyring is sealed under ${inWords(envelope.kind)}, and ${inWords(rootKey.kind)} was given: name the source it was sealed under`,
    )
  }
  const opened = await rootKey.unlock(envelope.parameters, async (key) => {
    const keyring = unsealKeyring(envelope, key)
    return keyring === undefined ? undefined : work(keyring, key, envelope)
  })
  if (opened === undefined) {
    throw new KmsError(
      'not-authentic',
      'the root key does not open the keyring: it is another one, or the keyring was changed',
    )
  }
  return opened
}

function sealKeyring(
  { content }: Keyring,
  key: Uint8Array,
  kind: RootKeyKind,
  parameters: string,
  random: RandomSource,
): Uint8Array {
  const body = encodeKeyringBody(content)
  try {
    const sealed = sealValue(key, rootKeyId, body, associatedData(kind, parameters), random).toString('base64')
    return Buffer.from(`${JSON.stringify({ format, rootKey: { kind, parameters }, sealed }, undefined, 2)}\n`)
  } finally {
    body.fill(0)
  }
}

/** `undefined` when it does not open. */
function unsealKeyring({ kind, parameters, sealed }: Envelope, key: Uint8Array): Keyring | undefined {
  let body: Uint8Array | undefined
  try {
    body = openValue(key, sealed, associatedData(kind, parameters))
    return new Keyring(decodeKeyringBody(body))
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  } finally {
    body?.fill(0)
  }
}

function associatedData(kind: string, parameters: string): Uint8Array {
  return Buffer.from(`${format}\0${kind}\0${parameters}`)
}

async function writeKeyring(directory: string, file: Uint8Array, placement: Placement): Promise<void> {
  try {
    await writeDurably(join(directory, keyringFileName), file, placement, randomBytes(12).toString('hex'))
  } catch (error) {
    if (fileErrorCode(error) === 'EEXIST')
      throw new KmsError('key-exists', 'there is a keyring already', { cause: error })
    throw new KmsError('unreachable', `the keyring cannot be written (${fileErrorCode(error)})`, { cause: error })
  }
}

async function readKeyring(directory: string): Promise<Envelope> {
  let file: Buffer | undefined
  try {
    file = await readSmallFile(join(directory, keyringFileName), maxFileBytes)
  } catch (error) {
    const code = fileErrorCode(error)
    if (code === 'ENOENT') throw new KmsError('key-not-found', 'there is no keyring', { cause: error })
    throw new KmsError('unreachable', `the keyring cannot be read (${code})`, { cause: error })
  }
  const envelope = file === undefined ? undefined : parseEnvelope(file.toString('utf8'))
  if (envelope === undefined) throw new KmsError('invalid-key', 'the keyring file is malformed')
  return envelope
}

function parseEnvelope(text: string): Envelope | undefined {
  try {
    const fields = goObject(parseJson(text)?.value)
    if (goText(fields, 'format') !== format) throw new KmsError('unsupported', 'the keyring is of another format')
    const rootKey = goObject(fields.get('rootkey'))
    const sealed = decodeBase64(Buffer.from(goText(fields, 'sealed')))
    if (sealed === undefined) return undefined
    return { kind: goText(rootKey, 'kind'), parameters: goText(rootKey, 'parameters'), sealed }
  } catch (error) {
    if (error instanceof GoJsonError) return undefined
    throw error
  }
}
