/**
 * What every owner of a secret needs: wiping it, comparing it, and checking its length.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import { invalidArgument } from './crypto-error.ts'

/** Bytes of every symmetric key in the house. */
export const keySizeBytes = 32

/** A source of random bytes; `randomBytes` of `node:crypto` unless a test gives another. */
export type RandomSource = (sizeBytes: number) => Uint8Array

/** Overwrites secrets with zeros. For the `finally` of the function that owns them; `undefined` is passed over. */
export function zero(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0)
}

/** Whether two secrets are equal, in time that depends on their lengths only. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** @throws CryptoError `invalid-argument` unless `key` has 32 bytes */
export function checkKey(key: Uint8Array): void {
  if (key.length !== keySizeBytes) throw invalidArgument(`a key has ${keySizeBytes} bytes`)
}

/** The same memory as a `Buffer`. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
