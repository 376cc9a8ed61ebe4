// Proration: which part of a service period a segment is, as an exact fraction.
// Invariant: the segments that a period is cut into always add up to exactly 1, by either unit.
//
// `second`: elapsed time, in milliseconds, over the elapsed time of the period. As Stripe prorates by default.
// `day`: calendar days in the subscription's time zone, over those of the period. A segment counts the dates from the
// one on which it begins up to, not including, the one on which it ends: the day of a change belongs to the new terms,
// and to the last of them when there are several on one day. So 25 hours on the day the clock goes back are one day.
// Dates are half-open like every interval, hence the parts telescope: (b - a) + (c - b) = c - a.

import { Temporal } from 'temporal-polyfill'
import type { ProrationUnit } from '../schemas/catalog.js'

export interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

export interface Interval {
  readonly fromMs: number
  readonly untilMs: number
}

export const wholeFraction: Fraction = { numerator: 1n, denominator: 1n }

/** `segment` lies within `period`; both are finite. */
export function prorationFraction(
  unit: ProrationUnit,
  timezone: string,
  segment: Interval,
  period: Interval,
): Fraction {
  if (segment.fromMs === period.fromMs && segment.untilMs === period.untilMs) return wholeFraction
  if (unit === 'day') {
    const fromDay = dayNumber(period.fromMs, timezone)
    const days = dayNumber(period.untilMs, timezone) - fromDay
    // A period within one date exists where the clock skips midnight; it is prorated by time.
    if (days > 0) {
      const start = dayNumber(segment.fromMs, timezone)
      const end = dayNumber(segment.untilMs, timezone)
      return { numerator: BigInt(end - start), denominator: BigInt(days) }
    }
  }
  return {
    numerator: BigInt(segment.untilMs - segment.fromMs),
    denominator: BigInt(period.untilMs - period.fromMs),
  }
}

const epochDate = Temporal.PlainDate.from('1970-01-01')

/** The calendar date of an instant in a time zone, as days since 1970-01-01. */
function dayNumber(ms: number, timezone: string): number {
  const date = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone).toPlainDate()
  return epochDate.until(date, { largestUnit: 'day' }).days
}
