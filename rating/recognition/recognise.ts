// When a line of a billing batch is booked, and when what it bills in advance is earned. Contract sections 4 ("Due") and 7.
// Invariant: the schedules of all lines of a charge, its credits and rebills included, add up in every month and period to
// the straight-line schedule of the billed amount.
//
// That holds because a credit repeats the period of the billed line, so its schedule is the billed one with the other
// sign, part by part: the deferred rest leaves deferred revenue, and the months already earned are reversed by the same
// months of the credit's schedule. The rebill has the straight-line schedule of the amount owed now.

import { Temporal } from 'temporal-polyfill'
import type { EntityCalendar } from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { Recognition, ServiceDays } from '../../schemas/billing/journal-entry.js'
import { minorUnitsOf } from '../../schemas/money/currency.js'
import { later } from '../../schemas/time.js'
import { straightLine } from './straight-line.js'

/** `cutoffNs`: of the run that billed the line. `calendar`: of its entity. The currency is one of ISO 4217. */
export function recognise(charge: Charge, cutoffNs: bigint, calendar: EntityCalendar): Recognition {
  const dates = { accountingDate: accountingDate(charge, cutoffNs), serviceDays: serviceDaysOf(charge) }
  if (charge.timing === 'in_arrears') return dates
  const schedule = straightLine(charge, charge.amountRounded, minorUnitsOf(charge.currency), calendar)
  return { ...dates, schedule }
}

/** The local days that `[fromNs, untilNs)` touches, the first and the last. */
export function serviceDaysOf({ fromNs, untilNs, timezone }: Period): ServiceDays {
  const first = localDay(fromNs, timezone)
  return { first, last: untilNs > fromNs ? localDay(untilNs - 1n, timezone) : first }
}

type Period = Pick<Charge, 'fromNs' | 'untilNs' | 'timezone'>

/**
 * In arrears the last day of the service period, in advance its first; the day of the instant where it has no length. An adjustment the last day before the run's
 * cutoff, because the days that it adjusts are closed, but no earlier than its own period would say.
 */
export function accountingDate(charge: Charge, cutoffNs: bigint): string {
  const isAtStart = charge.timing === 'in_advance' || charge.untilNs <= charge.fromNs
  const ownNs = isAtStart ? charge.fromNs : charge.untilNs - 1n
  const atNs = charge.kind === 'adjustment' ? later(ownNs, cutoffNs - 1n) : ownNs
  return localDay(atNs, charge.timezone)
}

function localDay(instantNs: bigint, timezone: string): string {
  return Temporal.Instant.fromEpochNanoseconds(instantNs)
    .toZonedDateTimeISO(timezone)
    .toPlainDate()
    .toString()
}
