// The period of an import: a month, a day, or an interval `FROM/UNTIL`, in UTC where no offset is given.

import { Temporal } from 'temporal-polyfill'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import type { Period } from './imported.js'

/** Undefined when the text names no period. Days and months are those of the time zone. */
export function parsePeriod(text: string, timezone = 'UTC'): Period | undefined {
  const month = /^(\d{4})-(\d{2})$/.exec(text)
  if (month !== null) {
    const [year, index] = [Number(month[1]), Number(month[2])]
    if (index < 1 || index > 12 || year < 1970 || year > 2198) return undefined
    const first = Temporal.PlainDate.from({ year, month: index, day: 1 })
    return periodOf(midnight(first, timezone), midnight(first.add({ months: 1 }), timezone))
  }
  const [from, until, ...more] = text.split('/').map(part => instantOf(part, timezone))
  if (from === undefined || until === undefined || more.length > 0 || from >= until) return undefined
  return periodOf(from, until)
}

function instantOf(text: string, timezone: string): bigint | undefined {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) && parseInstant(`${text}T00:00:00Z`) !== undefined
  return isDay ? midnight(Temporal.PlainDate.from(text), timezone) : parseInstant(text)
}

function midnight(day: Temporal.PlainDate, timezone: string): bigint {
  return day.toZonedDateTime(timezone).epochNanoseconds
}

function periodOf(fromNs: bigint, untilNs: bigint): Period {
  return { text: `${formatInstant(fromNs)}/${formatInstant(untilNs)}`, fromNs, untilNs }
}
