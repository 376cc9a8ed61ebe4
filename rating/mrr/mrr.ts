// MRR: the monthly recurring revenue of a subscription over time, and the movements of a customer's total.
// Contract section 4, "MRR movement". timeline/restate.ts restates what was emitted before.
// Invariants: a movement's mrrAfter - mrrBefore is its amount, and the next one of that currency begins where it ended;
// the sum of the amounts effective by an instant is the MRR at that instant. Currencies never mix.

import type { MovementKind, MrrMovement } from '../../schemas/billing/mrr-movement.js'
import { type BillingPeriod, periodStep } from '../../schemas/catalog/billing-period.js'
import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { compositeKey, stableId } from '../../schemas/identifiers.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { compareInstants, endlessNs, instantKey } from '../../schemas/time.js'
import { keptPercent } from '../models/kept-percent.js'
import { wholePeriodAmount } from '../models/quantity-price.js'
import { type Ratio, ratio } from '../steps/ratio.js'
import type { CouponTerms } from '../timeline/coupon-terms.js'
import type { PriceLine, SubscriptionPrices } from '../timeline/price-lines.js'
import { correlationAt } from '../timeline/timeline.js'
import { mrrLessCoupons } from './coupon-mrr.js'

export { restate } from '../timeline/restate.js'

/** From this instant on, the subscription's MRR in this currency is `mrr`. */
export interface MrrChange {
  readonly atNs: bigint
  readonly subscriptionId: string
  readonly mrr: Scaled
  readonly currency: string
  /** Of the movement. */
  readonly correlationId: string
}

/** So many of a unit are a year. A period of several units counts by its part: 6 months / 6, 2 weeks x 52 / 2 / 12. */
const unitsPerYear = { month: 12n, week: 52n, day: 365n } as const

/** A period's amount, of 10^-24, x per cent kept x units a year: the factor from a `Scaled` a month to this product. */
const monthlyScale = 12n * scaledOne * 100n * scaledOne

/**
 * The step function of a subscription's MRR, from 0: only real changes, by time, then currency. Exact while it is
 * summed, rounded once per instant to 12 places.
 */
export function mrrTimeline(prices: SubscriptionPrices): MrrChange[] {
  const { subscriptionId } = prices.timeline
  if (prices.coupons !== undefined) return netTimeline(prices, prices.coupons)
  const changes: MrrChange[] = []
  const common = prices.recurringInForce.reduce(
    (multiple, line) => commonMultiple(multiple, countOf(line)),
    1n,
  )
  for (const [currency, steps] of [...stepsByCurrency(prices.recurringInForce, common)].sort(byKey)) {
    let exact = 0n
    let mrr = 0n
    for (const [atNs, step] of [...steps].sort(([a], [b]) => compareInstants(a, b))) {
      exact += step
      const next = divideRounded(exact, monthlyScale * common)
      if (next !== mrr) {
        const correlationId = correlationAt(prices.timeline, atNs)
        changes.push({ atNs, subscriptionId, mrr: next, currency, correlationId })
      }
      mrr = next
    }
  }
  return changes.sort((a, b) => compareInstants(a.atNs, b.atNs))
}

function monthlyPart(period: BillingPeriod): Ratio {
  const { unit, count } = periodStep(period)
  return ratio(unitsPerYear[unit], 12n * BigInt(count))
}

/** The same for a subscription with coupons: MRR is computed anew wherever a line or a coupon begins or ends. */
function netTimeline(prices: SubscriptionPrices, coupons: CouponTerms): MrrChange[] {
  const { timeline } = prices
  const known = new Map<string, Scaled>()
  const changes: MrrChange[] = []
  for (const { atNs, byCurrency } of mrrLessCoupons(prices, coupons, monthlyPart)) {
    for (const currency of new Set([...known.keys(), ...byCurrency.keys()].sort())) {
      const mrr = byCurrency.get(currency) ?? 0n
      if (mrr === (known.get(currency) ?? 0n)) continue
      known.set(currency, mrr)
      const { subscriptionId } = timeline
      changes.push({ atNs, subscriptionId, mrr, currency, correlationId: correlationAt(timeline, atNs) })
    }
  }
  return changes
}

/** By currency: how much the exact MRR x `common`, a multiple of all counts, goes up or down at each instant. */
function stepsByCurrency(
  lines: readonly PriceLine<RecurringPrice>[],
  common: bigint,
): Map<string, Map<bigint, bigint>> {
  const byCurrency = new Map<string, Map<bigint, bigint>>()
  for (const line of lines) {
    // Lines end where a trial or a suspension begins, and there is none while suspended.
    if (line.trial) continue
    const { price, quantity, currency, fromNs, untilNs } = line
    const yearly = unitsPerYear[periodStep(line.billingPeriod).unit] * (common / countOf(line))
    const exact = wholePeriodAmount(price, quantity) * keptPercent(price) * yearly
    const steps = byCurrency.get(currency) ?? new Map<bigint, bigint>()
    byCurrency.set(currency, steps)
    steps.set(fromNs, (steps.get(fromNs) ?? 0n) + exact)
    if (untilNs !== endlessNs) steps.set(untilNs, (steps.get(untilNs) ?? 0n) - exact)
  }
  return byCurrency
}

