/**
 * HTTP dates: the three forms that RFC 9110 5.6.7 makes a recipient read, and the one that is sent.
 *
 * @module
 */

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const imfFixdate = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const rfc850 = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const asctime = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/

/** `Wed, 21 Oct 2015 07:28:00 GMT` for milliseconds since 1970. */
export function formatHttpDate(timeMs: number): string {
  return new Date(timeMs).toUTCString()
}

/** Milliseconds since 1970, or `undefined` for anything that is not an HTTP date. */
export function parseHttpDate(text: string): number | undefined {
  if (text.length > 40) return undefined
  const fixed = imfFixdate.exec(text)
  if (fixed !== null) return timeOf(fixed[3], fixed[2], fixed[1], fixed[4], fixed[5], fixed[6])
  const old = rfc850.exec(text)
  if (old !== null) {
    // Two digits of a year: those of the last century from 70 on, as POSIX has it.
    const year = Number(old[3])
    return timeOf(String(year < 70 ? 2000 + year : 1900 + year), old[2], old[1], old[4], old[5], old[6])
  }
  const ctime = asctime.exec(text)
  if (ctime !== null) return timeOf(ctime[6], ctime[1], ctime[2], ctime[3], ctime[4], ctime[5])
  return undefined
}

function timeOf(year = '', monthName = '', day = '', hour = '', minute = '', second = ''): number | undefined {
  const month = months.indexOf(monthName)
  const [y, d, h, m, s] = [Number(year), Number(day), Number(hour), Number(minute), Number(second)]
  if (month < 0 || d < 1 || h > 23 || m > 59 || s > 60) return undefined
  const timeMs = Date.UTC(y, month, d, h, m, s)
  // The 31st of a month that has 30 days is not a date.
  return new Date(timeMs).getUTCMonth() === month || s === 60 ? timeMs : undefined
}
