import { describe, expect, it } from 'vitest'
import { type BodyFields, bodyShapes, readBodyFields } from './body-fields.ts'

function encrypt(body: string | Uint8Array): BodyFields | undefined {
  return readBodyFields(typeof body === 'string' ? Buffer.from(body, 'utf8') : body, bodyShapes.encrypt)
}

function plaintext(body: string): string | undefined {
  const fields = encrypt(body)
  return fields === undefined ? undefined : Buffer.from(fields.main).toString('utf8')
}

describe('a body', () => {
  it.each([
    ['an object', '{"plaintext":"aGk="}', 'hi'],
    ['white space everywhere', ' \n\t{ "plaintext" :\r"aGk=" , "context" : "" } ', 'hi'],
    ['names in any case', '{"PlainText":"aGk="}', 'hi'],
    ['names with escapes', '{"\\u0070laintext":"aGk="}', 'hi'],
    ['escapes in base64', '{"plaintext":"\\u0061Gk="}', 'hi'],
    ['an escaped slash', '{"plaintext":"\\/\\/\\/\\/"}', '\ufffd\ufffd\ufffd'],
    ['line ends in base64', '{"plaintext":"aG\\r\\nk="}', 'hi'],
    ['numbers for bytes', '{"plaintext":[104, 105]}', 'hi'],
    ['null in the numbers', '{"plaintext":[null]}', '\0'],
    ['no numbers', '{"plaintext":[ ]}', ''],
    ['null for absent', '{"plaintext":null}', ''],
    ['a bare null', 'null', ''],
    ['an empty object', '{}', ''],
    ['unknown fields', '{"x":[1,{"a":[],"b":{}},-1.5e+3,true,false,null,"\\n"],"plaintext":"aGk="}', 'hi'],
    ['the last of several', '{"plaintext":"AAAA","plaintext":"aGk="}', 'hi'],
    ['the last of several in other case', '{"plaintext":"AAAA","PLAINTEXT":"aGk="}', 'hi'],
    ['null after a value', '{"plaintext":"aGk=","plaintext":null}', ''],
    ['only the first value', '{"plaintext":"aGk="} trailing {', 'hi'],
    ['bits beyond the padding', '{"plaintext":"aGl="}', 'hi'],
  ])('may be, or have, %s', (_what, body, expected) => {
    expect(plaintext(body)).toBe(expected)
  })

  it.each([
    ['nothing', ''],
    ['white space', '  \n'],
    ['an array', '[]'],
    ['a string', '"x"'],
    ['a number', '1'],
    ['half a null', 'nul'],
    ['a byte order mark', '\ufeff{}'],
    ['an object without its end', '{"plaintext":"aGk="'],
    ['a string without its end', '{"plaintext":"aGk='],
    ['a comma too many', '{"plaintext":"aGk=",}'],
    ['no colon', '{"plaintext" "aGk="}'],
    ['a number for bytes', '{"plaintext":1}'],
    ['a number too large', '{"plaintext":[256]}'],
    ['a negative number', '{"plaintext":[-1]}'],
    ['minus zero', '{"plaintext":[-0]}'],
    ['a fraction', '{"plaintext":[1.0]}'],
    ['an exponent', '{"plaintext":[1e1]}'],
    ['a leading zero', '{"plaintext":[01]}'],
    ['a number for a text', '{"version":7}'],
    ['a wrong value before the right one', '{"plaintext":1,"plaintext":"aGk="}'],
    ['URL-safe base64', '{"plaintext":"_-8="}'],
    ['unpadded base64', '{"plaintext":"aGk"}'],
    ['a blank in base64', '{"plaintext":"aG k="}'],
    ['a control character', '{"x":"\u0001"}'],
    ['an unknown escape', '{"x":"\\a"}'],
    ['half an escape', '{"x":"\\u12"}'],
    ['a wrong literal', '{"x":truth}'],
    ['a lone minus', '{"x":-}'],
    ['a lone point', '{"x":1.}'],
    ['a lone exponent', '{"x":1e}'],
    ['mixed brackets', '{"x":[}]}'],
    ['a name that is no string', '{1:2}'],
  ])('is refused when it is, or has, %s', (_what, body) => {
    expect(encrypt(body)).toBeUndefined()
  })

  it('may be nested as deep as Go lets it, and no deeper', () => {
    const nested = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expect(encrypt(nested(9_999))).toBeDefined()
    expect(encrypt(nested(10_000))).toBeUndefined()
    expect(encrypt(`{"x":${'['.repeat(500_000)}`)).toBeUndefined()
  })

  it('keeps the text of a cipher, and a text as it was when null follows', () => {
    const cipher = (body: string) => readBodyFields(Buffer.from(body), bodyShapes.import)?.text
    expect(cipher('{"cipher":"<&>"}')).toBe('<&>')
    expect(cipher('{"cipher":"AES256","cipher":null}')).toBe('AES256')
    expect(cipher('{"cipher":"\\ud800x"}')).toBe('\ufffdx')
    // The Kelvin sign folds to k.
    expect(readBodyFields(Buffer.from('{"\u212aey":"AAAA"}'), bodyShapes.import)?.main).toHaveLength(3)
    expect(readBodyFields(Buffer.from('{"me\u017f\u017fage":"AAAA"}'), bodyShapes.hmac)?.main).toHaveLength(3)
  })
})
