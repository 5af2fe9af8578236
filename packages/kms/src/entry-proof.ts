/**
 * What the value of an entry is, and whether two values are the same key in use: what one seals the other opens. For whoever
 * copies entries from store to store.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import type { RandomSource } from '@strongroom/crypto'
import { decryptWithKey, encryptWithKey } from './key-cipher.ts'
import { parseKeyMarker } from './key-marker.ts'
import { KmsError } from './kms-error.ts'
import { parseStoredKey, type StoredKey, zeroStoredKey } from './stored-key.ts'

/** `undefined`: neither a key in any form that KES has written, nor a marker. */
export function kindOfEntry(value: Uint8Array): 'key' | 'marker' | undefined {
  if (parseKeyMarker(value) !== undefined) return 'marker'
  try {
    zeroStoredKey(parseStoredKey(value))
    return 'key'
  } catch (error) {
    if (error instanceof KmsError) return undefined
    throw error
  }
}

/**
 * Whether each of two stored keys opens what the other one seals.
 *
 * @throws KmsError `invalid-key`
 */
export function isSameKeyInUse(one: Uint8Array, other: Uint8Array, random: RandomSource): boolean {
  const keys: StoredKey[] = []
  try {
    for (const value of [one, other]) keys.push(parseStoredKey(value))
    const [first, second] = keys
    return first !== undefined && second !== undefined && opens(first, second, random) && opens(second, first, random)
  } finally {
    for (const key of keys) zeroStoredKey(key)
  }
}

function opens(sealing: StoredKey, opening: StoredKey, random: RandomSource): boolean {
  const context = random(16)
  const message = random(32)
  try {
    return timingSafeEqual(decryptWithKey(opening, encryptWithKey(sealing, message, context, random), context), message)
  } catch (error) {
    if (error instanceof KmsError) return false
    throw error
  }
}
