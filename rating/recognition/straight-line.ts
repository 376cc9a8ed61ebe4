// The schedule by which an amount is earned evenly over the days of its period. Contract section 7, "Journal entry".
// Invariants: the parts add up to the amount exactly; the schedule of the negative amount is the same with the other sign;
// each part lies in one month of the subscription's time zone and in one period of its entity's accounting calendar. Where
// an amount is cut does not change what is earned by the end of a day.
//
// A day earns as much as another, also when clocks change in it; of a day that is not whole, its part. Days are those of
// the subscription's time zone; the days of the calendar's periods are looked up as they are written.
//
// Worked example: 100.00 for 16 September to 1 November are earned 32.61 in September (15 of 46 days), 67.39 in October.

import { Temporal } from 'temporal-polyfill'
import {
  type EntityCalendar,
  nextCutAfter,
  periodOf,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { ScheduleEntry } from '../../schemas/billing/journal-entry.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { earlier } from '../../schemas/time.js'

/**
 * The amount earned by an instant is amount x elapsed / length in days, rounded to the currency's minor unit; each part
 * gets the difference to the part before.
 */
export function straightLine(
  period: Pick<Charge, 'fromNs' | 'untilNs' | 'timezone'>,
  amount: Scaled,
  minorUnits: number,
  calendar: EntityCalendar,
): ScheduleEntry[] {
  const minorUnit = scaledOne / 10n ** BigInt(minorUnits)
  const share = shareOfDays(period)
  const parts: ScheduleEntry[] = []
  let earned = 0n
  let day = localDay(period.fromNs, period.timezone)
  for (let fromNs = period.fromNs; fromNs < period.untilNs; ) {
    const cut = Temporal.PlainDate.from(nextCutAfter(calendar, day.toString()))
    const untilNs = earlier(cut.toZonedDateTime(period.timezone).epochNanoseconds, period.untilNs)
    const { elapsed, length } = share(untilNs, cut)
    const earnedByThen = divideRounded(amount * elapsed, length * minorUnit) * minorUnit
    const month = day.with({ day: 1 }).toString()
    const listed = calendar.periods === 'months' ? undefined : periodOf(calendar, day.toString())?.name
    const of = listed === undefined ? { month } : { month, accountingPeriod: listed }
    parts.push({ ...of, fromNs, untilNs, amount: earnedByThen - earned })
    earned = earnedByThen
    fromNs = untilNs
    day = cut
  }
  return parts
}

type Share = (
  untilNs: bigint,
  day: Temporal.PlainDate,
) => { readonly elapsed: bigint; readonly length: bigint }

/** How much of the period is over at the beginning of a day, or at its end: in days, as a fraction of whole numbers. */
function shareOfDays({ fromNs, untilNs, timezone }: Pick<Charge, 'fromNs' | 'untilNs' | 'timezone'>): Share {
  const [first, last] = [momentOf(fromNs, timezone), momentOf(untilNs, timezone)]
  const days = (day: Temporal.PlainDate): bigint => BigInt(first.day.until(day).days)
  // Both are times `first.dayNs * last.dayNs`.
  const length =
    days(last.day) * first.dayNs * last.dayNs + last.intoNs * first.dayNs - first.intoNs * last.dayNs
  return (atNs, day) => {
    if (atNs === untilNs) return { elapsed: length, length }
    return { elapsed: (days(day) * first.dayNs - first.intoNs) * last.dayNs, length }
  }
}

/** The local day of an instant, how long that is, and how far the instant lies in it; at its beginning any length will do. */
function momentOf(instantNs: bigint, timezone: string) {
  const local = Temporal.Instant.fromEpochNanoseconds(instantNs).toZonedDateTimeISO(timezone)
  const begins = local.startOfDay()
  if (begins.epochNanoseconds === instantNs) return { day: local.toPlainDate(), dayNs: 1n, intoNs: 0n }
  const dayNs = begins.add({ days: 1 }).startOfDay().epochNanoseconds - begins.epochNanoseconds
  return { day: local.toPlainDate(), dayNs, intoNs: instantNs - begins.epochNanoseconds }
}

function localDay(instantNs: bigint, timezone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochNanoseconds(instantNs).toZonedDateTimeISO(timezone).toPlainDate()
}
