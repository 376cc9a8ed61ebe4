// What must hold of the books of an entity over any months, each law in a function of its own.

import { expect } from 'vitest'
import {
  type AccountingPeriod,
  type EntityCalendar,
  lastDayOverAt,
  periodOf,
} from '../../../schemas/accounting-calendar/accounting-calendar.js'
import type { BillingBatchWire } from '../../../schemas/billing/billing-batch.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import type { JournalEntryWire } from '../../../schemas/billing/journal-entry.js'
import { parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { cutoffs } from './random-months.js'

export interface Posted {
  readonly seq: number
  readonly entry: JournalEntryWire
}

function money(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(text)
  return parsed.value
}

/** Debits less credits by key, without those that are 0. */
function balances(
  posted: readonly Posted[],
  keyOf: (entry: JournalEntryWire, line: JournalEntryWire['lines'][number]) => string | undefined,
): Map<string, Scaled> {
  const sums = new Map<string, Scaled>()
  for (const { entry } of posted) {
    for (const line of entry.lines) {
      const key = keyOf(entry, line)
      if (key !== undefined) sums.set(key, (sums.get(key) ?? 0n) + money(line.debit) - money(line.credit))
    }
  }
  return new Map([...sums].filter(([, sum]) => sum !== 0n).sort())
}

export interface Closed extends AccountingPeriod {
  readonly after: number
}

/** What charges and batches come to, by currency, without what is 0. */
function sumsOf(amounts: readonly (readonly [currency: string, amount: Scaled])[]): Map<string, Scaled> {
  const sums = new Map<string, Scaled>()
  for (const [currency, amount] of amounts) sums.set(currency, (sums.get(currency) ?? 0n) + amount)
  return new Map([...sums].filter(([, sum]) => sum !== 0n).sort())
}

type Line = JournalEntryWire['lines'][number]

/** Postings come to batches and charges, and balance by entry, currency, account side and period. */
export function expectSums(
  posted: readonly Posted[],
  lines: readonly Charge[],
  batches: readonly BillingBatchWire[],
) {
  const ids = posted.map(({ entry }) => entry.journal_id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(balances(posted, entry => entry.journal_id)).toEqual(new Map())
  expect(balances(posted, entry => `${entry.currency} ${entry.accounting_period}`)).toEqual(new Map())
  const owed = sumsOf(lines.map(one => [one.currency, one.amountRounded]))
  const billed = batches.map(one => [one.currency, money(one.control.amount_rounded_total)] as const)
  const receivable = (entry: JournalEntryWire, line: Line) =>
    line.role === 'receivable' ? entry.currency : undefined
  expect(sumsOf(billed)).toEqual(owed)
  expect(balances(posted, receivable)).toEqual(owed)
}

/** What was deferred is released once, by what is posted and what is to come; by the last cutoff nothing is overdue. */
export function expectReleases(posted: readonly Posted[], rest: readonly Posted[], calendar: EntityCalendar) {
  const deferral = (entry: JournalEntryWire, line: Line) =>
    line.role === 'deferred_revenue' ? `${entry.currency} ${entry.charge_id} ${line.account}` : undefined
  expect(balances([...posted, ...rest], deferral)).toEqual(new Map())
  const last = lastDayOverAt(calendar, cutoffs.at(-1)!)
  expect(rest.filter(({ entry }) => entry.accounting_date <= last)).toEqual([])
  for (const { entry } of [...posted, ...rest]) {
    if (entry.kind !== 'release') continue
    const { first, last: end } = entry.service_days // in one period, and due on its last day
    expect(entry.moved_from ?? entry.accounting_date).toBe(end)
    const [of, to] = [periodOf(calendar, first), periodOf(calendar, end)]
    expect(of?.name ?? first.slice(0, 7)).toBe(to?.name ?? end.slice(0, 7))
  }
}

/** Nothing went to a period after it was closed; what belongs to one says so, and lies in the period that it names. */
export function expectPlaces(posted: readonly Posted[], closed: readonly Closed[], calendar: EntityCalendar) {
  for (const { name, after } of closed)
    expect(posted.filter(({ seq, entry }) => seq > after && entry.accounting_period === name)).toEqual([])
  for (const { entry } of posted) {
    expect(periodOf(calendar, entry.accounting_date)?.name).toBe(entry.accounting_period)
    if (entry.moved_from === undefined) continue
    expect(closed.map(({ name }) => name)).toContain(periodOf(calendar, entry.moved_from)?.name)
    expect(periodOf(calendar, entry.accounting_date)?.first).toBe(entry.accounting_date)
  }
}

/** Summaries come to the entries by day and account, and each entry is in exactly one. */
export function expectSummaries(posted: readonly Posted[], summed: readonly Posted[]) {
  const byDay = (entry: JournalEntryWire, line: Line) =>
    `${entry.currency} ${entry.accounting_date} ${line.account} ${line.role} ${JSON.stringify(line.segments)}`
  expect(balances(summed, byDay)).toEqual(balances(posted, byDay))
  expect(balances(summed, entry => entry.journal_id)).toEqual(new Map())
  for (const { seq, entry } of posted) {
    const holding = summed.filter(
      ({ entry: { covers, currency, accounting_date: day, source } }) =>
        covers!.from <= seq &&
        seq <= covers!.to &&
        currency === entry.currency &&
        day === entry.accounting_date &&
        (source.release_id || source.billing_run_id) ===
          (entry.source.release_id || entry.source.billing_run_id),
    )
    expect(holding).toHaveLength(1)
  }
}
