// Windows the slow way, for the oracle: local dates asked of Intl, hours counted from the first instant of the date.

const formats = new Map<string, Intl.DateTimeFormat>()

function dateAt(ms: number, timezone: string): string {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
    formats.set(timezone, format)
  }
  return format.format(ms)
}

/** Equal texts, one window. */
export function slowWindow(atNs: bigint, unit: 'hour' | 'day', timezone: string): string {
  const ms = Number(atNs / 1_000_000n)
  const date = dateAt(ms, timezone)
  if (unit === 'day') return date
  // The first millisecond of the date: it is within the 27 hours before.
  let [before, within] = [ms - 27 * 3_600_000, ms]
  while (within - before > 1) {
    const middle = Math.floor((before + within) / 2)
    if (dateAt(middle, timezone) === date) within = middle
    else before = middle
  }
  return `${date} ${Math.floor((ms - within) / 3_600_000)}`
}
