// Close: the charges of a subscription as of an instant. Contract section 4, "Charge", and section 5, `simulate`.
// It owns which segments have a charge and when one is due; what usage came to is handed in.
// Invariants: one charge per segment; an open charge is computed as if nothing more happened until its segment ends.
//
// Every recurring segment has a charge, in a trial one of 0: it says what was in force. A usage segment has one when it
// was used (an event, or a level carried into it) or owes something without usage (a flat amount, a minimum).

import type { Charge } from '../../schemas/billing/charge.js'
import type { Price, RecurringPrice, UsagePrice } from '../../schemas/catalog/catalog.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { compareInstants } from '../../schemas/time.js'
import type { CatalogIndex } from '../timeline/catalog-index.js'
import { type Segment, type SubscriptionPrices, segmentsBefore } from '../timeline/price-lines.js'
import { recurringCharge } from './recurring.js'
import { roundToCurrency } from './rounding.js'

/** What the usage of a segment came to; without any, what is owed for zero. */
export type UsageTotals = (segment: Segment<UsagePrice>) => {
  readonly quantity: Scaled
  readonly amount: Scaled
  readonly events: number
}

/** The charges of all segments that begin before `asOfNs`, by start, then price. */
export function chargesOf(
  prices: SubscriptionPrices,
  _catalog: CatalogIndex,
  asOfNs: bigint,
  usage: UsageTotals,
): Charge[] {
  const charges: Charge[] = []
  for (const line of prices.recurring) {
    for (const segment of segmentsBefore(line, asOfNs)) charges.push(recurringChargeOf(segment, asOfNs))
  }
  for (const lines of prices.usage.values()) {
    for (const line of lines) {
      for (const segment of segmentsBefore(line, asOfNs)) {
        const { quantity, amount, events } = usage(segment)
        if (events === 0 && quantity === 0n && amount === 0n) continue
        charges.push(usageChargeOf(segment, quantity, amount, asOfNs))
      }
    }
  }
  return charges.sort(byStartThenPrice)
}

/** A charge is due when its service period has ended, or, in advance, when it begins. */
export function dueAt(charge: Pick<Charge, 'timing' | 'fromNs' | 'untilNs'>): bigint {
  return charge.timing === 'in_advance' ? charge.fromNs : charge.untilNs
}

function recurringChargeOf(segment: Segment<RecurringPrice>, asOfNs: bigint): Charge {
  const { quantity, amount } = recurringCharge(segment)
  const { timing } = segment.line.price
  return { ...commonFields(segment, amount, asOfNs), meter: '', kind: 'recurring', timing, quantity }
}

function usageChargeOf(
  segment: Segment<UsagePrice>,
  quantity: Scaled,
  amount: Scaled,
  asOfNs: bigint,
): Charge {
  const { meter } = segment.line.price
  return { ...commonFields(segment, amount, asOfNs), meter, kind: 'usage', timing: 'in_arrears', quantity }
}

/** Plan, entity and contract are those in force when the segment begins. */
function commonFields(segment: Segment<Price>, amount: Scaled, asOfNs: bigint) {
  const { line, version, fromNs, untilNs } = segment
  const { terms } = version
  return {
    chargeId: segment.chargeId,
    customerId: line.customerId,
    subscriptionId: line.subscriptionId,
    subscriptionVersion: terms.sequence,
    entityId: terms.entityId,
    contractId: terms.contractId,
    correlationId: terms.correlationId,
    plan: terms.plan,
    planVersion: terms.planVersion,
    price: line.price.price,
    fromNs,
    untilNs,
    timezone: line.timezone,
    amount,
    amountRounded: roundToCurrency(amount, line.currency, line.rounding),
    currency: line.currency,
    status: untilNs <= asOfNs ? ('closed' as const) : ('open' as const),
  }
}

function byStartThenPrice(a: Charge, b: Charge): number {
  if (a.fromNs !== b.fromNs) return compareInstants(a.fromNs, b.fromNs)
  return a.price < b.price ? -1 : a.price > b.price ? 1 : 0
}
