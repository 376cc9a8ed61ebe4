// The resolved prices of a partition's subscriptions: a cache of bounded size over the records, never stored.
// Invariant: prices always follow from the changes that are applied now and from the present catalog.

import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import {
  resolvePrices,
  type Segment,
  type SubscriptionPrices,
  segmentAt,
} from '../../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline/timeline.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { PartitionState } from './partition-state.js'
import { RecentMap } from './recent-map.js'
import type { UsageCharge } from './records.js'

const none: readonly SubscriptionPrices[] = []
/** Some kilobytes each, of small objects; resolved anew when they are asked for again. */
const pricesKept = 4_096

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
    const prices = this.#resolve(subscriptionId)
    if (prices !== undefined) this.#bySubscription.set(subscriptionId, prices)
    return prices
  }

  /** The segment of a charge in the state, under the present terms. */
  segmentOf(
    charge: Pick<UsageCharge, 'chargeId' | 'subscriptionId' | 'meter' | 'fromNs'>,
  ): Segment<UsagePrice> | undefined {
    for (const line of this.ofSubscription(charge.subscriptionId)?.usage.get(charge.meter) ?? []) {
      if (line.fromNs > charge.fromNs || charge.fromNs >= line.untilNs) continue
      const segment = segmentAt(line, charge.fromNs)
      if (segment?.chargeId === charge.chargeId) return segment
    }
    return undefined
  }

  /** All of the customer, in the order of their ids. */
  ofCustomer(customerId: string): readonly SubscriptionPrices[] {
    const known = this.#byCustomer.get(customerId)
    if (known !== undefined) return known
    const all = this.#ofAll(customerId, id => this.ofSubscription(id))
    if (all.length > 0) this.#byCustomer.set(customerId, all)
    return all
  }

  /** The customer's other subscriptions. The one that is left out may be in the middle of a change, and is not looked at. */
  othersOfCustomer(customerId: string, leftOut: string): readonly SubscriptionPrices[] {
    return this.#ofAll(customerId, id => (id === leftOut ? undefined : this.ofSubscription(id)))
  }

  /**
   * All of the customer, not kept here. For callers that keep what they made of the prices, as plain usage keeps its routes,
   * and do not soon ask again: kept prices are objects that the garbage collector copies and marks again and again.
   */
  ofCustomerOnce(customerId: string): readonly SubscriptionPrices[] {
    const resolve = (id: string) => this.#bySubscription.get(id) ?? this.#resolve(id)
    return this.#byCustomer.get(customerId) ?? this.#ofAll(customerId, resolve)
  }

  /** Drops the prices of a subscription, which nobody is expected to ask for soon. */
  release(subscriptionId: string, customerId: string): void {
    this.#bySubscription.delete(subscriptionId)
    this.#byCustomer.delete(customerId)
  }

  /** To be called when the changes of this subscription have changed. */
  forget(subscriptionId: string, customerId: string): void {
    this.release(subscriptionId, customerId)
    this.#state.routes.forget(customerId)
  }

  #ofAll(
    customerId: string,
    pricesOf: (subscriptionId: string) => SubscriptionPrices | undefined,
  ): readonly SubscriptionPrices[] {
    const ids = this.#state.maps.customers.get(customerId)?.subscriptionIds ?? []
    if (ids.length === 0) return none
    const all = (ids.length === 1 ? ids : ids.toSorted()).map(pricesOf)
    return all.filter(prices => prices !== undefined)
  }

  #resolve(subscriptionId: string): SubscriptionPrices | undefined {
    const record = this.#state.maps.subscriptions.get(subscriptionId)
    if (record === undefined) return undefined
    const applied = record.changes.filter(one => one.state.kind === 'applied').map(one => one.change)
    const { currency } = this.#state.maps.customers.get(record.customerId)?.currency ?? {}
    const timeline = resolveTimeline(applied, currency)
    return timeline === undefined ? undefined : resolvePrices(timeline, this.#index)
  }
}
