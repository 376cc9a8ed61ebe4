// The prices of every subscription of a partition, resolved: a cache of bounded size over the records, never stored.
// Invariant: it always shows the timelines of the changes that are applied, on the catalog as it is.

import { CatalogIndex } from '../../../rating/catalog-index.js'
import { resolvePrices, type SubscriptionPrices } from '../../../rating/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline.js'
import type { PartitionState } from './partition-state.js'
import { RecentMap } from './recent-map.js'
import type { SubscriptionRecord } from './records.js'

const none: readonly SubscriptionPrices[] = []
/** A few kilobytes each; resolved anew when they are asked for again. Plain usage has its routes and does not ask. */
const pricesKept = 8_192

export class PriceBook {
  readonly #state: PartitionState
  readonly #bySubscription = new RecentMap<SubscriptionPrices>(pricesKept)
  readonly #byCustomer = new RecentMap<readonly SubscriptionPrices[]>(pricesKept)
  #index: CatalogIndex

  constructor(state: PartitionState) {
    this.#state = state
    this.#index = new CatalogIndex(state.catalog)
  }

  get catalog(): CatalogIndex {
    return this.#index
  }

  /** The catalog grew; published versions never change, so resolved prices stay. */
  catalogChanged(): void {
    this.#index = new CatalogIndex(this.#state.catalog)
    this.#state.routes.clear()
  }

  /** Undefined while the subscription has no applied `created`. */
  ofSubscription(subscriptionId: string): SubscriptionPrices | undefined {
    const known = this.#bySubscription.get(subscriptionId)
    if (known !== undefined) return known
    const record = this.#state.maps.subscriptions.get(subscriptionId)
    const prices = record === undefined ? undefined : this.#resolve(record)
    if (prices !== undefined) this.#bySubscription.set(subscriptionId, prices)
    return prices
  }

  /** All of the customer, in the order of their ids. */
  ofCustomer(customerId: string): readonly SubscriptionPrices[] {
    const known = this.#byCustomer.get(customerId)
    if (known !== undefined) return known
    const customer = this.#state.maps.customers.get(customerId)
    if (customer === undefined || customer.subscriptionIds.length === 0) return none
    const all = customer.subscriptionIds
      .toSorted()
      .map(id => this.ofSubscription(id))
      .filter(prices => prices !== undefined)
    this.#byCustomer.set(customerId, all)
    return all
  }

  /** The changes of this subscription are others now. */
  forget(subscriptionId: string, customerId: string): void {
    this.#bySubscription.delete(subscriptionId)
    this.#byCustomer.delete(customerId)
    this.#state.routes.forget(customerId)
  }

  #resolve(record: SubscriptionRecord): SubscriptionPrices | undefined {
    const applied = record.changes.filter(one => one.state.kind === 'applied').map(one => one.change)
    const timeline = resolveTimeline(applied)
    return timeline === undefined ? undefined : resolvePrices(timeline, this.#index)
  }
}
