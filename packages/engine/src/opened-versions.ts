/**
 * Object keys that were opened lately, each hidden under the key that opened it: what is kept opens nothing without the data
 * key, which has to be had from the KMS or the client each time as if nothing were kept. It saves the derivation and the
 * opening of what is sealed, not one decision.
 *
 * @module
 */

import { hash } from 'node:crypto'
import { equalSecrets, keySizeBytes, zero } from '@strongroom/crypto'
import type { Random } from './ids.ts'
import type { ObjectVersion } from './object-record.ts'

const saltBytes = 32

/** An object key under `SHA-512(salt ‖ key)`: the first half of that proves the key, the second half hides the object key. */
interface Hidden {
  readonly salt: Uint8Array
  readonly proof: Uint8Array
  readonly hidden: Uint8Array
}

/**
 * By the record that says what they are bound to. A record is decoded once for its bytes and its place (`RecordStore`), so
 * that whatever is changed in one is another record, for which nothing is known here. Entries go with their records.
 */
export class OpenedVersions {
  readonly #entries = new WeakMap<ObjectVersion, Hidden>()
  readonly #random: Random
  readonly #scratch = Buffer.alloc(saltBytes + keySizeBytes)

  constructor(random: Random) {
    this.#random = random
  }

  /** The object key, which the caller zeroes; `undefined` if it is not known, or if this is not the key that opened it. */
  recall(record: ObjectVersion, key: Uint8Array): Buffer | undefined {
    const entry = this.#entries.get(record)
    if (!entry || key.length !== keySizeBytes) return undefined
    const mask = this.#maskOf(entry.salt, key)
    try {
      if (!equalSecrets(mask.subarray(0, keySizeBytes), entry.proof)) return undefined
      return combined(entry.hidden, mask)
    } finally {
      zero(mask)
    }
  }

  /** Both keys stay the caller's. */
  remember(record: ObjectVersion, key: Uint8Array, objectKey: Uint8Array): void {
    const salt = this.#random(saltBytes)
    const mask = this.#maskOf(salt, key)
    const proof = Buffer.from(mask.subarray(0, keySizeBytes))
    this.#entries.set(record, { salt, proof, hidden: combined(objectKey, mask) })
    zero(mask)
  }

  #maskOf(salt: Uint8Array, key: Uint8Array): Buffer {
    const scratch = this.#scratch
    scratch.set(salt)
    scratch.set(key, saltBytes)
    const mask = hash('sha512', scratch, 'buffer')
    scratch.fill(0, saltBytes)
    return mask
  }
}

/** 32 bytes, exclusive-ored with the second half of a mask. */
function combined(bytes: Uint8Array, mask: Buffer): Buffer {
  const out = Buffer.allocUnsafe(keySizeBytes)
  for (let at = 0; at < keySizeBytes; at += 1) out[at] = (bytes[at] ?? 0) ^ (mask[keySizeBytes + at] ?? 0)
  return out
}
