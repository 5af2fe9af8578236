/**
 * Percent-encoding as SigV4 for S3 wants it: every byte but `A-Z a-z 0-9 - . _ ~` (and `/` in a path) as `%XX`, encoded
 * once, nothing normalised ("Create a signed AWS API request", step 1). Input is what stood on the request line; each
 * UTF-16 unit up to U+00FF is one byte, as `node:http` delivers it.
 *
 * @module
 */

const percentSign = 0x25
const plusSign = 0x2b

function isUnreserved(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5f ||
    byte === 0x7e
  )
}

function encodingTable(safe: (byte: number) => boolean): readonly string[] {
  return Array.from({ length: 256 }, (_, byte) =>
    safe(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

const componentTable = encodingTable(isUnreserved)
const pathTable = encodingTable((byte) => isUnreserved(byte) || byte === 0x2f)

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** The byte that two hexadecimal digits at `index` stand for, or -1. */
export function hexByteAt(text: string, index: number): number {
  const high = hexDigit(text.charCodeAt(index))
  const low = hexDigit(text.charCodeAt(index + 1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Decodes and encodes again in one pass; returns `raw` itself when nothing needs a change of form. */
function recode(raw: string, table: readonly string[], plusIsSpace: boolean): string {
  let index = 0
  while (index < raw.length && table[raw.charCodeAt(index)]?.length === 1) index++
  if (index === raw.length) return raw
  let out = raw.slice(0, index)
  while (index < raw.length) {
    const unit = raw.charCodeAt(index)
    if (unit > 0xff) {
      const character = String.fromCodePoint(raw.codePointAt(index) ?? unit)
      for (const byte of Buffer.from(character, 'utf8')) out += table[byte] ?? ''
      index += character.length
      continue
    }
    let byte = unit === plusSign && plusIsSpace ? 0x20 : unit
    if (unit === percentSign) {
      const escaped = hexByteAt(raw, index + 1)
      if (escaped >= 0) {
        byte = escaped
        index += 2
      }
    }
    out += table[byte] ?? ''
    index++
  }
  return out
}

/** The canonical URI of a raw request path. `.`, `..` and `//` stay as they are; an empty path is `/`. */
export function canonicalPath(rawPath: string): string {
  return rawPath === '' ? '/' : recode(rawPath, pathTable, false)
}

/** The canonical form of one raw query name or value. S3 reads `+` there as a space. */
export function canonicalQueryComponent(raw: string): string {
  return recode(raw, componentTable, true)
}

/** Encodes the UTF-8 of a text; returns `text` itself when nothing needs encoding. */
function encodeText(text: string, table: readonly string[]): string {
  let index = 0
  while (index < text.length && table[text.charCodeAt(index)]?.length === 1) index++
  if (index === text.length) return text
  let out = text.slice(0, index)
  for (const byte of Buffer.from(text.slice(index), 'utf8')) out += table[byte] ?? ''
  return out
}

/** Encodes text (UTF-8) for a query or for one path segment. */
export function encodeUriComponent(text: string): string {
  return encodeText(text, componentTable)
}

/** Encodes an object name for the request path: as `encodeUriComponent`, with `/` kept. */
export function encodeUriPath(text: string): string {
  return encodeText(text, pathTable)
}

/**
 * The query string in canonical form: sorted by encoded name, then value, every parameter with its `=`.
 *
 * @param exclude an encoded name to leave out (`X-Amz-Signature` of a presigned request)
 */
export function canonicalQuery(rawQuery: string, exclude?: string): string {
  if (rawQuery === '') return ''
  const pairs: (readonly [name: string, value: string])[] = []
  for (const part of rawQuery.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = canonicalQueryComponent(equals < 0 ? part : part.slice(0, equals))
    if (name === exclude) continue
    pairs.push([name, equals < 0 ? '' : canonicalQueryComponent(part.slice(equals + 1))])
  }
  if (pairs.length > 1) pairs.sort(comparePairs)
  let out = ''
  for (const [name, value] of pairs) out += `${out === '' ? '' : '&'}${name}=${value}`
  return out
}

// Names first: `a=1` sorts before `a-b=1`, although `-` is less than `=`.
function comparePairs(a: readonly [string, string], b: readonly [string, string]): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1
  return a[1] === b[1] ? 0 : a[1] < b[1] ? -1 : 1
}
