// Instants: RFC 3339 text to epoch milliseconds and back.

/** The end of the year 9999, the last instant that RFC 3339 can write. */
export const maxInstantMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** The start of the year 0000, the first one. */
const minInstantMs = -62_167_219_200_000

const zero = 48
const colon = 58
const msPerDay = 86_400_000

/**
 * Epoch milliseconds (fractions floored) of an RFC 3339 instant with an offset; undefined when it is not one. A leap
 * second is the first of the next minute. Read by character code: it is on the path of every event.
 */
export function parseInstant(text: string): number | undefined {
  const length = text.length
  if (length < 20 || length > 64) return undefined
  const date = parseDate(text)
  const separator = text.charCodeAt(10) | 0x20
  const hour = digits2(text, 11)
  const minute = digits2(text, 14)
  const second = digits2(text, 17)
  if (date === undefined || separator !== 0x74 || hour > 23 || minute > 59 || second > 60) return undefined
  if (text.charCodeAt(13) !== colon || text.charCodeAt(16) !== colon) return undefined
  let at = 19
  let milliseconds = 0
  if (text.charCodeAt(at) === 46) {
    const first = 20
    for (at = first; isDigit(text.charCodeAt(at)); at += 1) {
      if (at - first < 3) milliseconds = milliseconds * 10 + text.charCodeAt(at) - zero
    }
    if (at === first) return undefined
    if (at - first < 3) milliseconds *= at - first === 1 ? 100 : 10
  }
  const offsetMs = parseOffset(text, at)
  if (offsetMs === undefined) return undefined
  return date + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - offsetMs
}

/** `Z` or `+hh:mm`, which must be the rest of the text. */
function parseOffset(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at)
  if ((sign | 0x20) === 0x7a) return text.length === at + 1 ? 0 : undefined
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6) return undefined
  const hours = digits2(text, at + 1)
  const minutes = digits2(text, at + 4)
  if (hours > 23 || minutes > 59 || text.charCodeAt(at + 3) !== colon) return undefined
  return (sign === 43 ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

/** Epoch milliseconds of the day at the start of the text, by Howard Hinnant's days_from_civil. */
function parseDate(text: string): number | undefined {
  const year = digits2(text, 0) * 100 + digits2(text, 2)
  const month = digits2(text, 5)
  const day = digits2(text, 8)
  if (!(year <= 9999) || month < 1 || month > 12 || day < 1 || !(day <= daysOfMonth(year, month)))
    return undefined
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return undefined
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return (era * 146_097 + dayOfEra - 719_468) * msPerDay
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function isDigit(code: number): boolean {
  return code >= zero && code <= 57
}

/** Two digits as a number; 1000, which no field allows, when they are not digits. */
function digits2(text: string, at: number): number {
  const tens = text.charCodeAt(at) - zero
  const ones = text.charCodeAt(at + 1) - zero
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 1000
}

/** RFC 3339 in UTC, with milliseconds only when there are any. Beyond the years that it can write: its first or last. */
export function formatInstant(instantMs: number): string {
  const writable = Math.min(Math.max(instantMs, minInstantMs), maxInstantMs)
  return new Date(writable).toISOString().replace('.000Z', 'Z')
}
