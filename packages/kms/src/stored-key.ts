/**
 * The value that a key store keeps for one key version: kes-protocol 7, docs/formats/stored-keys.md.
 * Written as KES writes it, byte for byte; read in every form that KES has written since 2019.
 *
 * @module
 */
import { decodeBase64 } from './base64.ts'
import type { KeyAlgorithm, KeyVersion } from './contract.ts'
import { GoJsonError, goBytes, goObject, goText, parseJson } from './go-json.ts'
import { KmsError } from './kms-error.ts'
import { decodeKeyMessage, encodeKeyMessage } from './stored-key-message.ts'
import { goZeroTime, type KeyTimestamp, parseTimestamp } from './timestamp.ts'

/** Says of an entry that it is version n of a key and not a key of its own. */
export interface VersionMark {
  readonly version: KeyVersion
  /** 16 bytes that only the holder of version 1 can make; see `keyFamily`. */
  readonly family: Uint8Array
}

/** One version of a key with its material. Whoever parsed or made it zeroes it with `zeroStoredKey`. */
export interface StoredKey {
  readonly algorithm: KeyAlgorithm
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 32 bytes; keys from before 2024-02-29 have none. */
  readonly hmacKey: Uint8Array | undefined
  readonly createdAt: KeyTimestamp
  /** Identity of the creator, free text, may be empty. */
  readonly createdBy: string
  /** On versions from 2 on. */
  readonly mark?: VersionMark
}

/** Length of every key, in bytes. */
export const keyLength = 32

/** No stored key comes near this; a longer value is refused unread. */
export const maxStoredKeyBytes = 65_536

const aliases: ReadonlyMap<string, KeyAlgorithm> = new Map([
  ['AES256', 'AES256'],
  ['AES256-GCM_SHA256', 'AES256'],
  ['ChaCha20', 'ChaCha20'],
  ['XCHACHA20-POLY1305', 'ChaCha20'],
])

/** The algorithm of a KES name or alias, in exactly that case; `undefined` for any other text (kes-protocol 6.1). */
export function parseKeyAlgorithm(text: string): KeyAlgorithm | undefined {
  return aliases.get(text)
}

/** Overwrites the material. */
export function zeroStoredKey(stored: StoredKey): void {
  stored.key.fill(0)
  stored.hmacKey?.fill(0)
}

/** Writes the current form: base64 of the protobuf message, without a line end. The caller zeroes the result. */
export function formatStoredKey(stored: StoredKey): Uint8Array {
  const message = encodeKeyMessage(stored)
  try {
    return Buffer.from(Buffer.from(message.buffer, message.byteOffset, message.length).toString('base64'), 'latin1')
  } finally {
    message.fill(0)
  }
}

/**
 * Reads a stored key of any form. `value` stays the caller's.
 *
 * @throws KmsError `invalid-key`, whatever is wrong with it
 */
export function parseStoredKey(value: Uint8Array): StoredKey {
  if (value.length > maxStoredKeyBytes) throw invalid()
  // Whatever is JSON as a whole is of the old form, be it `12345` (kes-protocol 7.2). Only then is the text looked at
  // as a string: the usual form begins with a letter and never becomes one.
  if (mayBeJson(value)) {
    const json = parseJson(Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8'))
    if (json !== undefined) return parseLegacyKey(json.value)
  }
  const message = decodeBase64(value)
  if (message === undefined) throw invalid()
  try {
    const stored = decodeKeyMessage(message)
    if (stored === undefined) throw invalid()
    return stored
  } finally {
    message.fill(0)
  }
}

/** JSON begins, after white space, with one of `{ [ " - 0..9 t f n`; base64 of a key message begins with an upper-case letter. */
function mayBeJson(value: Uint8Array): boolean {
  for (const byte of value) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue
    return '{["-0123456789tfn'.includes(String.fromCharCode(byte))
  }
  return false
}

/** `{"version":"v1","bytes":…,"algorithm":…,"created_at":…,"created_by":…}`, only `bytes` required. */
function parseLegacyKey(value: unknown): StoredKey {
  let key: Buffer | undefined
  try {
    const fields = goObject(value)
    key = goBytes(fields, 'bytes')
    const algorithm = parseKeyAlgorithm(goText(fields, 'algorithm') || 'AES256')
    const time = fields.get('created_at') ?? undefined
    const createdAt = time === undefined ? goZeroTime : parseTimestamp(goText(fields, 'created_at'))
    if (key.length !== keyLength || algorithm === undefined || createdAt === undefined) throw invalid()
    return { algorithm, key, hmacKey: undefined, createdAt, createdBy: goText(fields, 'created_by') }
  } catch (error) {
    key?.fill(0)
    if (error instanceof GoJsonError) throw invalid()
    throw error
  }
}

function invalid(): KmsError {
  // The cause is left out on purpose: a parser's message may quote the text it failed on.
  return new KmsError('invalid-key', 'a stored key cannot be read')
}
