/**
 * Durations as Go writes and reads them (`1h30m`, `1.5s`, `300ms`): what KES config files hold (kes-protocol 11).
 *
 * @module
 */

/** Nanoseconds of each unit. Go takes both characters that look like a micro sign. */
const units: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['\u00b5s', 1e3],
  ['\u03bcs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
])

/** Go's durations are 64 bits wide, in nanoseconds: about 292 years. */
const maxNanoseconds = 2 ** 63

const piece = /([0-9]*)(\.[0-9]*)?([^0-9.]+)/y

/** Longest text that is looked at, in characters. */
const maxLength = 100

/**
 * Reads a duration as Go's `time.ParseDuration` does.
 *
 * @returns milliseconds, with a fraction where the text is finer; `undefined` when it is no duration
 */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > maxLength) return undefined
  const isNegative = text.startsWith('-')
  const rest = isNegative || text.startsWith('+') ? text.slice(1) : text
  if (rest === '0') return 0
  let total = 0
  let position = 0
  while (position < rest.length) {
    piece.lastIndex = position
    const [whole, digits = '', fraction = '', unit = ''] = piece.exec(rest) ?? []
    const scale = units.get(unit)
    const hasDigits = digits !== '' || fraction.length > 1
    if (whole === undefined || scale === undefined || !hasDigits) return undefined
    // Rounded: 0.001s is a million nanoseconds, whatever a binary fraction makes of it.
    total += Math.round(Number(`0${digits}${fraction}`) * scale)
    position += whole.length
  }
  if (position === 0 || total >= maxNanoseconds) return undefined
  return (isNegative ? -total : total) / 1e6 + 0
}

/** The way Go prints a duration: `5m0s`, `1.5s`, `300ms`. */
export function formatGoDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  const sign = milliseconds < 0 ? '-' : ''
  const nanoseconds = Math.round(Math.abs(milliseconds) * 1e6)
  if (nanoseconds < 1e9) return sign + formatSmall(nanoseconds)
  const totalSeconds = Math.floor(nanoseconds / 1e9)
  const [hours, minutes] = [Math.floor(totalSeconds / 3600), Math.floor(totalSeconds / 60) % 60]
  const seconds = `${decimal((totalSeconds % 60) * 1e9 + (nanoseconds % 1e9), 9)}s`
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : sign + seconds
}

function formatSmall(nanoseconds: number): string {
  if (nanoseconds >= 1e6) return `${decimal(nanoseconds, 6)}ms`
  return nanoseconds >= 1e3 ? `${decimal(nanoseconds, 3)}\u00b5s` : `${nanoseconds}ns`
}

/** `value` / 10^`places` without trailing zeros. */
function decimal(value: number, places: number): string {
  const digits = String(value).padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, -places) : `${digits.slice(0, -places)}.${fraction}`
}
