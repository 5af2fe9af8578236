/**
 * Which names a key may have, and which patterns list them: kes-protocol 5.1 and 5.2.
 *
 * @module
 */

/** Longest key name and longest pattern, in characters (all are ASCII). */
export const maxKeyNameLength = 80

const hyphen = 0x2d

/** One entry per ASCII code: 1 where `0-9 A-Z a-z - _`. */
const allowed = new Uint8Array(128)
for (const character of '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_') {
  allowed[character.charCodeAt(0)] = 1
}

/** Whether every character is one that key names may have. */
export function hasKeyNameCharactersOnly(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (allowed[text.charCodeAt(i)] !== 1) return false
  }
  return true
}

/** Whether `text` may name a key: 1 to 80 of `0-9 A-Z a-z - _`, no hyphen at either end, not `_` alone. */
export function isKeyName(text: string): boolean {
  const { length } = text
  if (length === 0 || length > maxKeyNameLength || text === '_') return false
  if (text.charCodeAt(0) === hyphen || text.charCodeAt(length - 1) === hyphen) return false
  return hasKeyNameCharactersOnly(text)
}

/** What a list pattern selects. */
export interface KeyPattern {
  /** The name itself, or the beginning of the names. */
  readonly text: string
  readonly isPrefix: boolean
}

/**
 * Reads a list pattern: a key name, a beginning of key names followed by `*`, `*`, or nothing (all names).
 *
 * @returns `undefined` when it is not a pattern
 */
export function parseKeyPattern(pattern: string): KeyPattern | undefined {
  if (pattern === '') return { text: '', isPrefix: true }
  if (!pattern.endsWith('*')) return isKeyName(pattern) ? { text: pattern, isPrefix: false } : undefined
  if (pattern.length > maxKeyNameLength) return undefined
  const text = pattern.slice(0, -1)
  if (text.charCodeAt(0) === hyphen || !hasKeyNameCharactersOnly(text)) return undefined
  return { text, isPrefix: true }
}
