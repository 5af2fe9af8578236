/**
 * Base64 as Go's standard decoder takes it (kes-protocol 7.2): padded, CR and LF anywhere, nothing else.
 *
 * @module
 */

/** What a byte is: 0 to 63 the value of a character of the standard alphabet, or one of these. */
const [padding, lineEnd, foreign] = [64, 65, 66]

const kinds = new Uint8Array(256).fill(foreign)
for (const [value, character] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  kinds[character.charCodeAt(0)] = value
}
kinds[0x3d] = padding
kinds[0x0a] = lineEnd
kinds[0x0d] = lineEnd

/**
 * Decodes base64 text given as bytes, or a part of them. The result is the caller's to zero, and nothing else keeps what was
 * decoded: it may be a key.
 *
 * @returns `undefined` when it is not base64
 */
export function decodeBase64(text: Uint8Array, start = 0, end = text.length): Buffer | undefined {
  const decoded = Buffer.allocUnsafe(longestOf(text, start, end))
  const length = decodeInto(decoded, text, start, end)
  if (length < 0) {
    decoded.fill(0)
    return undefined
  }
  return length === decoded.length ? decoded : decoded.subarray(0, length)
}

/** Exact where there are no line ends. */
function longestOf(text: Uint8Array, start: number, end: number): number {
  let size = ((end - start) >> 2) * 3
  if (size > 0 && kinds[text[end - 1] ?? 0] === padding) size -= kinds[text[end - 2] ?? 0] === padding ? 2 : 1
  return size
}

/** @returns how many bytes it were; -1 when it is not base64 */
function decodeInto(decoded: Uint8Array, text: Uint8Array, start: number, end: number): number {
  let length = 0
  let characters = 0
  let paddings = 0
  let bits = 0
  for (let at = start; at < end; at++) {
    const kind = kinds[text[at] ?? 0] ?? foreign
    if (kind === lineEnd) continue
    if (kind === foreign || (kind !== padding && paddings > 0)) return -1
    characters++
    if (kind === padding) {
      paddings++
      continue
    }
    bits = (bits << 6) | kind
    if (characters % 4 !== 0) continue
    decoded[length++] = bits >> 16
    decoded[length++] = bits >> 8
    decoded[length++] = bits
    bits = 0
  }
  if (characters % 4 !== 0 || paddings > 2) return -1
  // Bits beyond the last whole byte count for nothing.
  if (paddings === 1) decoded[length++] = bits >> 10
  if (paddings > 0) decoded[length++] = bits >> (paddings === 1 ? 2 : 4)
  return length
}
