/**
 * Values in services that keep bytes as base64: what KES writes there is base64 of base64 text (kes-protocol 8.1).
 *
 * @module
 */
import { decodeBase64 } from '../base64.ts'
import { KmsError } from '../kms-error.ts'
import { maxStoredKeyBytes } from '../stored-key.ts'

/** Base64 of a value. */
export function base64OfValue(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
}

/** The value in a field of an answer. @throws KmsError `invalid-key` when it is no base64, or too long for a key */
export function valueOfBase64(name: string, field: unknown): Uint8Array {
  const text = typeof field === 'string' ? Buffer.from(field, 'latin1') : undefined
  const value = text === undefined ? undefined : decodeBase64(text)
  text?.fill(0)
  if (value === undefined) throw new KmsError('invalid-key', `the stored value of key '${name}' is not base64`)
  if (value.length > maxStoredKeyBytes) throw new KmsError('invalid-key', `the value of key '${name}' is too long`)
  return value
}
