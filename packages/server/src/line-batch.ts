/**
 * Log lines gathered over one turn of the event loop, so that a busy server asks the system once per turn and not once per
 * request.
 *
 * @module
 */

/** Longest text that is gathered, in characters; a flood of lines is not to become one of memory. */
const mostCharacters = 65_536

/** Longest text that waits for a reader that takes nothing, in characters. What comes then is not written, and counted. */
const mostWaiting = 4 * 1024 * 1024

/** Where lines go. */
export interface LineOutput {
  /** `false`: it has enough; `onDrain` is called when it takes more. */
  write(text: string): boolean
  onDrain(goOn: () => void): void
  /** The line that says how many were lost. */
  lostLine(count: number): string
}

/** Writes lines in order, at the end of the turn in which they came. */
export class LineBatch {
  readonly #output: LineOutput
  readonly #soon: (flush: () => void) => void
  #text = ''
  #isFlushDue = false
  #isWaiting = false
  #lost = 0

  /** @param soon runs a function at the end of the turn */
  constructor(output: LineOutput, soon: (flush: () => void) => void = setImmediate) {
    this.#output = output
    this.#soon = soon
  }

  /** @param line with its line feed; or several */
  add(line: string): void {
    if (this.#isWaiting) {
      if (this.#text.length + line.length > mostWaiting) this.#lost += line.split('\n').length - 1
      else this.#text += line
      return
    }
    this.#text += line
    if (this.#text.length >= mostCharacters) this.#send()
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true
      this.#soon(() => {
        this.#isFlushDue = false
        if (!this.#isWaiting) this.#send()
      })
    }
  }

  /** Writes what is there at once, whether it is taken or not. To be called when the process ends. */
  flush(): void {
    this.#send()
  }

  #send(): void {
    if (this.#lost > 0) this.#text += this.#output.lostLine(this.#lost)
    this.#lost = 0
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    if (this.#output.write(text) || this.#isWaiting) return
    this.#isWaiting = true
    this.#output.onDrain(() => {
      this.#isWaiting = false
      this.#send()
    })
  }
}
