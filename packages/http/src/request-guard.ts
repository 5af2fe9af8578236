/**
 * Checks every request before a handler sees it: version, number of headers, Host (RFC 9110 7.2, RFC 9112 3.2),
 * framing (RFC 9112 6). Node's parser refuses most of this already; what it lets pass (a second Host, a coding before
 * `chunked`, `Transfer-Encoding` in HTTP/1.0) is refused here, because a proxy in front may read it differently.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import type { RejectionCode } from './rejections.ts'

/** The most header lines that a request may have. */
export const MAX_HEADERS = 200

/** Why a request must be refused, or `undefined`. Brings an absolute-form target (RFC 9112 3.2.2) into origin form. */
export function checkRequest(request: IncomingMessage): RejectionCode | undefined {
  const isHttp11 = request.httpVersionMinor === 1
  if (request.httpVersionMajor !== 1) return 'unsupported-version'
  const raw = request.rawHeaders
  if (raw.length > MAX_HEADERS * 2) return 'headers-too-large'
  let hosts = 0
  let lengths = 0
  let codings = 0
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') codings += 1
  }
  if (lengths > 1 || (lengths > 0 && codings > 0)) return 'malformed-request'
  if (codings > 0 && (!isHttp11 || request.headers['transfer-encoding']?.toLowerCase() !== 'chunked')) {
    return 'unsupported-transfer-encoding'
  }
  // HTTP/1.0 probes of load balancers come without Host.
  if (hosts === 0 && isHttp11) return 'missing-host'
  if (hosts > 1 || (hosts === 1 && !isHost(request.headers.host ?? ''))) return 'invalid-host'
  return originForm(request)
}

function originForm(request: IncomingMessage): RejectionCode | undefined {
  const target = request.url ?? ''
  if (target.startsWith('/') || target === '*') return undefined
  const lower = target.slice(0, 8).toLowerCase()
  const start = lower.startsWith('https://') ? 8 : lower.startsWith('http://') ? 7 : 0
  if (start === 0) return 'malformed-request'
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end += 1
  const authority = target.slice(start, end)
  // RFC 9112 3.2.2 lets the authority win over Host; two that differ are an attack or a mistake.
  if (authority.toLowerCase() !== request.headers.host?.toLowerCase()) return 'invalid-host'
  request.url = target[end] === '/' ? target.slice(end) : `/${target.slice(end)}`
  return undefined
}

const HOST_CHARACTERS = characterTable("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=")
const ADDRESS_CHARACTERS = characterTable('0123456789abcdefABCDEF:.')
const DIGITS = characterTable('0123456789')

/** Whether a string is `uri-host [ ":" port ]` (RFC 3986 3.2.2). Linear; at most 255 + 6 characters. */
export function isHost(value: string): boolean {
  if (value.length === 0 || value.length > 261) return false
  let at: number
  if (value.startsWith('[')) {
    at = span(value, 1, ADDRESS_CHARACTERS)
    if (at < 3 || value[at] !== ']') return false
    at += 1
  } else {
    at = span(value, 0, HOST_CHARACTERS)
    if (at === 0) return false
  }
  if (at === value.length) return true
  if (value[at] !== ':') return false
  const end = span(value, at + 1, DIGITS)
  return end === value.length && end - at <= 6
}

function span(value: string, from: number, table: Uint8Array): number {
  let at = from
  while (at < value.length && table[value.charCodeAt(at)] === 1) at += 1
  return at
}

function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}
