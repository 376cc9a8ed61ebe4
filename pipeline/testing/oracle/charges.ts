// The oracle's charges. Contract sections 3 and 4: one per (subscription, price, segment), with the terms in force when
// the segment begins; closed if its service period ended by then, else open as if nothing more happened.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, slowModel, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import type { Catalog, Price, RecurringPrice } from '../../../schemas/catalog/catalog.js'
import { stableId } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { formatInstant, instantKey } from '../../../schemas/time.js'
import type { Placed } from './attach.js'
import { commitmentsOf } from './commitments.js'
import { discountsOf } from './coupons.js'
import { owedOnce } from './one-offs.js'
import { payable } from './payable.js'
import { type OneOff, partOf, type Segment, type Subscription, segmentsOf } from './prices.js'
import { termsAt } from './terms.js'
import { type Total, usageTotal } from './usage.js'

export interface OracleCharge {
  readonly wire: ChargeWire
  /** The number of readings that it counts. */
  readonly events: number
  /** Before coupons: what its rows add up to. */
  readonly gross: string
}

/** The charges of all segments that begin before an instant. */
export function chargesOf(
  subscription: Subscription,
  catalog: Catalog,
  placed: readonly Placed[],
  asOfNs: bigint,
): OracleCharge[] {
  const segments = subscription.billed.flatMap(line => segmentsOf(line, asOfNs))
  const once = subscription.oneOffs
    .filter(one => one.atNs < asOfNs)
    .map(one => ({ plan: one.plan, wire: wireOfOneOff(subscription, one) }))
    .map(one => ({ ...one, events: 0, gross: one.wire.amount }))
  const owed = segments.flatMap(segment => {
    const { price } = segment.line
    const total =
      price.kind === 'recurring'
        ? recurringTotal(segment)
        : usageTotal(segment, subscription.lines, catalog, placed)
    // A usage charge exists if it has usage or owes something without usage.
    const isNothing = total.events === 0 && total.quantity === '0' && total.amount === '0'
    if (price.kind === 'usage' && isNothing) return []
    return {
      plan: segment.line.plan,
      wire: wireOf(subscription, segment, total, asOfNs),
      events: total.events,
      gross: total.amount,
    }
  })
  const all = [...once, ...owed]
  const discounts = discountsOf(
    subscription,
    catalog,
    all.map(one => one.wire),
  )
  const charged = all.map(({ plan, wire, events, gross }, n) => {
    const off = discounts[n]!
    if (off.length === 0) return { wire, events, gross }
    const amount = toPlaces(off.reduce((left, one) => left.minus(one.amount), Exact.of(gross)))
    const net = { ...wire, amount, amount_rounded: payable(amount, plan), discounts: off }
    return { wire: net, events, gross }
  })
  const made = commitmentsOf(
    subscription,
    catalog,
    charged.map(one => one.wire),
    asOfNs,
  )
  return [...charged, ...made.map(wire => ({ wire, events: 0, gross: wire.amount }))]
}

/** What a whole period costs, prorated over the part of the period in which its terms were in force, net of the discount. */
function recurringTotal(segment: Segment): Total {
  const { price, quantity, trial } = segment.line
  if (price.kind !== 'recurring') throw new Error(`${price.price} is not recurring.`)
  const { numerator, denominator } = partOf(segment)
  const amount = wholePeriod(price, quantity).times(keptShare(price)).times(numerator).div(denominator)
  return { quantity: toPlaces(exactly(quantity)), amount: trial ? '0' : toPlaces(amount), events: 0 }
}

/** amount × quantity, or the model's amount for the quantity; the units included are free. */
export function wholePeriod(price: RecurringPrice, quantity: Scaled): Exact {
  const { model, amount = 0n, included = 0n } = price
  const beyond = exactly(quantity).minus(exactly(included))
  const units = Exact.max(0, beyond)
  return model === undefined ? units.times(exactly(amount)) : slowModel(model, Exact.of(1), units)
}

/** What is left of an amount after `discount_percent`. */
export function keptShare(price: Price): Exact {
  return exactly(price.discountPercent).div(-100).plus(1)
}

function wireOf(subscription: Subscription, segment: Segment, total: Total, asOfNs: bigint): ChargeWire {
  const { line, fromNs, untilNs } = segment
  const { price, plan } = line
  const terms = termsAt(subscription.changes, fromNs)!
  return {
    charge_id: stableId('ch', subscription.id, price.price, instantKey(fromNs)),
    customer_id: subscription.customerId,
    subscription_id: subscription.id,
    subscription_version: terms.sequence,
    entity_id: terms.entityId,
    contract_id: terms.contractId,
    correlation_id: terms.correlationId,
    plan: terms.plan,
    plan_version: terms.planVersion,
    price: price.price,
    meter: price.kind === 'usage' ? price.meter : '',
    kind: price.kind,
    timing: price.kind === 'recurring' ? price.timing : 'in_arrears',
    service_period: { from: formatInstant(fromNs), until: formatInstant(untilNs) },
    timezone: line.terms.timezone,
    quantity: total.quantity,
    amount: total.amount,
    amount_rounded: payable(total.amount, plan),
    currency: plan.currency,
    status: untilNs <= asOfNs ? 'closed' : 'open',
  }
}

/** Its service period is the instant at which it is owed. */
function wireOfOneOff(subscription: Subscription, one: OneOff): ChargeWire {
  const { price, plan, terms, atNs, quantity } = one
  const amount = toPlaces(owedOnce(one))
  return {
    charge_id: stableId('ch', subscription.id, price.price, instantKey(atNs)),
    customer_id: subscription.customerId,
    subscription_id: subscription.id,
    subscription_version: terms.sequence,
    entity_id: terms.entityId,
    contract_id: terms.contractId,
    correlation_id: terms.correlationId,
    plan: terms.plan,
    plan_version: terms.planVersion,
    price: price.price,
    meter: '',
    kind: 'one_off',
    timing: 'in_arrears',
    service_period: { from: formatInstant(atNs), until: formatInstant(atNs) },
    timezone: terms.timezone,
    quantity: toPlaces(exactly(quantity)),
    amount,
    amount_rounded: payable(amount, plan),
    currency: plan.currency,
    status: 'closed',
  }
}
