/**
 * Base64 as Go's standard decoder takes it (kes-protocol 7.2): padded, CR and LF anywhere, nothing else.
 *
 * @module
 */

import { asBuffer } from '@strongroom/crypto'

const lineFeed = 0x0a
const carriageReturn = 0x0d
const equals = 0x3d

/** One entry per byte: 1 where a character of the standard alphabet. */
const alphabet = new Uint8Array(256)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  alphabet[character.charCodeAt(0)] = 1
}

/**
 * Decodes base64 text given as bytes. The result is the caller's to zero.
 *
 * @returns `undefined` when it is not base64
 */
export function decodeBase64(text: Uint8Array): Buffer | undefined {
  let characters = 0
  let padding = 0
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0
    if (byte === lineFeed || byte === carriageReturn) continue
    characters++
    if (byte === equals) padding++
    else if (padding > 0 || alphabet[byte] !== 1) return undefined
  }
  if (characters % 4 !== 0 || padding > 2) return undefined
  // Node skips CR and LF by itself.
  const decoded = Buffer.from(asBuffer(text).toString('latin1'), 'base64')
  return decoded.length === (characters / 4) * 3 - padding ? decoded : undefined
}
