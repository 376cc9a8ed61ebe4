// The accounting calendar: in which period of the books of an entity a day lies, and where an entry goes whose period is closed.
// Pure: which periods are closed is handed in. Days are `YYYY-MM-DD` in the entity's time zone, so text order is day order.
// Invariants:
// 1. Periods of an entity follow each other without a gap; a day lies in at most one.
// 2. An entry never goes to a closed period: it goes to the first day of the next open one, and says from where.

import { Temporal } from 'temporal-polyfill'

export interface AccountingPeriod {
  /** Unique within its entity: `2026-02`, `FY26-P02`. */
  readonly name: string
  /** First and last day, both included. */
  readonly first: string
  readonly last: string
}

export interface EntityCalendar {
  /** IANA name: a period is over when its last day is over there. */
  readonly timezone: string
  /** `months`: calendar months named `YYYY-MM`, without end. */
  readonly periods: 'months' | readonly AccountingPeriod[]
}

export interface AccountingCalendars {
  /** By entity id. */
  readonly byEntity: ReadonlyMap<string, EntityCalendar>
  /** Of the entities that are not named. */
  readonly others: EntityCalendar
}

export const monthsInUtc: EntityCalendar = { timezone: 'UTC', periods: 'months' }
export const defaultCalendars: AccountingCalendars = { byEntity: new Map(), others: monthsInUtc }

export function calendarOf(calendars: AccountingCalendars, entityId: string): EntityCalendar {
  return calendars.byEntity.get(entityId) ?? calendars.others
}

/** Undefined: the calendar has no period for the day. */
export function periodOf({ periods }: EntityCalendar, day: string): AccountingPeriod | undefined {
  if (periods === 'months') return monthOf(day)
  return periods.find(({ first, last }) => first <= day && day <= last)
}

/** The first day after this one on which a month or a period begins, or the days of a list end. */
export function nextCutAfter({ periods }: EntityCalendar, day: string): string {
  const month = monthOf(day)
  const nextMonth = dayAfter(month.last)
  if (periods === 'months') return nextMonth
  const end = periods.at(-1)?.last ?? ''
  const cut = periods.find(({ first }) => first > day)?.first ?? (day <= end ? dayAfter(end) : nextMonth)
  if (cut > nextMonth) return nextMonth
  return cut
}

/** Undefined: there is no such period. */
export function periodNamed({ periods }: EntityCalendar, name: string): AccountingPeriod | undefined {
  if (periods !== 'months') return periods.find(period => period.name === name)
  return /^\d{4}-(0[1-9]|1[0-2])$/.test(name) ? monthOf(`${name}-01`) : undefined
}

function monthOf(day: string): AccountingPeriod {
  const first = Temporal.PlainDate.from(day).with({ day: 1 })
  const last = first.with({ day: first.daysInMonth })
  return { name: day.slice(0, 7), first: first.toString(), last: last.toString() }
}

function dayAfter(day: string): string {
  return Temporal.PlainDate.from(day).add({ days: 1 }).toString()
}

export interface Placement {
  readonly accountingDate: string
  readonly accountingPeriod: string
  readonly movedFrom?: string
}

/** A closed period, with its days as they were when it was closed; '' where that is not known. */
export interface ClosedPeriod {
  readonly period: string
  readonly first: string
  readonly last: string
}

/** Where an entry of this day is booked; undefined: the calendar has no period for it, or no open one after it. */
export function placed(
  calendar: EntityCalendar,
  closed: readonly ClosedPeriod[],
  day: string,
): Placement | undefined {
  for (let date = day; ; ) {
    const period = periodOf(calendar, date)
    if (period === undefined) return undefined
    const shut = closedUntil(closed, period, date)
    if (shut === undefined) {
      return {
        accountingDate: date,
        accountingPeriod: period.name,
        ...(date === day ? {} : { movedFrom: day }),
      } // invariant 2
    }
    date = dayAfter(shut)
  }
}

/** The last day of the closed stretch that a day lies in; undefined: it is open. By days too, since a calendar may have changed. */
function closedUntil(
  closed: readonly ClosedPeriod[],
  { name, last }: AccountingPeriod,
  day: string,
): string | undefined {
  for (const one of closed) {
    if (one.period === name) return last
    if (one.first <= day && day <= one.last) return one.last
  }
  return undefined
}

/** The last day that is over at an instant, in the time zone of the entity. */
export function lastDayOverAt({ timezone }: EntityCalendar, instantNs: bigint): string {
  const day = Temporal.Instant.fromEpochNanoseconds(instantNs).toZonedDateTimeISO(timezone).toPlainDate()
  return day.subtract({ days: 1 }).toString()
}
