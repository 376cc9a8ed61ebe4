// When a freeze window is open: once, between two instants, or every month, between two local times. Pure: the instant is
// handed in.
// Invariants: a window is open from its beginning and up to, not including, its end; a day that a month does not have is
// its last one (from the end: its first); a time that the clock skips is taken later, one that it shows twice the first time.

import { Temporal } from 'temporal-polyfill'
import type { FreezeWindow, MonthlyTime } from './window-shape.js'

export interface WindowNow {
  readonly isOpen: boolean
  /** When that changes; `Infinity`: never again. Epoch milliseconds. */
  readonly untilMs: number
}

export function windowAt(window: FreezeWindow, nowMs: number): WindowNow {
  if (!('every_month' in window)) {
    const [fromMs, untilMs] = [Date.parse(window.from), Date.parse(window.until)]
    if (nowMs < fromMs) return { isOpen: false, untilMs: fromMs }
    return nowMs < untilMs ? { isOpen: true, untilMs } : { isOpen: false, untilMs: Number.POSITIVE_INFINITY }
  }
  const zone = window.time_zone
  const today = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(zone).toPlainDate()
  let next = Number.POSITIVE_INFINITY
  // One that began two months ago may be open still: from the 31st to the 30th, say.
  for (let month = -2; month <= 2; month += 1) {
    const first = today.with({ day: 1 }).add({ months: month })
    const fromMs = momentOf(first, window.every_month.from, zone)
    const sameMonthMs = momentOf(first, window.every_month.until, zone)
    const untilMs =
      sameMonthMs > fromMs ? sameMonthMs : momentOf(first.add({ months: 1 }), window.every_month.until, zone)
    if (fromMs <= nowMs && nowMs < untilMs) return { isOpen: true, untilMs }
    if (fromMs > nowMs) next = Math.min(next, fromMs)
  }
  return { isOpen: false, untilMs: next }
}

function momentOf(first: Temporal.PlainDate, { day, at }: MonthlyTime, timeZone: string): number {
  const days = first.daysInMonth
  const ofMonth = day > 0 ? Math.min(day, days) : Math.max(1, days + 1 + day)
  const plainTime = Temporal.PlainTime.from(at)
  return first.with({ day: ofMonth }).toZonedDateTime({ timeZone, plainTime }).epochMilliseconds
}
