// Makes a row of `rated_usage` as an object, for callers that look at rows: the tap of `simulate`, and tests.
// rated-usage-columns.ts puts the same values into columns without an object.

import type { RatedUsageRow } from '../../../schemas/tables.js'
import type { RatedRow } from '../rate/rate.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'

/** What all rows of one commit share. */
export interface RatedAt {
  readonly ratedAtMs: number
  readonly partition: number
  readonly ledgerSequence: number
}

/** A row that takes an event back has the negated quantity. */
export function signedQuantity({ eventCount, reading }: RatedRow): bigint {
  return eventCount < 0 ? -reading.quantity : reading.quantity
}

/** What the row shares with other rows of its charge and version. */
export function termsOf({ charge, event, reading, ...rated }: RatedRow): UsageTerms {
  return {
    texts: {
      event_type: event.type,
      customer_id: event.customerId,
      pinned_subscription_id: event.pinnedSubscriptionId,
      subscription_id: charge === undefined ? '' : charge.subscriptionId,
      plan: rated.plan,
      price: charge === undefined ? '' : charge.price,
      meter: reading.meter,
      charge_id: charge === undefined ? '' : charge.chargeId,
      currency: charge === undefined ? '' : charge.currency,
      entity_id: rated.entityId,
      kind: rated.kind,
    },
    subscriptionVersion: rated.subscriptionVersion,
    planVersion: rated.planVersion,
    eventCount: rated.eventCount,
    fromNs: charge?.fromNs,
    untilNs: charge?.untilNs,
  }
}

export function ratedUsageRow(rated: RatedRow, at: RatedAt): RatedUsageRow {
  const { event, reading } = rated
  return {
    eventSource: event.source,
    eventId: event.id,
    eventTimeNs: event.timeNs,
    ingestedAtMs: event.ingestedAtMs,
    value: reading.text,
    quantity: signedQuantity(rated),
    amount: rated.amount,
    dimensions: reading.dimensions,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    inputStream: event.input.stream,
    inputSequence: event.input.sequence,
    ...fieldsOfTerms(termsOf(rated), event.timeNs, at),
  }
}

/** The values that the row takes from its terms and from its commit. */
export function fieldsOfTerms({ texts, ...terms }: UsageTerms, eventTimeNs: bigint, at: RatedAt) {
  return {
    ...at,
    eventType: texts.event_type,
    customerId: texts.customer_id,
    pinnedSubscriptionId: texts.pinned_subscription_id,
    subscriptionId: texts.subscription_id,
    subscriptionVersion: terms.subscriptionVersion,
    plan: texts.plan,
    planVersion: terms.planVersion,
    price: texts.price,
    meter: texts.meter,
    chargeId: texts.charge_id,
    periodFromNs: terms.fromNs ?? eventTimeNs,
    periodUntilNs: terms.untilNs ?? eventTimeNs,
    currency: texts.currency,
    entityId: texts.entity_id,
    kind: texts.kind,
    eventCount: terms.eventCount,
  }
}
