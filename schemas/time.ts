// Instants: RFC 3339 text to epoch milliseconds and back.

/** From the year 0001 to the end of 9999, the instants RFC 3339 can write. */
export const maxInstantMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

/** Epoch milliseconds (fractions floored) of an RFC 3339 instant with an offset; undefined when it is not one. */
export function parseInstant(text: string): number | undefined {
  const match = text.length <= 64 ? rfc3339.exec(text) : null
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] = match
  const monthIndex = Number(month) - 1
  const dayOfMonth = Number(day)
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  if (Number(offsetHour ?? '0') > 23 || Number(offsetMinute ?? '0') > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(Number(year), monthIndex, dayOfMonth)
  if (date.getUTCMonth() !== monthIndex || date.getUTCDate() !== dayOfMonth) return undefined
  const milliseconds = Number((fraction ?? '').padEnd(3, '0').slice(0, 3))
  const local =
    date.getTime() + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + milliseconds
  const offset = (Number(offsetHour ?? '0') * 60 + Number(offsetMinute ?? '0')) * 60_000
  return sign === '-' ? local + offset : local - offset
}

/** RFC 3339 in UTC, with milliseconds only when there are any. */
export function formatInstant(instantMs: number): string {
  return new Date(instantMs).toISOString().replace('.000Z', 'Z')
}
