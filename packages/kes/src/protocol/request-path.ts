/**
 * From a request target to a route and its resource, as Go's multiplexer does it (kes-protocol 2.1): segments are compared
 * after percent-decoding, unclean paths and prefixes without their slash are redirected, everything else is unknown.
 *
 * @module
 */
import type { Route, RouteTable } from './routes.ts'

/** What becomes of a target. */
export type Target =
  | {
      readonly kind: 'route'
      readonly route: Route
      /** What follows a prefix, decoded; empty for exact routes. */
      readonly resource: string
      /** The decoded path, which policies judge. */
      readonly path: string
    }
  /** To this path and query. */
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'unknown' }
  /** Not a path at all. */
  | { readonly kind: 'malformed' }

const unknown: Target = { kind: 'unknown' }
const malformed: Target = { kind: 'malformed' }

/** Characters of a resource that need no looking at: those of names and patterns. */
const plain = new Uint8Array(128)
for (const character of '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_*')
  plain[character.charCodeAt(0)] = 1

/** Finds the route of a request target in origin form. */
export function resolveTarget(target: string, table: RouteTable): Target {
  const route = table.exact(target)
  if (route !== undefined) return { kind: 'route', route, resource: '', path: target }
  const slash = lastPlainSlash(target)
  if (slash > 0) {
    const prefixed = table.prefix(target.slice(0, slash + 1))
    if (prefixed !== undefined) {
      return { kind: 'route', route: prefixed, resource: target.slice(slash + 1), path: target }
    }
  }
  return resolveUnusual(target, table)
}

/** Where the last slash is, if only plain characters follow it; else -1. */
function lastPlainSlash(target: string): number {
  for (let at = target.length - 1; at >= 0; at--) {
    const code = target.charCodeAt(at)
    if (code === 0x2f) return at
    if (plain[code] !== 1) return -1
  }
  return -1
}

function resolveUnusual(target: string, table: RouteTable): Target {
  const question = target.indexOf('?')
  const escaped = question < 0 ? target : target.slice(0, question)
  const query = question < 0 ? '' : target.slice(question)
  const whole = decodeEscapes(escaped)
  if (whole === undefined || !escaped.startsWith('/')) return malformed
  const clean = cleanPath(escaped)
  const segments: string[] = []
  for (const segment of clean.slice(1).split('/')) segments.push(decodeEscapes(segment) ?? '')
  const found = table.match(segments)
  if (found === undefined && !clean.endsWith('/')) {
    const withSlash = table.match([...segments, ''])
    if (withSlash !== undefined && withSlash.resource === '') {
      return { kind: 'redirect', location: `${withSlash.route.path}${query}` }
    }
  }
  if (clean !== escaped) return { kind: 'redirect', location: `${escapeNonAscii(clean)}${escapeNonAscii(query)}` }
  if (found === undefined) return unknown
  return { kind: 'route', route: found.route, resource: found.resource, path: whole }
}

/** Go's `path.Clean` on text that begins with a slash, but with the last slash kept. Linear. */
function cleanPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') kept.pop()
    else kept.push(segment)
  }
  const clean = `/${kept.join('/')}`
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The text behind percent-escapes, read as UTF-8; `undefined` for a broken escape or a control character. What is not UTF-8
 * becomes half of a surrogate pair, which no rule matches and which is printed as Go prints it.
 */
export function decodeEscapes(text: string): string | undefined {
  const bytes = Buffer.alloc(text.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f || code > 0xff) return undefined
    if (code === 0x25) {
      const high = hexDigit(text.charCodeAt(at + 1))
      const low = hexDigit(text.charCodeAt(at + 2))
      if (high < 0 || low < 0) return undefined
      code = high * 16 + low
      at += 2
    }
    bytes[length++] = code
  }
  const text8 = bytes.subarray(0, length)
  try {
    return strict.decode(text8)
  } catch {
    return text8.toString('utf8').replaceAll('\ufffd', '\udfff')
  }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** Headers are ASCII. The parser gives bytes as Latin-1 characters. */
function escapeNonAscii(text: string): string {
  return text.replace(/[\u0080-\u00ff]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}
