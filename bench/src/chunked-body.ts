/**
 * Counts the bytes of an answer in chunks (RFC 9112 7.1) without keeping them; servers other than ours answer so.
 *
 * @module
 */

const lineFeed = 0x0a

/** One body in chunks. Feed it until `isDone`. */
export class ChunkedBody {
  #bytes = 0
  #isDone = false
  #line = ''
  /** Bytes of the chunk under way with the CRLF behind it; 0: a line is being read. */
  #remaining = 0
  #isInTrailer = false

  /** Bytes of content so far. */
  get bytes(): number {
    return this.#bytes
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Takes what belongs to the body and returns how much that was. @throws Error for a size that is none */
  take(input: Buffer): number {
    let at = 0
    while (at < input.length && !this.#isDone) {
      if (this.#remaining > 0) {
        const taken = Math.min(this.#remaining, input.length - at)
        this.#remaining -= taken
        at += taken
        continue
      }
      const end = input.indexOf(lineFeed, at)
      this.#line += input.toString('latin1', at, end < 0 ? input.length : end)
      if (end < 0) return input.length
      at = end + 1
      this.#endLine(this.#line.trimEnd())
      this.#line = ''
    }
    return at
  }

  #endLine(line: string): void {
    if (this.#isInTrailer) {
      this.#isDone = line === ''
      return
    }
    const size = /^[0-9a-f]{1,8}(?=;|$)/i.exec(line)
    if (size === null) throw new Error('the answer has a chunk without a size')
    const bytes = Number.parseInt(size[0], 16)
    this.#bytes += bytes
    this.#isInTrailer = bytes === 0
    if (bytes > 0) this.#remaining = bytes + 2
  }
}
