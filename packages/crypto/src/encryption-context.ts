/**
 * The client's encryption context (spec section 4): reading `x-amz-server-side-encryption-context`, and the canonical JSON
 * that goes to the KMS as associated data and back to the client.
 *
 * @module
 */

import { CryptoError } from './crypto-error.ts'

/** What the client wants bound to its data key. Empty is the same as none. */
export type EncryptionContext = ReadonlyMap<string, string>

/** Most bytes of a context, as the header's text and in canonical form. */
export const maxContextBytes = 8192

export interface ContextLimits {
  /** Default {@link maxContextBytes}. */
  readonly maxBytes?: number
}

function refuse(reason: string): CryptoError {
  return new CryptoError('invalid-context', `the encryption context ${reason}`)
}

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function decodeJson(header: string, maxBytes: number): { readonly text: string; readonly parsed: unknown } {
  if (header === '') throw refuse('is empty')
  if (header.length > maxBytes) throw refuse('is too long')
  if (!base64Form.test(header)) throw refuse('is not base64')
  try {
    // A byte order mark is kept, so that JSON.parse refuses it.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(header, 'base64'))
    return { text, parsed: JSON.parse(text) }
  } catch (error) {
    // The parser's message may quote the header: it is dropped.
    if (error instanceof SyntaxError) throw refuse('is not JSON')
    throw refuse('is not UTF-8')
  }
}

/** Whether UTF-8 can say it: JSON escapes can make lone surrogates, which two implementations would bind differently. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text, 'utf8').toString('utf8') === text
}

/** Members of a JSON object whose values are no objects: its colons outside of strings. */
function countMembers(json: string): number {
  let count = 0
  let isInString = false
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at]
    if (character === '"') isInString = !isInString
    else if (isInString && character === '\\') at += 1
    else if (!isInString && character === ':') count += 1
  }
  return count
}

/**
 * Reads the header's value: padded standard base64 of a JSON object whose values are strings, or `null` for the empty
 * string. `null` and `{}` give an empty context. A key given twice is refused, for who checks the context and who binds it
 * could each see another value; so are lone surrogates.
 *
 * @throws CryptoError `invalid-context`
 */
export function parseContext(header: string, { maxBytes = maxContextBytes }: ContextLimits = {}): EncryptionContext {
  const { text, parsed } = decodeJson(header, maxBytes)
  if (parsed === null) return new Map()
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw refuse('is not a JSON object')
  const context = new Map<string, string>()
  for (const [name, value] of Object.entries(parsed)) {
    if (value !== null && typeof value !== 'string') throw refuse('has a value that is not a string')
    if (!isWellFormed(name) || !isWellFormed(value ?? '')) throw refuse('has a lone surrogate')
    context.set(name, value ?? '')
  }
  if (countMembers(text) !== context.size) throw refuse('has a key twice')
  // Escapes make the canonical form up to six times as long as what was sent.
  if (formatContext(context).length > maxBytes) throw refuse('is too long')
  return context
}

/** Characters that canonical JSON escapes: what Go's encoder escapes, and with it MinIO and KES. Frozen. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is looked for
const escaped = /[\u0000-\u001f"\\<>&\u2028\u2029]/g

const shortEscapes = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/** The same characters, for a look that makes nothing: almost no text holds one. */
const anyEscaped = new RegExp(escaped.source)

function quote(text: string): string {
  if (!anyEscaped.test(text)) return `"${text}"`
  const body = text.replace(
    escaped,
    (character) => shortEscapes.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${body}"`
}

/**
 * Canonical JSON: keys in the order of their UTF-8 bytes, no white space, `{}` when empty. These bytes are the associated
 * data of the KMS call and, in base64, what is stored and echoed.
 */
export function formatContext(context: EncryptionContext): Buffer {
  if (context.size === 1) {
    // What the KMS is told of most objects: S3's own ARN and nothing else.
    for (const [name, value] of context) return Buffer.from(`{${quote(name)}:${quote(value)}}`, 'utf8')
  }
  const entries = [...context].map(([name, value]) => ({ bytes: Buffer.from(name, 'utf8'), name, value }))
  entries.sort((a, b) => a.bytes.compare(b.bytes))
  return Buffer.from(`{${entries.map(({ name, value }) => `${quote(name)}:${quote(value)}`).join(',')}}`, 'utf8')
}
