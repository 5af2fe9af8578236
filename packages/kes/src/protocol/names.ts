/**
 * Names of keys, policies and identities, and the patterns that list them: kes-protocol 5.1, 5.2 and 3.2.
 *
 * @module
 */
import { parseKeyPattern } from '@strongroom/kms'

/**
 * The beginning that listed names must have: one trailing `*` is taken off, and without one the pattern is a beginning all
 * the same.
 *
 * @returns `undefined` when it is not a pattern
 */
export function parseListPattern(pattern: string): string | undefined {
  return parseKeyPattern(pattern)?.text
}

const encoder = new TextEncoder()

/** Sorts by the bytes of UTF-8, as Go sorts strings. */
export function sortedNames(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => (isAscii(a) && isAscii(b) ? (a < b ? -1 : a > b ? 1 : 0) : compareBytes(a, b)))
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(encoder.encode(a), encoder.encode(b))
}
