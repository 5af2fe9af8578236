/**
 * The error log: lines of Go's `slog` text handler, to stderr with KES, and as `{"message":…}` to those who read
 * `/v1/log/error` (kes-protocol 3.4).
 *
 * @module
 */
import { quoteJson } from '../protocol/go-json.ts'
import { LocalTime, type LogLevel, logLevels, slogLine } from '../protocol/go-text.ts'

/** Where it goes. */
export interface ErrorLogOptions {
  readonly now: () => number
  readonly sink: ((line: string) => void) | undefined
  readonly stream: () => ((line: string) => void) | undefined
}

/** Writes the error log. The level can change while it runs. */
export class ErrorLog {
  level: number = logLevels.INFO
  readonly #options: ErrorLogOptions
  readonly #time = new LocalTime()

  constructor(options: ErrorLogOptions) {
    this.#options = options
  }

  /** `pairs` are names and values by turns. Neither may be a secret. */
  write(level: LogLevel, message: string, pairs: readonly string[] = []): void {
    if (logLevels[level] < this.level) return
    const line = slogLine(this.#time.format(this.#options.now()), level, message, pairs)
    this.#options.stream()?.(`{"message":${quoteJson(line)}}\n`)
    this.#options.sink?.(`${line}\n`)
  }
}
