// Windows of a meter in the subscription's time zone: days from local midnight to local midnight, however long the clocks
// make them, and the hours of such a day, counted from its midnight: 23 or 25 of them where the clocks change.
// Invariant: an instant's window follows from the instant, the zone and the unit alone.

import { Temporal } from 'temporal-polyfill'
import type { WindowUnit } from '../../schemas/catalog/meter-window.js'
import { type ServiceCalendar, serviceCalendar } from './service-period.js'

const hourNs = 3_600_000_000_000n
/** No day has as many hours. */
const mostHours = 32

const midnights = new Map<string, bigint>()

/** Of a fixed day in the zone. */
function midnightNs(timezone: string): bigint {
  let known = midnights.get(timezone)
  if (known === undefined) {
    known = Temporal.ZonedDateTime.from({ year: 2020, month: 1, day: 1, timeZone: timezone }).epochNanoseconds
    midnights.set(timezone, known)
  }
  return known
}

function daysOf(timezone: string): ServiceCalendar {
  return serviceCalendar(midnightNs(timezone), timezone, 'day')
}

/** By instant the number of its window; numbers are in the order of time. */
export function windowsIn(unit: WindowUnit, timezone: string): (atNs: bigint) => number {
  const days = daysOf(timezone)
  if (unit === 'day') return atNs => days.periodAt(atNs).index
  return atNs => {
    const { index, fromNs } = days.periodAt(atNs)
    return index * mostHours + Number((atNs - fromNs) / hourNs)
  }
}

/** When the window of that number begins. */
export function windowStart(window: number, unit: WindowUnit, timezone: string): bigint {
  const days = daysOf(timezone)
  if (unit === 'day') return days.startOf(window)
  const day = Math.floor(window / mostHours)
  return days.startOf(day) + BigInt(window - day * mostHours) * hourNs
}
