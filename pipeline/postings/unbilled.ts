// Charges that are due, belong to a period, and that no run has billed: each keeps its period open, with the run that bills it.
// Invariants:
// 1. What is due is what a preview of a billing run tells; to which period it belongs is what the books would say if a run
//    with the last day's end as its cutoff billed it now (entries.ts, rating/recognition).
// 2. The run that is named bills what is told. A subscription whose day ends later than its entity's needs a later cutoff,
//    which would date adjustments a day later: then two runs are named.

import { Temporal } from 'temporal-polyfill'
import { dueAt } from '../../rating/charges/close.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { calendarOf } from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { HeldBack } from '../../schemas/billing/held-back.js'
import { minorUnits } from '../../schemas/money/currency.js'
import { formatScaled, type Scaled } from '../../schemas/money/decimal.js'
import { earlier, formatInstant, later, nsOf } from '../../schemas/time.js'
import type { OpenBilling } from '../feature/open-billing.js'
import { placeBy } from './entry-parts.js'
import type { Blocker, BlockersRequest } from './periods.js'

export interface UnbilledSources {
  readonly openBilling: OpenBilling
  readonly nowMs: () => number
}

/** Beyond so many the count is not told, so that a close that is asked for too early ends soon. */
const mostCounted = 10_000
/** Where the last day of the world ends. */
const lastTimezone = '-12:00'

interface Sum {
  readonly first: Charge
  count: number
  amount: Scaled
  /** The latest instant at which one of them becomes due. */
  dueNs: bigint
}

export async function notBilled(
  { openBilling, nowMs }: UnbilledSources,
  { period, book, calendars, caller }: BlockersRequest,
): Promise<Blocker[]> {
  const { entityId, last, name } = period
  const nowNs = nsOf(nowMs())
  const calendar = calendarOf(calendars, entityId)
  const endNs = earlier(nowNs, dayAfter(last, calendar.timezone))
  const worldEndNs = earlier(nowNs, dayAfter(last, lastTimezone))
  const cutoffNs = later(endNs, worldEndNs)
  const due = await openBilling.due({ cutoffNs, entityId: entityId === '' ? undefined : entityId, caller })
  if (due.kind === 'unknown') return [{ kind: 'behind', id: due.id, detail: due.detail }]
  const place = placeBy(calendars, book.closed)
  const sums = new Map<string, Sum>()
  let counted = 0
  for await (const line of due.lines) {
    if (line.entityId !== entityId || line.amountRounded === 0n || !isCurrency(line)) continue
    if (place(entityId, recognise(line, endNs, calendar).accountingDate)?.accountingPeriod !== name) continue
    addTo(sums, line, endNs)
    counted += 1
    if (counted === mostCounted) break
  }
  const isAll = counted < mostCounted
  const held = due.heldBack.flatMap(one => heldBlockerOf(one, period))
  return [...[...sums.values()].map(sum => blockerOf(sum, { entityId, isAll })), ...held]
}

/** What people hold back of billing runs, if some of it would be dated within the period. */
function heldBlockerOf(one: HeldBack, { entityId, first, last }: BlockersRequest['period']): Blocker[] {
  if (one.entity_id !== entityId || one.first_date > last || one.last_date < first) return []
  const { customer_id: customer, subscription_id: subscription, line_count, amount_rounded, currency } = one
  const charges = `${line_count} ${line_count === 1 ? 'charge' : 'charges'}, ${amount_rounded} ${currency}`
  const option = subscription === null ? '' : ` --subscription ${subscription}`
  const detail = `${charges}, held back of billing runs: weir billing release ${customer}${option}`
  return [{ kind: 'held_back', id: subscription === null ? customer : `${customer} ${subscription}`, detail }]
}

function dayAfter(day: string, timezone: string): bigint {
  return Temporal.PlainDate.from(day).add({ days: 1 }).toZonedDateTime(timezone).epochNanoseconds
}

/** What is in no currency of ISO 4217 is set aside when it is billed, and never booked. */
function isCurrency({ currency }: Charge): boolean {
  return minorUnits(currency) !== undefined
}

function addTo(sums: Map<string, Sum>, line: Charge, endNs: bigint): void {
  const isLate = line.kind !== 'adjustment' && dueAt(line) > endNs
  const key = JSON.stringify([isLate, line.currency])
  const sum = sums.get(key) ?? { first: line, count: 0, amount: 0n, dueNs: endNs }
  sum.count += 1
  sum.amount += line.amountRounded
  if (isLate) sum.dueNs = later(sum.dueNs, dueAt(line))
  sums.set(key, sum)
}

function blockerOf(
  { first, count, amount, dueNs }: Sum,
  { entityId, isAll }: { readonly entityId: string; readonly isAll: boolean },
): Blocker {
  const { price, subscriptionId, fromNs, untilNs, currency, kind } = first
  const what = kind === 'adjustment' ? `an adjustment of ${price}` : price
  const charges = `${isAll ? '' : 'at least '}${count} ${count === 1 ? 'charge' : 'charges'}, ${formatScaled(amount)} ${currency}`
  const firstOne = `the first ${what} of ${subscriptionId}, ${formatInstant(fromNs)} to ${formatInstant(untilNs)}`
  const entity = entityId === '' ? '' : ` --entity ${entityId}`
  const run = `weir billing-run create --cutoff ${formatInstant(dueNs)}${entity}`
  return { kind: 'unbilled', id: first.chargeId, detail: `${charges}, ${firstOne}: ${run}` }
}
