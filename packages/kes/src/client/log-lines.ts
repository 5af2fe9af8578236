/**
 * A stream of log lines, cut at line ends: kes-protocol 3.4.
 *
 * @module
 */

const maxLineLength = 65_536

/** Splits at line ends; a line that is too long is cut. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncIterable<string> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true })
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      if (end > 0) yield rest.slice(0, end)
      rest = rest.slice(end + 1)
    }
    if (rest.length > maxLineLength) rest = rest.slice(0, maxLineLength)
  }
  if (rest !== '') yield rest
}
