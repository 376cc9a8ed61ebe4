// Notices of the parts of a change that are kept and have no effect yet. Contract section 2: a quantity of a price that the
// plan in force lacks takes effect when a plan has the price.
// Invariant: notices are a pure function of the change and the prices of its subscription, so order does not matter.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { type SubscriptionPrices, unitPrices } from '../../../rating/timeline/price-lines.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { pointerTo } from '../../../schemas/rejection.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'

/** Details by the JSON pointer of the value in the event. */
export type Notices = ReadonlyMap<string, string>

const none: Notices = new Map()

export function noticesOf(
  change: SubscriptionChange,
  prices: SubscriptionPrices | undefined,
  catalog: CatalogIndex,
): Notices {
  if (change.quantities === undefined || prices === undefined) return none
  const { versions } = prices.timeline
  // When no version is in force at that instant, the next one decides.
  const terms = versions.find(version => version.untilNs > change.effectiveFromNs)?.terms
  const inForce = terms === undefined ? [] : unitPrices(terms, catalog)
  const notices = new Map<string, string>()
  for (const price of change.quantities.keys()) {
    if (inForce.some(one => one.price === price)) continue
    const where =
      terms === undefined ? 'Nothing is in force' : `The plan ${terms.plan} in version ${terms.planVersion}`
    const why = terms === undefined ? 'then' : `has no price ${price} per unit`
    notices.set(
      pointerTo('/data/quantities', price),
      `${where} ${why}; the quantity is kept and takes effect when a plan in force has it.`,
    )
  }
  return notices
}

/** As `simulate` prints it. */
export interface Notice {
  readonly source: string
  readonly id: string
  readonly code: 'price_not_in_plan' | 'retraction_waits' | 'amendment_waits' | 'cancellation_waits'
  readonly detail: string
  readonly pointer: string
}

/** Of all changes in effect, by subscription and sequence, and of retractions and amendments whose event was not seen yet. */
export function noticesOfState({ maps }: PartitionState, book: PriceBook): Notice[] {
  const notices: Notice[] = []
  for (const subscriptionId of [...maps.subscriptions.keys()].sort()) {
    const prices = book.ofSubscription(subscriptionId)
    const records = maps.subscriptions.get(subscriptionId)?.changes ?? []
    for (const { change, state } of records.toSorted((a, b) => a.change.sequence - b.change.sequence)) {
      if (state.kind !== 'applied') continue
      for (const [pointer, detail] of noticesOf(change, prices, book.catalog)) {
        const { eventSource: source, eventId: id } = change
        notices.push({ source, id, code: 'price_not_in_plan', detail, pointer })
      }
    }
  }
  for (const { eventSource, eventId, waiting } of maps.retractions.values()) {
    const detail = `The event ${eventId} of ${eventSource} was not seen yet; its retraction waits for it.`
    for (const { source, id } of waiting) {
      notices.push({ source, id, code: 'retraction_waits', detail, pointer: '/data/event_id' })
    }
  }
  for (const { eventSource, eventId, waiting } of maps.amended.values()) {
    const detail = `The event ${eventId} of ${eventSource} was not seen yet; its amendment waits for it.`
    for (const { source, id } of waiting.map(one => one.envelope)) {
      notices.push({ source, id, code: 'amendment_waits', detail, pointer: '/data/event_id' })
    }
  }
  for (const { eventSource, eventId, waiting } of maps.cancelledCharges.values()) {
    const detail = `The charge ${eventId} of ${eventSource} was not seen yet; its cancelling waits for it.`
    for (const { source, id } of waiting) {
      notices.push({ source, id, code: 'cancellation_waits', detail, pointer: '/data/event_id' })
    }
  }
  return notices
}
