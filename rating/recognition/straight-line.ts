// The schedule by which an amount is earned evenly over time. Contract section 7, "Journal entry".
// Invariants: the parts add up to the amount exactly; the schedule of the negative amount is the same with
// the other sign; months are the calendar months of the subscription's time zone, in which books close.
//
// Worked example: 100.00 for 16 September to 1 November are earned 32.61 in September (15 of 46 days), 67.39
// in October.

import { Temporal } from 'temporal-polyfill'
import type { Charge } from '../../schemas/billing/charge.js'
import type { ScheduleEntry } from '../../schemas/billing/journal-entry.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { earlier } from '../../schemas/time.js'

/**
 * The amount earned by an instant is amount x elapsed / length, rounded to the currency's minor unit; each
 * month gets the difference to the month before.
 */
export function straightLine(
  period: Pick<Charge, 'fromNs' | 'untilNs' | 'timezone'>,
  amount: Scaled,
  minorUnits: number,
): ScheduleEntry[] {
  const minorUnit = scaledOne / 10n ** BigInt(minorUnits)
  const length = period.untilNs - period.fromNs
  const parts: ScheduleEntry[] = []
  let earned = 0n
  for (let fromNs = period.fromNs; fromNs < period.untilNs; ) {
    const month = localMonth(fromNs, period.timezone)
    const nextMonthNs = month.add({ months: 1 }).toZonedDateTime(period.timezone).epochNanoseconds
    const untilNs = earlier(nextMonthNs, period.untilNs)
    const elapsed = untilNs - period.fromNs
    const earnedByThen = divideRounded(amount * elapsed, length * minorUnit) * minorUnit
    parts.push({ month: month.toString(), fromNs, untilNs, amount: earnedByThen - earned })
    earned = earnedByThen
    fromNs = untilNs
  }
  return parts
}

/** The first day of the instant's month. */
function localMonth(instantNs: bigint, timezone: string): Temporal.PlainDate {
  const date = Temporal.Instant.fromEpochNanoseconds(instantNs).toZonedDateTimeISO(timezone).toPlainDate()
  return date.with({ day: 1 })
}
