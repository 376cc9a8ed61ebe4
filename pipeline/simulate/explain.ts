// Explains every charge of a simulation from the state that it ended in.
// Invariant: one explanation per charge, in the order of the charges.

import { explainAdded } from '../../rating/explain/explain-added.js'
import { explainCommitment } from '../../rating/explain/explain-commitment.js'
import { explainCoupons } from '../../rating/explain/explain-coupons.js'
import { explainOneOff } from '../../rating/explain/explain-one-off.js'
import { explainRecurring } from '../../rating/explain/explain-recurring.js'
import { explainUsage } from '../../rating/explain/explain-usage.js'
import type { Explanation } from '../../rating/explain/explanation.js'
import { boundSegmentsBefore } from '../../rating/timeline/bound-lines.js'
import { placeOfOneOff } from '../../rating/timeline/one-off-lines.js'
import { type SubscriptionPrices, segmentsBefore } from '../../rating/timeline/price-lines.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { accumulatorOf } from '../core/billing/owed.js'
import { basisOf } from '../core/rate/basis.js'
import type { PartitionState } from '../core/state/partition-state.js'
import { PriceBook } from '../core/state/price-book.js'

export interface ChargeExplanation {
  readonly charge: Charge
  readonly explanation: Explanation
}

/** `charges` are those of the state as of that instant. */
export function explainCharges(
  state: PartitionState,
  charges: readonly Charge[],
  asOfNs: bigint,
): ChargeExplanation[] {
  const book = new PriceBook(state)
  const explanations = new Map<string, Explanation>()
  const wanted = new Map(charges.map(charge => [charge.chargeId, charge]))
  for (const customerId of new Set(charges.map(charge => charge.customerId))) {
    for (const prices of book.ofCustomer(customerId)) {
      explainSubscription(state, book, prices, asOfNs, wanted, explanations)
    }
  }
  return charges.map(charge => {
    const explanation = explanations.get(charge.chargeId) ?? explainedBeside(charge, book)
    if (explanation === undefined) throw new Error(`The charge ${charge.chargeId} has no segment.`)
    return { charge, explanation }
  })
}

/** Of a charge that no plan names. */
function explainedBeside(charge: Charge, book: PriceBook): Explanation | undefined {
  const isOfNoPlan = charge.kind === 'one_off' || charge.kind === 'credit'
  const rounding = book.catalog.plan(charge.plan, charge.planVersion)?.rounding ?? 'half_up'
  return isOfNoPlan ? explainAdded(charge, rounding) : undefined
}

function explainSubscription(
  state: PartitionState,
  book: PriceBook,
  prices: SubscriptionPrices,
  asOfNs: bigint,
  wanted: ReadonlyMap<string, Charge>,
  explanations: Map<string, Explanation>,
): void {
  for (const line of prices.recurring) {
    for (const segment of segmentsBefore(line, asOfNs)) {
      const charge = wanted.get(segment.chargeId)
      if (charge === undefined) continue
      explanations.set(charge.chargeId, explainCoupons(explainRecurring(segment), charge, line.rounding))
    }
  }
  for (const line of prices.oneOff) {
    const charge = wanted.get(placeOfOneOff(line).chargeId)
    if (charge === undefined) continue
    explanations.set(charge.chargeId, explainCoupons(explainOneOff(line), charge, line.rounding))
  }
  for (const segment of boundSegmentsBefore(prices.bounds, asOfNs)) {
    const charge = wanted.get(segment.chargeId)
    if (charge !== undefined) explanations.set(charge.chargeId, explainCommitment(segment, charge))
  }
  for (const line of [...prices.usage.values()].flat()) {
    for (const segment of segmentsBefore(line, asOfNs)) {
      const charge = wanted.get(segment.chargeId)
      if (charge === undefined) continue
      const basis = basisOf(segment, book.catalog)
      const accumulator = accumulatorOf(state, book, segment)
      const explanation = explainUsage(basis, accumulator, line)
      explanations.set(charge.chargeId, explainCoupons(explanation, charge, line.rounding))
    }
  }
}
