/**
 * Texts as MinIO's `kes` prints them: kes-protocol 13.
 *
 * @module
 */

/** JSON as Go writes it, on one line or, for a terminal, indented. Ends with a line break. */
export function goJson(value: unknown, isIndented = false): string {
  return `${escapeHtml(JSON.stringify(value, undefined, isIndented ? 2 : undefined))}\n`
}

/** Go escapes these in every text. */
const escapeHtml = (json: string): string =>
  json.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** `2026-11-23 13:08:59`, in the zone that the server wrote. */
export const goDate = (rfc3339: string): string => rfc3339.slice(0, 19).replace('T', ' ')

/** `5.1MB`. */
export function goBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`
}

/** `3 seconds`, `2 hours 5 minutes`: the two largest units. */
export function goUptime(seconds: number): string {
  const whole = Math.floor(seconds)
  const parts = [
    [Math.floor(whole / 86_400), 'days'],
    [Math.floor(whole / 3600) % 24, 'hours'],
    [Math.floor(whole / 60) % 60, 'minutes'],
    [whole % 60, 'seconds'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return '0 seconds'
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** Rows of a name and a value, the names as wide as `width`. */
export const goRows = (rows: readonly (readonly [name: string, value: string])[], width: number): string =>
  rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join('\n')

/** Lines in a frame of blanks, as wide as the longest. */
export function goBox(lines: readonly string[]): string {
  const all = ['', ...lines, '']
  const width = Math.max(...all.map((line) => line.length))
  return all.map((line) => ` ${line.padEnd(width)} \n`).join('')
}

/** A heading and one name per line; nothing at all without names. */
export const goList = (heading: string, names: readonly string[]): string =>
  names.length === 0 ? '' : `${[heading, ...names].join('\n')}\n`