/** How many units the price's period has. */
function countOf({ billingPeriod }: PriceLine): bigint {
  return BigInt(periodStep(billingPeriod).count)
}

function commonMultiple(a: bigint, b: bigint): bigint {
  let [high, low] = [a, b]
  while (low !== 0n) [high, low] = [low, high % low]
  return (a / high) * b
}

/**
 * The net movements of a customer from the changes of all its subscriptions, by time, subscription, currency. What kind
 * they are is decided on all currencies of the customer.
 */
export function netMovements(customerId: string, changes: readonly MrrChange[]): MrrMovement[] {
  const ordered = changes.toSorted(
    (a, b) =>
      compareInstants(a.atNs, b.atNs) ||
      compare(a.subscriptionId, b.subscriptionId) ||
      compare(a.currency, b.currency),
  )
  const mrrOf = new Map<string, Scaled>()
  const totals = new CustomerTotals()
  const movements: MrrMovement[] = []
  for (let at = 0; at < ordered.length; ) {
    const { atNs } = ordered[at]!
    const deltas: Delta[] = []
    for (; at < ordered.length && ordered[at]!.atNs === atNs; at += 1) {
      const { subscriptionId, currency, mrr, correlationId } = ordered[at]!
      const key = compositeKey(subscriptionId, currency)
      const amount = mrr - (mrrOf.get(key) ?? 0n)
      mrrOf.set(key, mrr)
      if (amount !== 0n) deltas.push({ subscriptionId, currency, amount, correlationId })
    }
    for (const movement of movementsAt(customerId, atNs, deltas, totals)) movements.push(movement)
  }
  return movements
}

interface Delta {
  readonly subscriptionId: string
  readonly currency: string
  readonly amount: Scaled
  readonly correlationId: string
}

/** A customer's MRR in each currency, up to an instant. */
class CustomerTotals {
  readonly #mrrOf = new Map<string, Scaled>()
  #wasCustomer = false

  of(currency: string): Scaled {
    return this.#mrrOf.get(currency) ?? 0n
  }

  /** Applies the net changes of one instant and returns the kind of each. */
  move(nets: ReadonlyMap<string, Scaled>): ReadonlyMap<string, MovementKind> {
    const wasPaying = this.#isPaying()
    for (const [currency, net] of nets) this.#mrrOf.set(currency, this.of(currency) + net)
    const isPaying = this.#isPaying()
    const wasCustomer = this.#wasCustomer
    this.#wasCustomer ||= isPaying
    const gained = wasCustomer ? 'reactivation' : 'new_business'
    const goesBothWays = [...nets.values()].some(net => net > 0n) && [...nets.values()].some(net => net < 0n)
    return new Map(
      [...nets].map(([currency, net]) => {
        if (isPaying && !wasPaying) return [currency, gained]
        if (wasPaying && !isPaying) return [currency, 'churn']
        // Up in one currency and down in another: the currency changes, and without a rate neither is more.
        if (net === 0n || goesBothWays) return [currency, 'transfer']
        return [currency, net > 0n ? 'expansion' : 'contraction']
      }),
    )
  }

  #isPaying(): boolean {
    return [...this.#mrrOf.values()].some(mrr => mrr > 0n)
  }
}

/** All movements of one instant; `totals` goes on to after it. */
function movementsAt(
  customerId: string,
  atNs: bigint,
  deltas: readonly Delta[],
  totals: CustomerTotals,
): MrrMovement[] {
  const nets = new Map<string, Scaled>()
  for (const { currency, amount } of deltas) nets.set(currency, (nets.get(currency) ?? 0n) + amount)
  const runningOf = new Map([...nets.keys()].map(currency => [currency, totals.of(currency)]))
  const kinds = totals.move(nets)
  return deltas.map(({ subscriptionId, currency, amount, correlationId }) => {
    const mrrBefore = runningOf.get(currency)!
    const mrrAfter = mrrBefore + amount
    runningOf.set(currency, mrrAfter)
    const kind = kinds.get(currency)!
    return {
      movementId: stableId(
        'mv',
        customerId,
        subscriptionId,
        currency,
        instantKey(atNs),
        kind,
        amount.toString(),
      ),
      customerId,
      subscriptionId,
      effectiveAtNs: atNs,
      kind,
      amount,
      currency,
      mrrBefore,
      mrrAfter,
      correlationId,
    }
  })
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compare(a, b)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
