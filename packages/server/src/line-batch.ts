/**
 * Log lines gathered over one turn of the event loop, so that a busy server asks the system once per turn and not once per
 * request.
 *
 * @module
 */

/** Longest text that is gathered, in characters; a flood of lines is not to become one of memory. */
const mostCharacters = 65_536

/** Writes lines in order, at the end of the turn in which they came. */
export class LineBatch {
  readonly #write: (text: string) => void
  readonly #soon: (flush: () => void) => void
  #text = ''

  /** @param soon runs a function at the end of the turn */
  constructor(write: (text: string) => void, soon: (flush: () => void) => void = setImmediate) {
    this.#write = write
    this.#soon = soon
  }

  /** @param line with its line feed */
  add(line: string): void {
    if (this.#text === '') this.#soon(() => this.flush())
    this.#text += line
    if (this.#text.length >= mostCharacters) this.flush()
  }

  /** Writes what is there at once. To be called when the process ends, too. */
  flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#write(text)
  }
}
