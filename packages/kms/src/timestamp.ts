/**
 * Times of stored keys: nanoseconds, and for keys of old KES releases the zone they were written in
 * (kes-protocol 7.1, 7.2), so that a key is described exactly as KES describes it.
 *
 * @module
 */

/** A point in time. */
export interface KeyTimestamp {
  /** Since 1970 UTC; negative before. */
  readonly seconds: number
  /** 0 to 999,999,999, counted forward from `seconds`. */
  readonly nanos: number
  /** Zone in which it was written; 0 = UTC. */
  readonly offsetMinutes: number
}

/** What Go's zero time is: keys of the oldest form have no other. */
export const goZeroTime: KeyTimestamp = { seconds: -62_135_596_800, nanos: 0, offsetMinutes: 0 }

/** Go prints years 0 to 9999 only, and `Date` covers them. */
const minSeconds = -62_167_219_200
const maxSeconds = 253_402_300_799

/** Brings nanoseconds into range. `undefined` outside the years 0 to 9999. */
export function normalTimestamp(seconds: bigint, nanos: number, offsetMinutes = 0): KeyTimestamp | undefined {
  const carry = Math.floor(nanos / 1e9)
  const total = seconds + BigInt(carry)
  if (total < minSeconds || total > maxSeconds) return undefined
  return { seconds: Number(total), nanos: nanos - carry * 1e9, offsetMinutes }
}

/** The time now, from a clock in milliseconds. */
export function timestampFromMs(ms: number): KeyTimestamp {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6), offsetMinutes: 0 }
}

/** To milliseconds; what is finer is cut off. */
export function timestampToDate(time: KeyTimestamp): Date {
  return new Date(time.seconds * 1000 + Math.floor(time.nanos / 1e6))
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,18}))?(?:Z|([+-])(\d\d):(\d\d))$/

/** Reads RFC 3339 text. `undefined` when it is none. */
export function parseTimestamp(text: string): KeyTimestamp | undefined {
  const match = rfc3339.exec(text)
  if (match === null) return undefined
  const number = (group: number): number => Number(match[group] ?? 0)
  const [year, month, day, hour, minute, second] = [number(1), number(2), number(3), number(4), number(5), number(6)]
  const offsetHours = number(9)
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || number(10) > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // A month or day out of range moves the date.
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second)
  const offsetMinutes = (match[8] === '-' ? -1 : 1) * (offsetHours * 60 + number(10))
  const nanos = Number((match[7] ?? '').slice(0, 9).padEnd(9, '0'))
  return normalTimestamp(BigInt(date.getTime() / 1000 - offsetMinutes * 60), nanos, offsetMinutes)
}

/** RFC 3339 text as Go prints it: no trailing zeros of the fraction, `Z` for UTC. */
export function formatTimestamp(time: KeyTimestamp): string {
  const local = new Date((time.seconds + time.offsetMinutes * 60) * 1000).toISOString().slice(0, 19)
  const fraction = time.nanos === 0 ? '' : `.${String(time.nanos).padStart(9, '0').replace(/0+$/, '')}`
  if (time.offsetMinutes === 0) return `${local}${fraction}Z`
  const offset = Math.abs(time.offsetMinutes)
  const two = (value: number): string => String(value).padStart(2, '0')
  const sign = time.offsetMinutes < 0 ? '-' : '+'
  return `${local}${fraction}${sign}${two(Math.floor(offset / 60))}:${two(offset % 60)}`
}
