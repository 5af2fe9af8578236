/**
 * Writing S3's XML: text concatenation with exact escapes. What clients must be able to read back (a name with a carriage
 * return) is written as a character reference; characters that XML 1.0 cannot hold at all are too, as Amazon S3 does, and
 * `encoding-type=url` is the way around them.
 *
 * @module
 */

/** Namespace of all S3 documents. */
export const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'

const escapes: readonly (string | undefined)[] = Array.from({ length: 0x3f }, (_, unit) => {
  const named = new Map([
    [0x22, '&quot;'],
    [0x26, '&amp;'],
    [0x3c, '&lt;'],
    [0x3e, '&gt;'],
  ])
  return unit < 0x20 ? `&#x${unit.toString(16).toUpperCase()};` : named.get(unit)
})

function escapeOf(unit: number): string | undefined {
  if (unit < 0x3f) return escapes[unit]
  return unit >= 0xfffe ? `&#x${unit.toString(16).toUpperCase()};` : undefined
}

/** Escapes text for use between tags or in an attribute. */
export function escapeXml(text: string): string {
  let out = ''
  let copied = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x3f && unit < 0xfffe) continue
    const reference = escapeOf(unit)
    if (reference === undefined) continue
    out += text.slice(copied, index) + reference
    copied = index + 1
  }
  return copied === 0 ? text : out + text.slice(copied)
}

/** `<name>text</name>`, escaped; nothing at all for `undefined`. */
export function element(name: string, text: string | number | boolean | undefined): string {
  if (text === undefined) return ''
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : String(text)}</${name}>`
}

/** `<name>…</name>` around content that is XML already. */
export function wrap(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}

/** A whole document in the S3 namespace. */
export function xmlDocument(root: string, content: string): string {
  return `${declaration}<${root} xmlns="${s3Namespace}">${content}</${root}>`
}

/** A whole document without a namespace: errors, and what AWS sends so. */
export function plainXmlDocument(root: string, content: string): string {
  return `${declaration}<${root}>${content}</${root}>`
}

/** `2009-10-12T17:50:30.000Z`: S3 shows whole seconds, with the fraction always zero. */
export function xmlTimestamp(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}.000Z`
}

/** An entity tag as it stands in documents and headers. */
export function quoteEtag(etag: string): string {
  return `"${etag}"`
}
