/**
 * JSON text as Go's `encoding/json` writes it (kes-protocol 2.4): `<`, `>`, `&` and the two line separators escaped, other
 * non-ASCII characters verbatim.
 *
 * @module
 */

/** What must not stand in a string as it is: halves of surrogate pairs, too. */
const special = /[\p{Cc}"\\<>&\u2028\u2029\ud800-\udfff]/u
const specials = /[\p{Cc}"\\<>&\u2028\u2029\ud800-\udfff]/gu

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** A JSON string with its quotes. */
export function quoteJson(text: string): string {
  return special.test(text) ? `"${text.replace(specials, escapeCharacter)}"` : `"${text}"`
}

/** A JSON array of strings. */
export function quoteJsonList(texts: readonly string[]): string {
  return `[${texts.map(quoteJson).join(',')}]`
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0)
  // Go replaces what is no character, and leaves the second row of control characters as it is.
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd'
  if (code >= 0x7f && code <= 0x9f) return character
  return short[character] ?? `\\u${code.toString(16).padStart(4, '0')}`
}
