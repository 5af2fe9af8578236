/**
 * Sealing metadata records whole: AES-256-GCM with the record's key in the store as associated data. That is the MAC over
 * tuple and value that DESIGN 4 asks for, and it hides ETags, checksums and secrets in the same operation.
 * docs/formats/key-sealing.md.
 *
 * @module
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { nonceSizeBytes, tagSizeBytes } from './aead.ts'
import { invalidArgument, notAuthentic } from './crypto-error.ts'
import { deriveKey } from './kdf.ts'
import { asBuffer, checkKey, type RandomSource } from './secrets.ts'

const formatByte = 1
const saltSizeBytes = 16
const nonceOffset = 1 + 4 + saltSizeBytes
const bodyOffset = nonceOffset + nonceSizeBytes

/** What sealing adds to a record: format, key id, salt, nonce, tag. */
export const recordOverheadBytes = bodyOffset + tagSizeBytes

/** Frozen: every stored record depends on it. */
const subkeyLabel = 'strongroom record'

/** Records sealed under one salt. Far below what a counter nonce allows. */
const recordsPerSalt = 2 ** 32

/** Derived keys kept: one for every process start and every 2^32 records whose records are still read. */
const cachedSubkeys = 1024

const tagOption = { authTagLength: tagSizeBytes }

export interface RecordSealerOptions {
  /** The id of the key that seals: one of `keys`. */
  readonly currentKeyId: number
  /** Metadata keys of 32 bytes by their 32-bit id, from the keyring. Copied; `close()` wipes the copies. */
  readonly keys: ReadonlyMap<number, Uint8Array>
  readonly random?: RandomSource
}

/** Seals and opens metadata records. One per process: the salt it draws at its start makes its nonces its own. */
export class RecordSealer {
  readonly #keys: Map<number, Buffer>
  readonly #currentKeyId: number
  readonly #random: RandomSource
  readonly #subkeys = new Map<string, Buffer>()
  /** Format, key id, salt and nonce of the next record. */
  readonly #header = Buffer.alloc(bodyOffset)
  /** Of the record that is being opened: used up within the call. */
  readonly #nonce = Buffer.alloc(nonceSizeBytes)
  readonly #tag = Buffer.alloc(tagSizeBytes)
  #sealingKey: Buffer = Buffer.alloc(0)
  #sealedRecords = 0
  #isClosed = false

  /** @throws CryptoError `invalid-argument` */
  constructor({ currentKeyId, keys, random = randomBytes }: RecordSealerOptions) {
    for (const [id, key] of keys) {
      checkKey(key)
      if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) throw invalidArgument('a key id is a 32-bit number')
    }
    this.#keys = new Map([...keys].map(([id, key]) => [id, Buffer.from(key)]))
    this.#currentKeyId = currentKeyId
    this.#random = random
    this.#drawSalt()
  }

  /** Seals a record's body for its place in the store. */
  seal(kvKey: Uint8Array, body: Uint8Array): Buffer {
    if (this.#isClosed) throw invalidArgument('the record sealer is closed')
    if (this.#sealedRecords === recordsPerSalt) this.#drawSalt()
    this.#header.writeUInt32BE(this.#sealedRecords, bodyOffset - 4)
    this.#sealedRecords += 1
    const nonce = this.#header.subarray(nonceOffset)
    const cipher = createCipheriv('aes-256-gcm', this.#sealingKey, nonce, tagOption)
    cipher.setAAD(kvKey)
    const ciphertext = cipher.update(body)
    cipher.final()
    const sealed = Buffer.allocUnsafe(recordOverheadBytes + body.length)
    this.#header.copy(sealed, 0)
    ciphertext.copy(sealed, bodyOffset)
    cipher.getAuthTag().copy(sealed, bodyOffset + body.length)
    return sealed
  }

  /**
   * Opens a record found at `kvKey`. The caller owns the result.
   *
   * @throws CryptoError `not-authentic`: changed, moved to another key, or sealed under a key that the keyring lacks
   */
  open(kvKey: Uint8Array, sealed: Uint8Array): Buffer {
    const bytes = asBuffer(sealed)
    if (this.#isClosed) throw invalidArgument('the record sealer is closed')
    if (bytes.length < recordOverheadBytes || bytes[0] !== formatByte) throw notAuthentic()
    const subkey = this.#subkeyOf(bytes)
    const end = bytes.length - tagSizeBytes
    try {
      bytes.copy(this.#nonce, 0, nonceOffset, bodyOffset)
      bytes.copy(this.#tag, 0, end)
      const decipher = createDecipheriv('aes-256-gcm', subkey, this.#nonce, tagOption)
      decipher.setAAD(kvKey)
      decipher.setAuthTag(this.#tag)
      const body = decipher.update(bytes.subarray(bodyOffset, end))
      decipher.final()
      return body
    } catch {
      // Whatever the library says, the answer is the same one.
      throw notAuthentic()
    }
  }

  /** Wipes all keys. Sealing and opening throw `invalid-argument` from then on. */
  close(): void {
    this.#isClosed = true
    for (const key of this.#keys.values()) key.fill(0)
    for (const key of this.#subkeys.values()) key.fill(0)
    this.#sealingKey.fill(0)
    this.#subkeys.clear()
  }

  #drawSalt(): void {
    const key = this.#keys.get(this.#currentKeyId)
    if (!key) throw invalidArgument('the current metadata key is not among the keys')
    this.#header.fill(0)
    this.#header[0] = formatByte
    this.#header.writeUInt32BE(this.#currentKeyId, 1)
    const salt = this.#random(saltSizeBytes)
    this.#header.set(salt, 5)
    this.#sealedRecords = 0
    this.#sealingKey.fill(0)
    this.#sealingKey = deriveKey(key, subkeyLabel, salt)
  }

  #subkeyOf(sealed: Buffer): Buffer {
    const cacheKey = sealed.toString('latin1', 1, nonceOffset)
    const cached = this.#subkeys.get(cacheKey)
    if (cached) return cached
    const key = this.#keys.get(sealed.readUInt32BE(1))
    if (!key) throw notAuthentic()
    if (this.#subkeys.size >= cachedSubkeys) this.#dropOldest()
    const subkey = deriveKey(key, subkeyLabel, sealed.subarray(5, nonceOffset))
    this.#subkeys.set(cacheKey, subkey)
    return subkey
  }

  #dropOldest(): void {
    const [oldest] = this.#subkeys
    if (!oldest) return
    oldest[1].fill(0)
    this.#subkeys.delete(oldest[0])
  }
}
