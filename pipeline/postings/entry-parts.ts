// What entries of every kind are made of: two lines that balance, the place in the calendar, and what is not of one charge.
// Invariant: debit equals credit, and no side is negative.

import {
  type AccountingCalendars,
  type ClosedPeriod,
  calendarOf,
  type Placement,
  placed,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { JournalLine } from '../../schemas/billing/journal-entry.js'
import type { Scaled } from '../../schemas/money/decimal.js'

/** Where an entry of this day is booked; undefined: the calendar of the entity has no open period for it. */
export type Place = (entityId: string, day: string) => Placement | undefined

export function placeBy(calendars: AccountingCalendars, closed: readonly ClosedPeriod[]): Place {
  return (entityId, day) => placed(calendarOf(calendars, entityId), closed, day)
}

export function noPeriod(entityId: string, day: string): string {
  return `the accounting calendar of entity ${entityId || '(none)'} has no open period for ${day} or after it`
}

type Account = Pick<JournalLine, 'account' | 'role'>

/** Moves `amount` from `credited` to `debited`; a negative amount the other way. */
export function balanced(
  debited: Account,
  credited: Account,
  amount: Scaled,
  segments: JournalLine['segments'],
): JournalLine[] {
  if (amount < 0n) return balanced(credited, debited, -amount, segments)
  return [
    { ...debited, debit: amount, credit: 0n, segments },
    { ...credited, debit: 0n, credit: amount, segments },
  ]
}

/** What an entry that is for many charges says of one: nothing. */
export const noCharge = {
  chargeId: '',
  corrects: '',
  customerId: '',
  contractId: '',
  subscriptionId: '',
  subscriptionVersion: 0,
  plan: '',
  planVersion: 0,
  price: '',
  meter: '',
  chargeKind: '',
  timing: '',
  performanceObligation: '',
  correlationId: '',
} as const
