/**
 * What the root key wraps: every secret of a deployment that is not an EK. DESIGN 7, docs/formats/keyring.md.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto'
import type { RandomSource } from '@strongroom/crypto'
import { KmsError } from './kms-error.ts'

/** Keys of one purpose by id; the current one seals, all open. What `RecordSealer` and `SealedKeyStore` take. */
export interface KeyringKeys {
  readonly currentId: number
  /** 32 bytes each; the keyring's own. */
  readonly keys: ReadonlyMap<number, Uint8Array>
}

/**
 * What a key of the keyring is for: `metadata` seals records, `data` takes the DEK's place for objects without SSE,
 * `keyStore` seals the entries of the built-in key store.
 */
export type KeyringPurpose = 'metadata' | 'data' | 'keyStore'

/** Purposes with their numbers in the file. Frozen. */
export const keyringPurposes: Readonly<Record<KeyringPurpose, number>> = { metadata: 1, data: 2, keyStore: 3 }

/** One key. */
export interface KeyringEntry {
  readonly purpose: KeyringPurpose
  /** 1 to 4,294,967,295, unique within its purpose; the highest is the current one. */
  readonly id: number
  readonly createdAtMs: number
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** The secrets of a keyring. */
export interface KeyringContent {
  readonly entries: readonly KeyringEntry[]
  /** 32 bytes from which the root credentials come. */
  readonly credentialsSeed: Uint8Array
  /** Counts up to make new root credentials. */
  readonly credentialsGeneration: number
  /** 32 bytes: the Ed25519 private key, RFC 8032. */
  readonly signingSeed: Uint8Array
}

const secretLength = 32
const maxId = 0xffff_ffff

/** PKCS #8 of an Ed25519 key, up to its 32 bytes (RFC 8410 7). */
const ed25519Pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** An open keyring. It owns its keys and zeroes them when it is closed; nothing that got one may use it after. */
export class Keyring {
  readonly content: KeyringContent

  /** Takes over `content`. @throws KmsError `invalid-key` when a purpose has no key, or an id is there twice */
  constructor(content: KeyringContent) {
    this.content = content
    for (const purpose of Object.keys(keyringPurposes) as KeyringPurpose[]) this.#keysOf(purpose)
  }

  get metadataKeys(): KeyringKeys {
    return this.#keysOf('metadata')
  }

  get dataKeys(): KeyringKeys {
    return this.#keysOf('data')
  }

  get keyStoreKeys(): KeyringKeys {
    return this.#keysOf('keyStore')
  }

  /** Ed25519, for erasure certificates. */
  signingKey(): KeyObject {
    const der = Buffer.concat([ed25519Pkcs8, this.content.signingSeed])
    try {
      return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    } finally {
      der.fill(0)
    }
  }

  /** Zeroes every secret. */
  close(): void {
    for (const { key } of this.content.entries) key.fill(0)
    this.content.credentialsSeed.fill(0)
    this.content.signingSeed.fill(0)
  }

  #keysOf(wanted: KeyringPurpose): KeyringKeys {
    const mine = this.content.entries.filter(({ purpose }) => purpose === wanted)
    const keys = new Map(mine.map(({ id, key }) => [id, key]))
    if (keys.size === 0 || keys.size !== mine.length) {
      throw new KmsError('invalid-key', `the keyring has no key for '${wanted}', or one id twice`)
    }
    return { currentId: Math.max(...keys.keys()), keys }
  }
}

/** A new keyring with one key per purpose. */
export function newKeyring(nowMs: number, random: RandomSource = randomBytes): Keyring {
  const entries = (Object.keys(keyringPurposes) as KeyringPurpose[]).map((purpose) => ({
    purpose,
    id: 1,
    createdAtMs: nowMs,
    key: random(secretLength),
  }))
  return new Keyring({
    entries,
    credentialsSeed: random(secretLength),
    credentialsGeneration: 1,
    signingSeed: random(secretLength),
  })
}

/** A copy with a new current key for a purpose. Both keyrings are the caller's to close. */
export function withNewKey(
  keyring: Keyring,
  purpose: KeyringPurpose,
  nowMs: number,
  random: RandomSource = randomBytes,
): Keyring {
  const ids = keyring.content.entries.filter((entry) => entry.purpose === purpose).map(({ id }) => id)
  const id = Math.max(...ids) + 1
  if (id > maxId) throw new KmsError('unsupported', 'the keyring has no more key ids')
  const copy = copyContent(keyring)
  return new Keyring({
    ...copy,
    entries: [...copy.entries, { purpose, id, createdAtMs: nowMs, key: random(secretLength) }],
  })
}

/** A copy with the next root credentials. Both keyrings are the caller's to close. */
export function withNextCredentials(keyring: Keyring): Keyring {
  const copy = copyContent(keyring)
  if (copy.credentialsGeneration >= maxId) throw new KmsError('unsupported', 'the keyring has no more generations')
  return new Keyring({ ...copy, credentialsGeneration: copy.credentialsGeneration + 1 })
}

function copyContent({ content }: Keyring): KeyringContent {
  return {
    entries: content.entries.map((entry) => ({ ...entry, key: Uint8Array.from(entry.key) })),
    credentialsSeed: Uint8Array.from(content.credentialsSeed),
    credentialsGeneration: content.credentialsGeneration,
    signingSeed: Uint8Array.from(content.signingSeed),
  }
}
