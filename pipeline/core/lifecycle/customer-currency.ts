// The currency of a customer, from `weir.customer.upserted`: of plans in several currencies it chooses one. docs/pricing.md, "Currencies".
// Invariant: the first that was told holds for good, by the event's time, then its id, whatever the order of arrival. So a later one
// changes nothing that was owed, and an earlier one that comes late changes it from the start.

import { compositeKey } from '../../../schemas/identifiers.js'
import type { CustomerProfile } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { ReceivedEvent } from '../decode/decode.js'
import type { SubscriptionRecord } from '../state/records.js'
import type { Step } from '../step/step.js'

/** Calls `judgeAgain` for each subscription of the customer where its currency is another one now, around the change. */
export function applyCurrency(
  step: Step,
  received: ReceivedEvent,
  { customerId, currency }: CustomerProfile,
  remember: (record: SubscriptionRecord) => void,
  judgeAgain: (record: SubscriptionRecord) => void,
): void {
  if (currency === undefined) return
  const { source, id, timeNs: atNs } = received.event
  const event = compositeKey(source, id)
  const record = step.state.customer(customerId)
  const first = record.currency
  if (first !== undefined && (first.atNs < atNs || (first.atNs === atNs && first.event <= event))) return
  const isOther = first?.currency !== currency
  const { subscriptions } = step.state.maps
  const own = isOther ? record.subscriptionIds.flatMap(one => subscriptions.get(one) ?? []) : []
  for (const one of own) remember(one)
  record.currency = { currency, atNs, event }
  step.state.maps.customers.touch(customerId)
  for (const one of own) step.book.forget(one.subscriptionId, customerId)
  for (const one of own) judgeAgain(one)
}
