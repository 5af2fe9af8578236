import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyShapes, readBodyFields } from './body-fields.ts'

/** Time-boxed: as many as go into two seconds. */
const box = { interruptAfterTimeLimit: 2_000, numRuns: 3_000 } as const

describe('bodies of all kinds', () => {
  it('are read or refused, never more, whatever the bytes', () => {
    const tokens = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'null',
      'true',
      '1',
      '-',
      '"plaintext"',
      'aGk=',
      ' ',
      '\u0000',
    )
    const soup = fc.array(tokens, { maxLength: 60 }).map((parts) => Buffer.from(parts.join('')))
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(fc.oneof(soup, bytes), (body) => {
        const before = Buffer.from(body)
        const fields = readBodyFields(body, bodyShapes.encrypt)
        expect(body).toEqual(before)
        // What JSON.parse takes for an object of other things than our fields is taken here, too.
        if (fields === undefined) expect(isHarmlessObject(body)).toBe(false)
      }),
      box,
    )
  })

  it('give back what was put in, beside anything', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.boolean(),
        (plaintext, context, others, isList) => {
          const known = ['plaintext', 'context', 'version']
          const rest = Object.entries(others).filter(([name]) => !known.includes(name.toLowerCase()))
          const value = (bytes: Uint8Array) => (isList ? [...bytes] : Buffer.from(bytes).toString('base64'))
          const text = JSON.stringify(
            Object.fromEntries([...rest, ['plaintext', value(plaintext)], ['context', value(context)]]),
          )
          const fields = readBodyFields(Buffer.from(`${text} {{{`), bodyShapes.encrypt)
          expect(Buffer.from(fields?.main ?? [0, 0])).toEqual(Buffer.from(plaintext))
          expect(Buffer.from(fields?.context ?? [0, 0])).toEqual(Buffer.from(context))
        },
      ),
      box,
    )
  })
})

function isHarmlessObject(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    // A byte order mark is skipped by toString, and the parser hides earlier fields of one name.
    return body[0] !== 0xef && !/plaintext|context|version/i.test(body.toString('latin1'))
  } catch {
    return false
  }
}
