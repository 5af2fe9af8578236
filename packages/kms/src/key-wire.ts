/**
 * What a server that speaks KES's wire asks of a loaded key: decryption without being told the version, and a
 * description to the nanosecond (kes-protocol 2.4, 3.2).
 *
 * @module
 */
import type { KeyAlgorithm, KeyState, KeyVersion } from './contract.ts'
import { decryptWithKey } from './key-cipher.ts'
import { KmsError } from './kms-error.ts'
import type { LoadedKey } from './loaded-key.ts'
import { formatTimestamp } from './timestamp.ts'

/** A key as KES describes it, and its state and newest version. */
export interface StoredKeyDescription {
  readonly algorithm: KeyAlgorithm
  /** Of version 1. RFC 3339 as Go prints it, in the zone that is stored with the key. */
  readonly createdAt: string
  /** Identity of the creator of version 1; may be empty. */
  readonly createdBy: string
  readonly state: KeyState
  readonly currentVersion: KeyVersion
}

/** A plaintext, the caller's to zero, and the version that opened it. */
export interface OpenedByVersion {
  readonly keyVersion: KeyVersion
  readonly plaintext: Uint8Array
}

/** Reads a description off a loaded key. */
export function describeStoredKey({ first, current, state, currentVersion }: LoadedKey): StoredKeyDescription {
  return {
    algorithm: current.algorithm,
    createdAt: formatTimestamp(first.createdAt),
    createdBy: first.createdBy,
    state,
    currentVersion,
  }
}

/**
 * Tries the versions from the newest to the oldest. The caller zeroes the plaintext.
 *
 * @throws KmsError `not-authentic` when none fits
 */
export function decryptWithAnyVersion(key: LoadedKey, ciphertext: Uint8Array, context: Uint8Array): OpenedByVersion {
  let keyVersion = key.currentVersion
  for (;;) {
    const version = key.versions.get(keyVersion)
    if (version !== undefined) {
      try {
        return { keyVersion, plaintext: decryptWithKey(version, ciphertext, context) }
      } catch (error) {
        if (keyVersion <= 1 || !(error instanceof KmsError && error.code === 'not-authentic')) throw error
      }
    }
    keyVersion--
  }
}
