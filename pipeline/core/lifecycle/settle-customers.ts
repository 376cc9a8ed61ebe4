// Carries out what follows from changed subscriptions, once per step and customer: version rows, MRR movements, and usage
// that must be rated again or can be attached now.
// Invariant: it compares the state before the step with the state after it, so the customer's final state depends neither
// on the order of the changes nor on their division into steps (I3).

import { mrrTimeline, netMovements, restate } from '../../../rating/mrr/mrr.js'
import type { SubscriptionPrices } from '../../../rating/timeline/price-lines.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { earlier, endlessNs, msOf } from '../../../schemas/time.js'
import { exceedsAnyLevel } from '../rate/levels.js'
import { earliestCharge, rebaseCharges, requireHistory } from '../re-rate/hold.js'
import { affectedFrom, earliestUsageDifference } from '../re-rate/usage-difference.js'
import { retryWaiting } from '../re-rate/waiting.js'
import type { Hold, SubscriptionRecord } from '../state/records.js'
import type { Step } from '../step/step.js'
import { CustomerMrr } from './customer-mrr.js'
import { appliedChanges, changedRows, type VersionRow, versionRows } from './version-rows.js'

interface Remembered {
  readonly record: SubscriptionRecord
  readonly prices: SubscriptionPrices | undefined
  readonly rows: readonly VersionRow[]
}

/** The subscriptions that a step changes, as they were before it. */
export class CustomerChanges {
  readonly #before = new Map<string, Remembered>()
  readonly #causes = new Map<string, Hold['cause']>()
  readonly mrr = new CustomerMrr()

  /** To be called before the first change of a subscription. */
  remember(step: Step, record: SubscriptionRecord): void {
    if (this.#before.has(record.subscriptionId)) return
    const prices = step.book.ofSubscription(record.subscriptionId)
    const rows = versionRows(appliedChanges(record), prices, step.book.catalog)
    this.#before.set(record.subscriptionId, { record, prices, rows })
  }

  /** Sets the event that is named as the cause of what follows; the last one wins. */
  causedBy(customerId: string, cause: Hold['cause']): void {
    this.#causes.set(customerId, {
      source: cause.source,
      id: cause.id,
      correlationId: cause.correlationId,
    })
  }

  byCustomer(): Map<string, Remembered[]> {
    const grouped = new Map<string, Remembered[]>()
    for (const remembered of this.#before.values()) {
      const { customerId } = remembered.record
      if (customerId === '') continue
      const known = grouped.get(customerId)
      if (known === undefined) grouped.set(customerId, [remembered])
      else known.push(remembered)
    }
    return grouped
  }

  causeOf(customerId: string): Hold['cause'] {
    return this.#causes.get(customerId) ?? { source: '', id: '', correlationId: '' }
  }
}

export function settleCustomers(step: Step, changes: CustomerChanges): void {
  for (const [customerId, remembered] of changes.byCustomer()) {
    const cause = changes.causeOf(customerId)
    let differsAtNs: bigint = endlessNs
    for (const { record, prices, rows } of remembered) {
      const after = step.book.ofSubscription(record.subscriptionId)
      for (const row of changedRows(rows, versionRows(appliedChanges(record), after, step.book.catalog)))
        step.out.version(row)
      differsAtNs = earlier(differsAtNs, earliestUsageDifference(prices, after) ?? endlessNs)
    }
    restateMovements(step, customerId, cause)
    if (differsAtNs !== endlessNs) {
      const before = remembered.map(one => one.prices)
      settleUsage(step, customerId, differsAtNs, before, cause)
    }
    // Their usage may not come soon, and a step may change the terms of all customers, which would fill the cache.
    for (const { record } of remembered) step.book.release(record.subscriptionId, customerId)
  }
}

function settleUsage(
  step: Step,
  customerId: string,
  differsAtNs: bigint,
  before: readonly (SubscriptionPrices | undefined)[],
  cause: Hold['cause'],
): void {
  const isHeld = step.state.customer(customerId).hold !== undefined
  // When a new price cannot charge a level, the events that made the level are judged again.
  const isBeyond = exceedsAnyLevel(customerId, step.state, step.book)
  if (isHeld || isBeyond || step.state.maps.charges.newestMs(customerId) >= msOf(differsAtNs)) {
    const all = [...before, ...step.book.ofCustomer(customerId)]
    const affectedNs = affectedFrom(differsAtNs, all)
    const earliestNs = isBeyond ? earliestCharge(step, customerId) : undefined
    requireHistory(step, customerId, earlier(affectedNs, earliestNs ?? affectedNs), cause)
    return
  }
  rebaseCharges(step, customerId, differsAtNs, cause)
  retryWaiting(step, customerId)
}

function restateMovements(step: Step, customerId: string, cause: Hold['cause']): void {
  const customer = step.state.customer(customerId)
  const steps = step.book.ofCustomer(customerId).flatMap(prices => mrrTimeline(prices))
  const after = netMovements(customerId, steps)
  const causeId = compositeKey(cause.source, cause.id)
  const appended = restate(customer.movements, after, causeId)
  if (appended.length === 0) return
  for (const movement of appended) step.out.movement(movement)
  customer.movements = after
  step.state.maps.customers.touch(customerId)
}
