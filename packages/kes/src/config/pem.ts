/**
 * PEM files as KES reads them: text before the first block is passed over, text behind the last one is a mistake
 * (kes-protocol 1.1, rows on certificate and private key files).
 *
 * @module
 */

export interface PemBlock {
  /** `CERTIFICATE`, `EC PRIVATE KEY`. */
  readonly type: string
  /** From `-----BEGIN` to `-----`, both included. */
  readonly text: string
  /** It has headers, as `DEK-Info`. */
  readonly headers: string
}

/**
 * Splits a file into its blocks.
 *
 * @returns `undefined` when there is none, or something stands behind the last one
 */
export function parsePem(file: string): readonly PemBlock[] | undefined {
  const blocks: PemBlock[] = []
  let position = 0
  for (;;) {
    const begin = file.indexOf('-----BEGIN ', position)
    if (begin < 0) break
    const typeEnd = file.indexOf('-----', begin + 11)
    const type = typeEnd < 0 ? '' : file.slice(begin + 11, typeEnd)
    const footer = `-----END ${type}-----`
    const end = type === '' || type.includes('\n') ? -1 : file.indexOf(footer, typeEnd)
    if (end < 0) return undefined
    const body = file.slice(typeEnd + 5, end)
    position = end + footer.length
    blocks.push({ type, text: file.slice(begin, position), headers: headersOf(body) })
  }
  const rest = file.slice(position)
  return blocks.length === 0 || rest.trim() !== '' ? undefined : blocks
}

/** RFC 1421 headers stand before an empty line. */
function headersOf(body: string): string {
  const lines = body.split(/\r?\n/).slice(1)
  const empty = lines.indexOf('')
  const head = empty < 0 ? [] : lines.slice(0, empty)
  return head.every((line) => /^[\w-]+:|^[ \t]/.test(line)) ? head.join('\n') : ''
}
