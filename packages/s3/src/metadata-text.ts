/**
 * User metadata beyond ASCII. Headers carry bytes; S3 reads RFC 2047 encoded words and answers them ("Working with object
 * metadata"): "values are character decoded as per RFC 2047 before storing and encoded as per RFC 2047 before returning".
 *
 * @module
 */

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// One encoded word; the text may hold no space, so that a value is scanned once.
const encodedWord = /=\?(utf-8|us-ascii|iso-8859-1)\?([bq])\?([!->@-~]*)\?=/gi

/** Text of a header value as it came off the wire (one unit per byte): encoded words decoded, bytes read as UTF-8. */
export function decodeMetadataValue(raw: string): string {
  const text = isAscii(raw) ? raw : readBytes(Buffer.from(raw, 'latin1'))
  if (!text.includes('=?')) return text
  // White space between two encoded words is not part of the text (RFC 2047 6.2).
  return text
    .replace(/(\?=)[ \t]+(?==\?(?:utf-8|us-ascii|iso-8859-1)\?[bq]\?)/gi, '$1')
    .replace(encodedWord, (word: string, charset: string, encoding: string, payload: string) => {
      const bytes = encoding.toLowerCase() === 'b' ? decodeBase64(payload) : decodeQ(payload)
      if (bytes === undefined) return word
      if (charset.toLowerCase() !== 'utf-8') return bytes.toString('latin1')
      try {
        return strictUtf8.decode(bytes)
      } catch {
        return word
      }
    })
}

/** A header value for stored text: itself when it is plain printable ASCII, else one encoded word. */
export function encodeMetadataValue(text: string): string {
  if (text === '' || (/^[!-~](?:[ -~]*[!-~])?$/.test(text) && !text.includes('=?'))) return text
  return `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** UTF-8 where it is, else latin1: no byte sequence is refused. */
function readBytes(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

function decodeBase64(payload: string): Buffer | undefined {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(payload) ? Buffer.from(payload, 'base64') : undefined
}

function decodeQ(payload: string): Buffer {
  const text = payload.replace(/_/g, ' ').replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16))
  })
  return Buffer.from(text, 'latin1')
}
