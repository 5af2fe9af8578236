/**
 * JSON documents as Go programs read them: field names in any case, bytes as base64 text or as an array of numbers,
 * `null` for absent (kes-protocol 6.3, 7.2, appendix B 31). For the two old KES forms only.
 *
 * @module
 */
import { decodeBase64 } from './base64.ts'

/** Thrown by the field readers; never leaves this package. */
export class GoJsonError extends Error {}

/** The fields of a JSON object by lower-case name, the last one of a name counting. */
export type GoObject = ReadonlyMap<string, unknown>

/** Parses `text`; `undefined` when it is not JSON at all, so that the caller may take it for another form. */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    // Not a SyntaxError only for input nested beyond the stack, which is none of ours either.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined
    throw error
  }
}

/** @throws GoJsonError when `value` is not an object */
export function goObject(value: unknown): GoObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new GoJsonError('not an object')
  const fields = new Map<string, unknown>()
  for (const [name, field] of Object.entries(value)) fields.set(name.toLowerCase(), field)
  return fields
}

/** A text field; absent and `null` read as empty. */
export function goText(fields: GoObject, name: string): string {
  const value = fields.get(name) ?? ''
  if (typeof value !== 'string') throw new GoJsonError(`${name} is not a text`)
  return value
}

/** A field of bytes; absent and `null` read as empty. The result is the caller's to zero. */
export function goBytes(fields: GoObject, name: string): Buffer {
  const value = fields.get(name) ?? ''
  if (Array.isArray(value)) {
    if (!value.every((item) => Number.isInteger(item) && item >= 0 && item <= 255)) {
      throw new GoJsonError(`${name} holds something other than bytes`)
    }
    return Buffer.from(value as number[])
  }
  const bytes = typeof value === 'string' ? decodeBase64(Buffer.from(value)) : undefined
  if (bytes === undefined) throw new GoJsonError(`${name} is not base64`)
  return bytes
}
