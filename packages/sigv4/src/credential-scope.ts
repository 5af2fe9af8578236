/**
 * Credential scopes (`yyyymmdd/region/service/aws4_request`) and the basic ISO 8601 timestamps beside them.
 *
 * @module
 */

/** What a signing key is good for: one day, one region, one service. */
export interface CredentialScope {
  /** `yyyymmdd` */
  readonly date: string
  /** May be empty: MinIO's admin clients sign so. */
  readonly region: string
  readonly service: string
}

/** The text form, as it stands in the string to sign. */
export function formatScope(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`
}

/** `20130524T000000Z` for a time in milliseconds since 1970. */
export function formatTimestamp(timeMs: number): string {
  const iso = new Date(timeMs).toISOString()
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`
}

/** Milliseconds since 1970 of `yyyymmddThhmmssZ`, or `undefined` when it is anything else. */
export function parseTimestamp(text: string): number | undefined {
  if (text.length !== 16 || text[8] !== 'T' || text[15] !== 'Z') return undefined
  const year = digits(text, 0, 4)
  const day = digits(text, 6, 8)
  const month = digits(text, 4, 6)
  const hour = digits(text, 9, 11)
  const minute = digits(text, 11, 13)
  const second = digits(text, 13, 15)
  if (hour < 0 || minute < 0 || second < 0) return undefined
  if (year < 1970 || day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 59) return undefined
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days of a month, 0 for a month that there is not. */
function daysOf(year: number, month: number): number {
  const isLeap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return (monthDays[month - 1] ?? 0) + (isLeap ? 1 : 0)
}

/** Whether `text` has the form `yyyymmdd`. */
export function isScopeDate(text: string): boolean {
  return text.length === 8 && digits(text, 0, 8) >= 0
}

function digits(text: string, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}
