/**
 * The one reading of a query string that signature checks, routing and policies share.
 *
 * @module
 */

import { invalidArgument, SigV4Error } from './sigv4-error.ts'
import { hexByteAt } from './uri-encoding.ts'

const maxParameters = 1000
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes percent escapes strictly: a broken escape or invalid UTF-8 is an error, never a replacement character.
 *
 * @param plusIsSpace `true` in a query, `false` in a path
 * @throws SigV4Error `InvalidURI`
 */
export function decodeUriText(raw: string, options: { readonly plusIsSpace: boolean }): string {
  let plain = true
  for (let index = 0; index < raw.length && plain; index++) {
    const unit = raw.charCodeAt(index)
    plain = unit < 0x80 && unit !== 0x25 && !(unit === 0x2b && options.plusIsSpace)
  }
  if (plain) return raw
  const bytes = Buffer.allocUnsafe(raw.length)
  let length = 0
  for (let index = 0; index < raw.length; index++) {
    let byte = raw.charCodeAt(index)
    if (byte > 0xff) throw invalidUri()
    if (byte === 0x25) {
      byte = hexByteAt(raw, index + 1)
      if (byte < 0) throw invalidUri()
      index += 2
    } else if (byte === 0x2b && options.plusIsSpace) byte = 0x20
    bytes[length++] = byte
  }
  try {
    return strictUtf8.decode(bytes.subarray(0, length))
  } catch (cause) {
    throw invalidUri(cause)
  }
}

/**
 * Reads `a=1&b&c=` into names and values; a name without `=` has the value `''`. Of a repeated name the first counts, where
 * repeating is allowed at all: a signature covers the parameters sorted by name and value ("Create a signed AWS API request",
 * step 1), so that whoever holds a signed URL may reorder what is there twice and choose which counts. Therefore no
 * parameter of a presigned URL is repeated, and no `x-amz-*` anywhere, in whatever case.
 *
 * @throws SigV4Error `InvalidURI` for broken escapes, invalid UTF-8 or more than 1,000 parameters; `InvalidArgument` for a
 * parameter that must not be repeated
 */
export function parseQuery(rawQuery: string): Map<string, string> {
  const query = new Map<string, string>()
  if (rawQuery === '') return query
  const parts = rawQuery.split('&', maxParameters + 1)
  if (parts.length > maxParameters) throw invalidUri()
  let repeated: string | undefined
  let amzNames: Set<string> | undefined
  for (const part of parts) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decodeUriText(equals < 0 ? part : part.slice(0, equals), { plusIsSpace: true })
    const value = equals < 0 ? '' : decodeUriText(part.slice(equals + 1), { plusIsSpace: true })
    if (isAmz(name)) {
      const lower = name.toLowerCase()
      amzNames ??= new Set()
      if (amzNames.has(lower)) throw repeatedParameter(name)
      amzNames.add(lower)
    }
    if (query.has(name)) repeated ??= name
    else query.set(name, value)
  }
  if (repeated !== undefined && amzNames?.has('x-amz-signature')) throw repeatedParameter(repeated)
  return query
}

function isAmz(name: string): boolean {
  return name.length > 6 && name[1] === '-' && name.slice(0, 6).toLowerCase() === 'x-amz-'
}

function repeatedParameter(name: string): SigV4Error {
  return invalidArgument('A parameter of a signed query may be given only once.', name.slice(0, 128))
}

function invalidUri(cause?: unknown): SigV4Error {
  return new SigV4Error('InvalidURI', "Couldn't parse the specified URI.", {}, { cause })
}
