/**
 * Sealing small secrets that live in files (the keyring, keys of the files key store): every value under a key and nonce of
 * its own, derived from the sealing key and a random salt, so that no count of values comes near a limit.
 * docs/formats/key-sealing.md.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { aeadOpen, aeadSeal, nonceSizeBytes, tagSizeBytes } from './aead.ts'
import { invalidArgument, notAuthentic } from './crypto-error.ts'
import { hkdfSha256 } from './kdf.ts'
import { asBuffer, checkKey, keySizeBytes, type RandomSource } from './secrets.ts'

const formatByte = 1
const saltSizeBytes = 32
const bodyOffset = 1 + 4 + saltSizeBytes

/** What sealing adds to a value: format, key id, salt, tag. */
export const valueOverheadBytes = bodyOffset + tagSizeBytes

/** Frozen: every sealed value depends on it. */
const derivationInfo = 'strongroom sealed value v1'

function withDerived<T>(key: Uint8Array, salt: Uint8Array, use: (key: Buffer, nonce: Buffer) => T): T {
  const derived = hkdfSha256(key, salt, derivationInfo, keySizeBytes + nonceSizeBytes)
  try {
    return use(derived.subarray(0, keySizeBytes), derived.subarray(keySizeBytes))
  } finally {
    derived.fill(0)
  }
}

/**
 * Seals a value.
 *
 * @param keyId names the key for whoever opens, a 32-bit number; authenticated
 * @param aad what the value belongs to; the same must be given to open it
 * @throws CryptoError `invalid-argument`
 */
export function sealValue(
  key: Uint8Array,
  keyId: number,
  plaintext: Uint8Array,
  aad: Uint8Array,
  random: RandomSource = randomBytes,
): Buffer {
  checkKey(key)
  if (!Number.isInteger(keyId) || keyId < 0 || keyId > 0xffff_ffff) throw invalidArgument('a key id is a 32-bit number')
  const header = Buffer.alloc(bodyOffset)
  header[0] = formatByte
  header.writeUInt32BE(keyId, 1)
  header.set(random(saltSizeBytes), 5)
  return withDerived(key, header.subarray(5), (subkey, nonce) =>
    Buffer.concat([header, aeadSeal('AES-256-GCM', subkey, nonce, Buffer.concat([header, aad]), plaintext)]),
  )
}

/** The id of the key that a value says it was sealed under; not authenticated. @throws CryptoError `not-authentic` if it is none */
export function sealedValueKeyId(sealed: Uint8Array): number {
  if (sealed.length < valueOverheadBytes || sealed[0] !== formatByte) throw notAuthentic()
  return asBuffer(sealed).readUInt32BE(1)
}

/** Opens what {@link sealValue} made. The caller owns the result. @throws CryptoError `not-authentic` */
export function openValue(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer {
  checkKey(key)
  if (sealed.length < valueOverheadBytes || sealed[0] !== formatByte) throw notAuthentic()
  const header = asBuffer(sealed).subarray(0, bodyOffset)
  const body = asBuffer(sealed).subarray(bodyOffset)
  return withDerived(key, header.subarray(5), (subkey, nonce) =>
    aeadOpen('AES-256-GCM', subkey, nonce, Buffer.concat([header, aad]), body),
  )
}
