// Proration: which part of a service period a segment is, as an exact fraction.
// Invariant: the segments that a period is cut into always add up to exactly 1, by either unit.
//
// `second`: elapsed time, to the nanosecond, over the elapsed time of the period. As Stripe prorates by default.
// `day`: calendar days in the subscription's time zone, over those of the period. A segment counts the dates from the
// one on which it begins up to, not including, the one on which it ends: the day of a change belongs to the new terms,
// and to the last of them when there are several on one day. So 25 hours on the day the clock goes back are one day.
// `none`: always whole.
// Dates are half-open like every interval, hence the parts telescope: (b - a) + (c - b) = c - a.

import { Temporal } from 'temporal-polyfill'
import type { ProrationRule } from '../../schemas/catalog/proration.js'
import { msOf } from '../../schemas/time.js'

export interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

export interface Interval {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

export const wholeFraction: Fraction = { numerator: 1n, denominator: 1n }

/** `segment` lies within `period`; both are finite. */
export function prorationFraction(
  unit: ProrationRule,
  timezone: string,
  segment: Interval,
  period: Interval,
): Fraction {
  if (unit === 'none' || (segment.fromNs === period.fromNs && segment.untilNs === period.untilNs))
    return wholeFraction
  if (unit === 'day') {
    const fromDay = dayNumber(period.fromNs, timezone)
    const days = dayNumber(period.untilNs, timezone) - fromDay
    // A period within one date exists where the clock skips midnight; it is prorated by time.
    if (days > 0) {
      const start = dayNumber(segment.fromNs, timezone)
      const end = dayNumber(segment.untilNs, timezone)
      return { numerator: BigInt(end - start), denominator: BigInt(days) }
    }
  }
  return {
    numerator: segment.untilNs - segment.fromNs,
    denominator: period.untilNs - period.fromNs,
  }
}

const epochDate = Temporal.PlainDate.from('1970-01-01')

/** The calendar date of an instant in a time zone, as days since 1970-01-01. */
function dayNumber(instantNs: bigint, timezone: string): number {
  const date = Temporal.Instant.fromEpochMilliseconds(msOf(instantNs))
    .toZonedDateTimeISO(timezone)
    .toPlainDate()
  return epochDate.until(date, { largestUnit: 'day' }).days
}
