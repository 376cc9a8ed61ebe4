// MRR: the monthly recurring revenue of a subscription over time, and the movements of a customer's total.
// Contract section 4, "MRR movement". Restating what was emitted before is restate.ts.
// Invariants: a movement's mrrAfter - mrrBefore is its amount, and the next one of that currency begins where it ended;
// the sum of the amounts effective by an instant is the MRR at that instant. Currencies never mix.

import type { BillingPeriod, RecurringPrice } from '../schemas/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../schemas/decimal.js'
import { compositeKey, stableId } from '../schemas/identifiers.js'
import type { MovementKind, MrrMovement } from '../schemas/mrr-movement.js'
import type { PriceLine, SubscriptionPrices } from './price-lines.js'
import { keptPercent } from './recurring.js'

export { restate } from './restate.js'

/** From this instant on, the subscription's MRR in this currency is `mrr`. */
export interface MrrChange {
  readonly atMs: number
  readonly subscriptionId: string
  readonly mrr: Scaled
  readonly currency: string
}

/** Twelfths of a billing period's amount that are a month's: year / 12, quarter / 3, week x 52 / 12, day x 365 / 12. */
const monthlyTwelfths: Readonly<Record<BillingPeriod, bigint>> = {
  year: 1n,
  quarter: 4n,
  month: 12n,
  week: 52n,
  day: 365n,
}

/** amount x quantity x per cent kept x twelfths, each scaled: what a `Scaled` is multiplied by to be one of these. */
const monthlyScale = 12n * scaledOne * 100n * scaledOne

/**
 * The step function of a subscription's MRR, from 0: only real changes, by time, then currency. Exact while it is
 * summed, rounded once per instant to 12 places.
 */
export function mrrTimeline(prices: SubscriptionPrices): MrrChange[] {
  const { subscriptionId } = prices.timeline
  const changes: MrrChange[] = []
  for (const [currency, steps] of [...stepsByCurrency(prices.recurring)].sort(byKey)) {
    let exact = 0n
    let mrr = 0n
    for (const [atMs, step] of [...steps].sort(([a], [b]) => a - b)) {
      exact += step
      const next = divideRounded(exact, monthlyScale)
      if (next !== mrr) changes.push({ atMs, subscriptionId, mrr: next, currency })
      mrr = next
    }
  }
  return changes.sort((a, b) => a.atMs - b.atMs)
}

/** By currency: how much the exact MRR goes up or down at each instant. */
function stepsByCurrency(lines: readonly PriceLine<RecurringPrice>[]): Map<string, Map<number, bigint>> {
  const byCurrency = new Map<string, Map<number, bigint>>()
  for (const line of lines) {
    // Lines end where a trial or a suspension begins, and there is none while suspended.
    if (line.trial) continue
    const { price, quantity, currency, fromMs, untilMs } = line
    const exact = price.amount * quantity * keptPercent(price) * monthlyTwelfths[line.billingPeriod]
    const steps = byCurrency.get(currency) ?? new Map<number, bigint>()
    byCurrency.set(currency, steps)
    steps.set(fromMs, (steps.get(fromMs) ?? 0n) + exact)
    if (Number.isFinite(untilMs)) steps.set(untilMs, (steps.get(untilMs) ?? 0n) - exact)
  }
  return byCurrency
}

/**
 * The net movements of a customer from the changes of all its subscriptions, by time, subscription, currency.
 * `new_business` and `reactivation` are decided per currency.
 */
export function netMovements(customerId: string, changes: readonly MrrChange[]): MrrMovement[] {
  const ordered = changes.toSorted(
    (a, b) =>
      a.atMs - b.atMs || compare(a.subscriptionId, b.subscriptionId) || compare(a.currency, b.currency),
  )
  const mrrOf = new Map<string, Scaled>()
  const totals = new Map<string, CustomerTotal>()
  const movements: MrrMovement[] = []
  for (let at = 0; at < ordered.length; ) {
    const { atMs } = ordered[at]!
    const deltas: Delta[] = []
    for (; at < ordered.length && ordered[at]!.atMs === atMs; at += 1) {
      const { subscriptionId, currency, mrr } = ordered[at]!
      const key = compositeKey(subscriptionId, currency)
      const amount = mrr - (mrrOf.get(key) ?? 0n)
      mrrOf.set(key, mrr)
      if (amount !== 0n) deltas.push({ subscriptionId, currency, amount })
    }
    for (const movement of movementsAt(customerId, atMs, deltas, totals)) movements.push(movement)
  }
  return movements
}

interface Delta {
  readonly subscriptionId: string
  readonly currency: string
  readonly amount: Scaled
}

/** A customer's total in one currency. */
interface CustomerTotal {
  readonly mrr: Scaled
  /** Whether it was ever above 0. */
  readonly wasCustomer: boolean
}

const noTotal: CustomerTotal = { mrr: 0n, wasCustomer: false }

/** All movements of one instant; `totals` goes on to after it. */
function movementsAt(
  customerId: string,
  atMs: number,
  deltas: readonly Delta[],
  totals: Map<string, CustomerTotal>,
): MrrMovement[] {
  const kinds = new Map<string, MovementKind | 'by_own_sign'>()
  const runningOf = new Map<string, Scaled>()
  for (const currency of new Set(deltas.map(delta => delta.currency))) {
    const before = totals.get(currency) ?? noTotal
    const net = deltas.reduce((sum, one) => (one.currency === currency ? sum + one.amount : sum), 0n)
    const mrr = before.mrr + net
    kinds.set(currency, kindOf(before, mrr))
    runningOf.set(currency, before.mrr)
    totals.set(currency, { mrr, wasCustomer: before.wasCustomer || mrr > 0n })
  }
  return deltas.map(({ subscriptionId, currency, amount }) => {
    const mrrBefore = runningOf.get(currency) ?? 0n
    const mrrAfter = mrrBefore + amount
    runningOf.set(currency, mrrAfter)
    const net = kinds.get(currency)!
    const kind = net === 'by_own_sign' ? (amount > 0n ? 'expansion' : 'contraction') : net
    return {
      movementId: stableId('mv', customerId, subscriptionId, currency, atMs, kind, amount.toString()),
      customerId,
      subscriptionId,
      effectiveAtMs: atMs,
      kind,
      amount,
      currency,
      mrrBefore,
      mrrAfter,
    }
  })
}

/** Decided on the customer's total before and after the instant. */
function kindOf(before: CustomerTotal, after: Scaled): MovementKind | 'by_own_sign' {
  if (after === before.mrr) return 'by_own_sign'
  if (before.mrr === 0n && after > 0n) return before.wasCustomer ? 'reactivation' : 'new_business'
  if (before.mrr > 0n && after === 0n) return 'churn'
  return after > before.mrr ? 'expansion' : 'contraction'
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compare(a, b)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
