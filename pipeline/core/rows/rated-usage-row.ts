// A row of `rated_usage` as an object, for those who look at rows: the tap of `simulate`, tests. The same values go into
// columns in rated-usage-columns.ts, with no object between.

import type { RatedUsageRow } from '../../../schemas/tables.js'
import type { RatedRow } from '../rate/rate.js'

/** What all rows of one commit have in common. */
export interface RatedAt {
  readonly ratedAtMs: number
  readonly partition: number
  readonly ledgerSequence: number
}

/** A row that takes an event back takes its quantity back. */
export function signedQuantity({ eventCount, reading }: RatedRow): bigint {
  return eventCount < 0 ? -reading.quantity : reading.quantity
}

export function ratedUsageRow(rated: RatedRow, at: RatedAt): RatedUsageRow {
  const { event, reading, charge } = rated
  return {
    eventSource: event.source,
    eventId: event.id,
    eventType: event.type,
    eventTimeNs: event.timeNs,
    ingestedAtMs: event.ingestedAtMs,
    ratedAtMs: at.ratedAtMs,
    customerId: event.customerId,
    pinnedSubscriptionId: event.pinnedSubscriptionId,
    subscriptionId: charge === undefined ? '' : charge.subscriptionId,
    subscriptionVersion: rated.subscriptionVersion,
    plan: rated.plan,
    planVersion: rated.planVersion,
    price: charge === undefined ? '' : charge.price,
    meter: reading.meter,
    chargeId: charge === undefined ? '' : charge.chargeId,
    periodFromNs: charge === undefined ? event.timeNs : charge.fromNs,
    periodUntilNs: charge === undefined ? event.timeNs : charge.untilNs,
    value: reading.text,
    quantity: signedQuantity(rated),
    amount: rated.amount,
    currency: charge === undefined ? '' : charge.currency,
    entityId: rated.entityId,
    kind: rated.kind,
    eventCount: rated.eventCount,
    dimensions: reading.dimensions,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    partition: at.partition,
    ledgerSequence: at.ledgerSequence,
  }
}
