/**
 * Text as Go programs print it: durations, RFC 3339 times with the offset of the machine, and lines of `slog`'s text handler
 * (kes-protocol 2.4, 3.4).
 *
 * @module
 */

/** Levels of `slog` that a line can have. */
export const logLevels = { DEBUG: -4, INFO: 0, WARN: 4, ERROR: 8 } as const

export type LogLevel = keyof typeof logLevels

/** A duration of milliseconds as Go's `Duration.String` prints it, to the microsecond: `1.234ms`, `57µs`, `2.5s`, `1m3s`. */
export function goDuration(milliseconds: number): string {
  const micros = Math.max(0, Math.round(milliseconds * 1_000))
  if (micros < 1_000) return micros === 0 ? '0s' : `${micros}µs`
  if (micros < 1_000_000) return `${micros / 1_000}ms`
  const minutes = Math.floor(micros / 60_000_000)
  if (minutes === 0) return `${micros / 1_000_000}s`
  const seconds = (micros - minutes * 60_000_000) / 1_000_000
  const hours = Math.floor(minutes / 60)
  return `${hours > 0 ? `${hours}h` : ''}${minutes % 60}m${seconds}s`
}

/** Prints times in the zone of the machine; what stays the same within a minute is kept. */
export class LocalTime {
  #minute = Number.NaN
  #prefix = ''
  #offset = ''
  #nowMs = Number.NaN
  #text = ''

  /** `2026-11-23T12:50:13.978Z`, with `digits` digits after the second (3) and trailing zeros kept. */
  format(nowMs: number): string {
    if (nowMs !== this.#nowMs) {
      this.#text = this.#format(nowMs)
      this.#nowMs = nowMs
    }
    return this.#text
  }

  #format(nowMs: number): string {
    const minute = Math.floor(nowMs / 60_000)
    if (minute !== this.#minute) this.#look(minute)
    const rest = nowMs - minute * 60_000
    const seconds = Math.floor(rest / 1_000)
    const millis = Math.floor(rest - seconds * 1_000)
    return `${this.#prefix}${seconds < 10 ? '0' : ''}${seconds}.${millis < 100 ? (millis < 10 ? '00' : '0') : ''}${millis}${this.#offset}`
  }

  #look(minute: number): void {
    const at = new Date(minute * 60_000)
    const west = at.getTimezoneOffset()
    this.#minute = minute
    this.#prefix = new Date(minute * 60_000 - west * 60_000).toISOString().slice(0, 17)
    const size = Math.abs(west)
    const clock = `${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`
    this.#offset = west === 0 ? 'Z' : `${west > 0 ? '-' : '+'}${clock}`
  }
}

/** RFC 3339 without trailing zeros of the second, in UTC. */
export function goTimeUtc(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString()
  return `${text.slice(0, 19)}${text.slice(19, 23).replace(/\.?0+$/, '')}Z`
}

/** Nothing but what never needs quotes: nearly all values, in a fraction of the time of the other test. */
const plain = /^[!#-<>-~]+$/
/** Also what nobody sees, or what turns the text around it: a terminal would show another line. */
const needsQuotes = /^$|[^!#-<>-~\u00a1-\ud7ff\ue000-\ufffd]|[\p{Cf}\p{Z}]/u
const quoted = /[\p{Cc}\p{Cf}"\\\u00a0\u2028\u2029\ud800-\udfff]/gu

const quotedCharacters: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** A value of a `key=value` pair: in quotes where it has to be, so that nothing in it can end the line or begin a pair. */
export function slogValue(text: string): string {
  if (plain.test(text) || !needsQuotes.test(text)) return text
  return `"${text.replace(quoted, escapeCharacter)}"`
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`
  return (
    quotedCharacters[character] ??
    (code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`)
  )
}

/** A line without its end. `pairs` are names and values by turns; values are quoted where they have to be. */
export function slogLine(time: string, level: LogLevel, message: string, pairs: readonly string[]): string {
  let line = `time=${time} level=${level} msg=${slogValue(message)}`
  for (let at = 0; at + 1 < pairs.length; at += 2) line += ` ${pairs[at] ?? ''}=${slogValue(pairs[at + 1] ?? '')}`
  return line
}
