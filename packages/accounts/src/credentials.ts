/**
 * Makes account ids, access key ids and secrets.
 *
 * @module
 */

/** Cryptographic random bytes: `node:crypto` `randomBytes`, or a fixed sequence in a test. */
export type RandomBytes = (length: number) => Uint8Array

// Like AWS's AKIA…: four letters that say what it is, then 80 random bits in base 32.
const accessKeyPrefix = 'SRAK'
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** 20 characters, `SRAK` first. */
export function newAccessKeyId(random: RandomBytes): string {
  let id = accessKeyPrefix
  // The upper five bits of 16 bytes: no bias.
  for (const byte of random(16)) id += base32[byte >> 3] ?? ''
  return id
}

/** 40 characters of base64: 240 random bits. */
export function newSecretAccessKey(random: RandomBytes): string {
  return Buffer.from(random(30)).toString('base64')
}

/** 12 decimal digits, the first not 0. */
export function newAccountId(random: RandomBytes): string {
  // 48 bits over 9 × 10^11 values: the bias is below 0.4 %, and an id is no secret.
  return String(100_000_000_000 + (Buffer.from(random(6)).readUIntBE(0, 6) % 900_000_000_000))
}
