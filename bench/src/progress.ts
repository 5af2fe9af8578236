/**
 * Says on standard error what is under way: one line that is written over in a terminal, a line for each step elsewhere.
 *
 * @module
 */

/** Where progress goes; standard error fits. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class Progress {
  readonly #stream: ProgressStream
  readonly #now: () => number
  readonly #startedAt: number
  #step = ''
  #shown = ''

  constructor(stream: ProgressStream, now: () => number = () => performance.now()) {
    this.#stream = stream
    this.#now = now
    this.#startedAt = now()
  }

  /** Begins a step. */
  step(text: string): void {
    this.#step = text
    if (this.#stream.isTTY === true) this.#show(text)
    else this.#stream.write(`${this.#clock()}  ${text}\n`)
  }

  /** How far the step has come; in a terminal only. */
  detail(text: string): void {
    if (this.#stream.isTTY === true) this.#show(`${this.#step}: ${text}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown !== '') this.#stream.write('\r\u001b[K')
    this.#shown = ''
  }

  #show(text: string): void {
    const line = `${this.#clock()}  ${text}`.slice(0, (this.#stream.columns ?? 80) - 1)
    if (line === this.#shown) return
    this.#shown = line
    this.#stream.write(`\r\u001b[K${line}`)
  }

  #clock(): string {
    const seconds = Math.floor((this.#now() - this.#startedAt) / 1000)
    return `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`
  }
}
