/**
 * Base64 as Go reads it: padded standard alphabet, CR and LF passed over, and the offset of what is wrong, which the tools
 * of KES print (kes-protocol 1.3, 13).
 *
 * @module
 */

/** Decoded bytes, or where the text stops being base64. */
export type Base64Result = { readonly bytes: Buffer } | { readonly badOffset: number }

const equals = 0x3d

/** One entry per ASCII code: 1 where the alphabet has it. */
const alphabet = new Uint8Array(128)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  alphabet[character.charCodeAt(0)] = 1
}

/** Decodes `text` to the letter. */
export function decodeGoBase64(text: string): Base64Result {
  const badOffset = findBadOffset(text)
  return badOffset === undefined ? { bytes: Buffer.from(text, 'base64') } : { badOffset }
}

/** Go's own words for what is wrong. */
export const describeBadBase64 = (badOffset: number): string => `illegal base64 data at input byte ${badOffset}`

function findBadOffset(text: string): number | undefined {
  let inGroup = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (isLineEnd(code)) continue
    if (alphabet[code] === 1) {
      inGroup = (inGroup + 1) % 4
      continue
    }
    return code === equals ? checkPadding(text, i, inGroup) : i
  }
  // Go counts from the first character of the group that is not whole.
  return inGroup === 0 ? undefined : text.length - inGroup
}

function checkPadding(text: string, at: number, inGroup: number): number | undefined {
  if (inGroup < 2) return at
  let next = skipLineEnds(text, at + 1)
  if (inGroup === 2) {
    if (next === text.length) return text.length
    if (text.charCodeAt(next) !== equals) return next
    next = skipLineEnds(text, next + 1)
  }
  return next === text.length ? undefined : next
}

const isLineEnd = (code: number): boolean => code === 0x0a || code === 0x0d

function skipLineEnds(text: string, from: number): number {
  let at = from
  while (at < text.length && isLineEnd(text.charCodeAt(at))) at++
  return at
}
