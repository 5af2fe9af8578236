import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatContext, parseContext } from './encryption-context.ts'
import { codeOf } from './testdata.fixture.ts'

function header(json: string | Buffer): string {
  return Buffer.from(json).toString('base64')
}

describe('parseContext', () => {
  it.each<[string, string, [string, string][]]>([
    [
      'pairs',
      '{"a":"1","b":"2"}',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['white space', ' {\n"a" :\t"1" }\r\n', [['a', '1']]],
    ['null as a value', '{"a":null}', [['a', '']]],
    [
      'colons and quotes in strings',
      '{":\\"":"a:b\\\\","\\u003a":":"}',
      [
        [':"', 'a:b\\'],
        [':', ':'],
      ],
    ],
    ['a surrogate pair', '{"\\ud83d\\ude00":"😀"}', [['😀', '😀']]],
    ['an empty key and value', '{"":""}', [['', '']]],
    [
      'names that objects have of themselves',
      '{"__proto__":"x","constructor":"y"}',
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    ],
    ['null', 'null', []],
    ['nothing in it', '{}', []],
  ])('accepts %s', (_, json, expected) => {
    expect([...parseContext(header(json))]).toEqual(expected)
  })

  it.each([
    ['an empty header', ''],
    ['what is not base64', '{"a":"1"}'],
    ['base64 without padding', 'e30'],
    ['base64 with white space', `${header('{}')} `],
    ['the URL alphabet', 'eyJhIjoiPz8_Pj4-In0='],
    ['what is not JSON', header('{a:1}')],
    ['an array', header('["a"]')],
    ['a string', header('"a"')],
    ['a number as value', header('{"a":1}')],
    ['an object as value', header('{"a":{}}')],
    ['an array as value', header('{"a":["b"]}')],
    ['true as value', header('{"a":true}')],
    ['bytes after the object', header('{} x')],
    ['invalid UTF-8 in a value', header(Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')]))],
    [
      'a surrogate in UTF-8',
      header(Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')])),
    ],
    ['a byte order mark', header('\ufeff{}')],
    ['a key twice', header('{"a":"1","a":"2"}')],
    ['a key twice, escaped once', header('{"a":"1","\\u0061":"1"}')],
    ['a name of objects twice', header('{"__proto__":"1","__proto__":"2"}')],
    ['a lone surrogate in a key', header('{"a\\ud800":"x"}')],
    ['a lone surrogate in a value', header('{"a":"\\udfff!"}')],
    ['more than 8 KiB', header(JSON.stringify({ a: 'x'.repeat(6200) }))],
    ['what escapes make longer than 8 KiB', header(JSON.stringify({ a: '<'.repeat(2000) }))],
    ['8 KiB of brackets', header('['.repeat(6000))],
  ])('refuses %s', (_, value) => {
    expect(codeOf(() => parseContext(value))).toBe('invalid-context')
  })

  it('takes a smaller limit', () => {
    expect(codeOf(() => parseContext(header('{"a":"12345"}'), { maxBytes: 10 }))).toBe('invalid-context')
  })

  it('does not quote the context in its error', () => {
    expect(() => parseContext(header('{"secret-name"'))).toThrow(/^the encryption context is not JSON$/)
  })
})

describe('formatContext', () => {
  it.each<[string, [string, string][], string]>([
    ['nothing', [], '{}'],
    [
      'keys in the order of their UTF-8 bytes',
      [
        ['b', '1'],
        ['B', '2'],
        ['é', '3'],
        ['a', '4'],
      ],
      '{"B":"2","a":"4","b":"1","é":"3"}',
    ],
    [
      'keys beyond the BMP after those below it',
      [
        ['😀', '1'],
        ['\uffee', '2'],
      ],
      '{"\uffee":"2","😀":"1"}',
    ],
    ['quotes and short escapes', [['"\\', '\n\r\t']], '{"\\"\\\\":"\\n\\r\\t"}'],
    ['other control characters', [['\b\f', '\u0000\u001f\u007f']], '{"\\u0008\\u000c":"\\u0000\\u001f\u007f"}'],
    ['what HTML minds', [['<', '>&']], '{"\\u003c":"\\u003e\\u0026"}'],
    ['line separators', [['\u2028', '\u2029']], '{"\\u2028":"\\u2029"}'],
  ])('writes %s', (_, pairs, expected) => {
    expect(formatContext(new Map(pairs)).toString()).toBe(expected)
  })

  it('is read back as the same context, and has one form for it', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.tuple(texts, texts), { maxLength: 8 }), (pairs) => {
        const context = new Map(pairs)
        const canonical = formatContext(context)
        const again = parseContext(canonical.toString('base64'))
        expect(new Map([...again])).toEqual(context)
        expect(formatContext(new Map([...context].reverse())).equals(canonical)).toBe(true)
        expect(JSON.parse(canonical.toString())).toEqual(Object.fromEntries(context))
      }),
    )
  })
})
