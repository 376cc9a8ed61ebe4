// The oracle's MRR. Contract section 4: recurring prices normalised to a month, net of discounts, 0 in trial
// and in suspension. A movement occurs wherever a subscription's MRR changes; its kind depends on what the
// customer paid before and pays now in any currency. MRR is recomputed at every instant from what is in force
// just before it and at it.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { MovementKind, MrrMovementWire } from '../../../schemas/billing/mrr-movement.js'
import { formatInstant } from '../../../schemas/time.js'
import { inUnits } from './calendar.js'
import { keptShare, wholePeriod } from './charges.js'
import { never, type Subscription } from './prices.js'
import { correlationAt } from './terms.js'

/** A movement without its id. */
export type OracleMovement = Omit<MrrMovementWire, 'movement_id'>

const timesTwelve = {
  year: 1,
  quarter: 4,
  month: 12,
  week: 52,
  day: 365,
} as const

export function movementsOf(customerId: string, subscriptions: readonly Subscription[]): OracleMovement[] {
  const lines = subscriptions.flatMap(one => one.lines)
  const instants = [...new Set(lines.flatMap(line => [line.fromNs, line.untilNs]))]
  const currencies = [...new Set(lines.map(line => line.plan.currency))].sort()
  let everPaid = false
  return instants
    .filter(atNs => atNs !== never)
    .sort((a, b) => (a < b ? -1 : 1))
    .flatMap(atNs => {
      const nets = currencies.map(currency => ({
        currency,
        before: total(subscriptions.map(one => mrrOf(one, currency, atNs - 1n))),
        after: total(subscriptions.map(one => mrrOf(one, currency, atNs))),
      }))
      const moved = nets.flatMap(net =>
        movementsAt(customerId, subscriptions, net, atNs, kindOf(net, nets, everPaid)),
      )
      everPaid ||= nets.some(net => net.after.gt(0))
      return moved.sort((a, b) => compare(a.subscription_id, b.subscription_id))
    })
}

/** The customer's MRR in one currency just before an instant (a nanosecond) and at it. */
interface Net {
  readonly currency: string
  readonly before: Exact
  readonly after: Exact
}

function movementsAt(
  customerId: string,
  subscriptions: readonly Subscription[],
  { currency, before }: Net,
  atNs: bigint,
  kind: MovementKind,
): OracleMovement[] {
  const movements: OracleMovement[] = []
  let running = before
  for (const one of subscriptions) {
    const amount = mrrOf(one, currency, atNs).minus(mrrOf(one, currency, atNs - 1n))
    if (amount.eq(0)) continue
    movements.push({
      customer_id: customerId,
      subscription_id: one.id,
      effective_at: formatInstant(atNs),
      kind,
      amount: toPlaces(amount),
      currency,
      mrr_before: toPlaces(running),
      mrr_after: toPlaces(running.plus(amount)),
      correlation_id: correlationAt(one.changes, atNs),
    })
    running = running.plus(amount)
  }
  return movements
}

/** The kind of a movement in this currency, decided from all of the customer's currencies. */
function kindOf({ before, after }: Net, all: readonly Net[], everPaid: boolean): MovementKind {
  if (all.every(one => one.before.eq(0))) return everPaid ? 'reactivation' : 'new_business'
  if (all.every(one => one.after.eq(0))) return 'churn'
  const isMore = all.some(one => one.after.gt(one.before))
  const isLess = all.some(one => one.before.gt(one.after))
  if (after.eq(before) || (isMore && isLess)) return 'transfer'
  return isMore ? 'expansion' : 'contraction'
}

/** A subscription's MRR at an instant, rounded once. */
export function mrrOf({ lines }: Pick<Subscription, 'lines'>, currency: string, atNs: bigint): Exact {
  const exact = lines
    .filter(line => line.fromNs <= atNs && atNs < line.untilNs && !line.trial)
    .filter(line => line.plan.currency === currency)
    .map(({ price, period: billed, quantity }) => {
      if (price.kind === 'usage') return Exact.of(0)
      const period = wholePeriod(price, quantity).times(keptShare(price))
      const [count, unit] = inUnits(billed)
      return period.times(timesTwelve[unit]).div(count)
    })
  return Exact.of(toPlaces(total(exact).div(12)))
}

function total(amounts: readonly Exact[]): Exact {
  return amounts.reduce((sum, amount) => sum.plus(amount), exactly(0n))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
