// Tells whether a change of a subscription would bring its customer's total MRR to more than 38 digits; such a change is
// refused. Where several subscriptions together exceed the limit, the order of arrival decides which change is refused.

import { mrrTimeline, netMovements } from '../../../rating/mrr/mrr.js'
import { largeMrr, mayBeLarge } from '../../../rating/ranges/price-range.js'
import { isBeyond } from '../../../rating/ranges/value-range.js'
import { resolvePrices } from '../../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline/timeline.js'
import type { MrrMovement } from '../../../schemas/billing/mrr-movement.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { SubscriptionRecord } from '../state/records.js'
import type { Step } from '../step/step.js'

/** By a customer's list of movements, so that each list is added up once. */
const largeLists = new WeakMap<readonly MrrMovement[], boolean>()

export class CustomerMrr {
  /** Customers with a large change in this step, which their movements do not show yet. */
  readonly #large = new Set<string>()

  wouldExceed(step: Step, record: SubscriptionRecord, changes: readonly SubscriptionChange[]): boolean {
    const { subscriptionId, customerId } = record
    const customer = step.state.maps.customers.get(customerId)
    if (customer === undefined) return false
    const { currency = '' } = customer.currency ?? {}
    const timeline = resolveTimeline(changes, currency)
    if (timeline === undefined) return false
    const { catalog } = step.book
    const isLarge = timeline.versions.some(({ terms }) => mayBeLarge(terms, catalog, currency))
    if (isLarge) this.#large.add(customerId)
    else if (!this.#large.has(customerId) && !hasLarge(customer.movements)) return false
    const others = step.book.othersOfCustomer(customerId, subscriptionId)
    const steps = [...others, resolvePrices(timeline, catalog)].flatMap(mrrTimeline)
    return netMovements(customerId, steps).some(one => isBeyond(one.mrrBefore) || isBeyond(one.mrrAfter))
  }
}

function hasLarge(movements: readonly MrrMovement[]): boolean {
  let known = largeLists.get(movements)
  if (known === undefined) {
    known = movements.some(({ mrrAfter }) => mrrAfter > largeMrr || mrrAfter < -largeMrr)
    largeLists.set(movements, known)
  }
  return known
}
