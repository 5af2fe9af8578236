import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, mayRefuse } from './failure.fixture.ts'
import { S3Error } from './s3-error.ts'
import { childBoolean, childText, onlyChild, parseLargeXml, parseXml, requireRoot } from './xml-reader.ts'
import { element, escapeXml, xmlDocument, xmlTimestamp } from './xml-writer.ts'

/** Whether XML 1.0 can hold the text at all. */
function isXmlText(text: string): boolean {
  return [...text].every((character) => {
    const code = character.codePointAt(0) ?? 0
    return code >= 0x20 ? code !== 0xfffe && code !== 0xffff : code === 0x09 || code === 0x0a || code === 0x0d
  })
}

function read(text: string) {
  return parseXml(Buffer.from(text))
}

describe('escapeXml', () => {
  it('escapes markup, quotes and every control character', () => {
    expect(escapeXml('a<b>&"c"\r\n\t\u0000\u001f\uffff')).toBe(
      'a&lt;b&gt;&amp;&quot;c&quot;&#xD;&#xA;&#x9;&#x0;&#x1F;&#xFFFF;',
    )
  })

  it('leaves plain and other text alone', () => {
    for (const text of ['', 'photos/a-b_c.jpg', "it's ü 😀", '?=']) expect(escapeXml(text)).toBe(text)
  })

  it('writes what a reader reads back, character for character', () => {
    const text = fc.string({ unit: 'grapheme' }).filter(isXmlText)
    fc.assert(
      fc.property(text, (value) => {
        expect(childText(read(xmlDocument('A', element('B', value))), 'B')).toBe(value)
      }),
    )
    expect(childText(read(xmlDocument('A', element('B', ' \r\n\t '))), 'B')).toBe(' \r\n\t ')
  })
})

describe('xmlTimestamp', () => {
  it('shows whole seconds only', () => {
    expect(xmlTimestamp(Date.UTC(2009, 9, 12, 17, 50, 30, 999))).toBe('2009-10-12T17:50:30.000Z')
  })
})

describe('parseXml', () => {
  it('matches names with any namespace, prefix or none', () => {
    for (const text of [
      '<Tagging><TagSet/></Tagging>',
      '<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet></TagSet></Tagging>',
      '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<s:Tagging xmlns:s="urn:x"><s:TagSet/></s:Tagging>\n<!-- end -->',
    ]) {
      expect(onlyChild(requireRoot(read(text), 'Tagging'), 'TagSet')).toMatchObject({ children: [] })
    }
  })

  it('keeps text as it is, with CDATA and references', () => {
    expect(childText(read('<A><B> a&amp;&#x62;<![CDATA[<c>]]> </B></A>'), 'B')).toBe(' a&b<c> ')
  })

  it.each([
    ['a document type', '<!DOCTYPE A><A/>'],
    ['an entity of its own', '<!DOCTYPE A [<!ENTITY x "y">]><A>&x;</A>'],
    ['an unknown entity', '<A>&nbsp;</A>'],
    ['a processing instruction', '<A><?php x?></A>'],
    ['another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><A/>'],
    ['an unclosed element', '<A><B></A>'],
    ['two roots', '<A/><B/>'],
    ['text only', 'hello'],
    ['white space only', '  '],
    ['text after the root', '<A/>x'],
    ['a prefix that is not declared', '<s:A/>'],
    ['an attribute twice', '<A b="1" b="2"/>'],
    ['a control character', '<A>\u0001</A>'],
    ['a reference to one', '<A>&#1;</A>'],
  ])('refuses %s', (_, text) => {
    expect(failure(() => read(text)).code).toBe('MalformedXML')
  })

  it('refuses invalid UTF-8 and other encodings', () => {
    expect(failure(() => parseXml(Buffer.from([0x3c, 0x41, 0x3e, 0xff, 0x3c, 0x2f, 0x41, 0x3e]))).code).toBe(
      'MalformedXML',
    )
    expect(failure(() => parseXml(Buffer.from('<A/>', 'utf16le'))).code).toBe('MalformedXML')
  })

  it('calls an empty body empty', () => {
    expect(failure(() => parseXml(new Uint8Array(0))).code).toBe('MissingRequestBodyError')
  })

  it('bounds depth and number of elements', () => {
    const deep = (depth: number) => '<A>'.repeat(depth) + '</A>'.repeat(depth)
    expect(read(deep(16)).name).toBe('A')
    expect(failure(() => read(deep(17))).code).toBe('MalformedXML')
    const wide = (count: number) => `<A>${'<B/>'.repeat(count - 1)}</A>`
    expect(parseXml(Buffer.from(wide(50)), { maxElements: 50 }).children.length).toBe(49)
    expect(failure(() => parseXml(Buffer.from(wide(51)), { maxElements: 50 })).code).toBe('MalformedXML')
  })

  it('bounds the number of attributes, which cost more than elements do', () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `xmlns:n${index}="x"`).join(' ')
    expect(read(`<A ${names(100)}/>`).name).toBe('A')
    expect(failure(() => read(`<A ${names(101)}/>`)).code).toBe('MalformedXML')
  })

  it('throws nothing but S3Error, whatever it is given', () => {
    fc.assert(fc.property(fc.uint8Array(), (body) => mayRefuse(() => parseXml(body))))
    const soup = fc.array(
      fc.constantFrom(
        '<A>',
        '</A>',
        '<B ',
        'c="d"',
        '>',
        '/>',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '&amp;',
        '&',
        '<?xml',
        '?>',
        'text',
        'xmlns:a="b"',
        'a:',
      ),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(soup, (pieces) => mayRefuse(() => read(pieces.join('')))),
      { numRuns: 500 },
    )
  })
})

describe('child readers', () => {
  it('refuse repeated and nested elements where text is wanted', () => {
    expect(failure(() => childText(read('<A><B>1</B><B>2</B></A>'), 'B')).code).toBe('MalformedXML')
    expect(failure(() => childText(read('<A><B><C/></B></A>'), 'B')).code).toBe('MalformedXML')
    expect(childText(read('<A/>'), 'B')).toBeUndefined()
  })

  it('know true and false and nothing else', () => {
    expect(childBoolean(read('<A><B> True </B></A>'), 'B')).toBe(true)
    expect(childBoolean(read('<A><B>false</B></A>'), 'B')).toBe(false)
    expect(childBoolean(read('<A/>'), 'B')).toBeUndefined()
    expect(failure(() => childBoolean(read('<A><B>1</B></A>'), 'B')).code).toBe('MalformedXML')
  })
})

describe('parseLargeXml', () => {
  it('reads what parseXml reads, wherever its slices end', async () => {
    const pieces = fc.array(
      fc.constantFrom('<B>', '</B>', '&#xD;', '\r\n', '\u{1f600}', 'é', '<![CDATA[]]]]>', 'x'.repeat(65_530)),
      {
        maxLength: 30,
      },
    )
    await fc.assert(
      fc.asyncProperty(pieces, async (content) => {
        const body = Buffer.from(`<A>${content.join('')}</A>`)
        const outcome = await parseLargeXml(body, {}, async () => {}).catch((error: unknown) => error)
        if (outcome instanceof S3Error) expect(failure(() => parseXml(body)).code).toBe(outcome.code)
        else expect(outcome).toEqual(parseXml(body))
      }),
      { numRuns: 50 },
    )
  })

  it('pauses between slices of some milliseconds', async () => {
    let pauses = 0
    await parseLargeXml(Buffer.from(`<A>${'&#65;'.repeat(200_000)}</A>`), {}, async () => {
      pauses += 1
    })
    expect(pauses).toBe(15)
  })
})
