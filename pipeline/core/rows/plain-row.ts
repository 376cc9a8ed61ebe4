// The rows of a plain event: which spans of its message, and what of its route, go into them.

import type { Scaled } from '../../../schemas/money/decimal.js'
import { scaledOfWords, wordsOfAmount } from '../../../schemas/money/decimal-words.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import { nsOf } from '../../../schemas/time.js'
import type { MeterSlots } from '../scan/meter-slots.js'
import { type ScannedEvents, textOf, valueKinds } from '../scan/scanned-events.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'
import type { RatedAt } from './rated-usage-row.js'
import type { ScannedRow } from './scanned-row.js'

/** A row that serves one event after the other. */
export class PlainRow implements ScannedRow {
  bytes: Uint8Array = new Uint8Array()
  sameEvent = false
  sourceFrom = -1
  sourceUntil = -1
  idFrom = -1
  idUntil = -1
  correlationFrom = -1
  correlationUntil = -1
  traceparentFrom = -1
  traceparentUntil = -1
  timeMs = 0
  timeNanos = 0
  ingestedAtMs = 0
  value: string | undefined = undefined
  valueFrom = -1
  valueUntil = -1
  quantity: Scaled | undefined = undefined
  readonly quantityWords = new Uint32Array(wordsOfAmount)
  amount: Scaled | undefined = undefined
  readonly amountWords = new Uint32Array(wordsOfAmount)
  terms = -1
  dimensions: readonly string[] = []
  readonly dimensionFrom: number[] = []
  readonly dimensionUntil: number[] = []

  beginEvent(
    scan: ScannedEvents,
    event: number,
    timeMs: number,
    timeNanos: number,
    ingestedAtMs: number,
  ): void {
    this.bytes = scan.bytes
    this.sameEvent = false
    this.sourceFrom = scan.sourceFrom[event]!
    this.sourceUntil = scan.sourceUntil[event]!
    this.idFrom = scan.idFrom[event]!
    this.idUntil = scan.idUntil[event]!
    this.correlationFrom = scan.correlationFrom[event]!
    this.correlationUntil = scan.correlationUntil[event]!
    this.traceparentFrom = scan.traceparentFrom[event]!
    this.traceparentUntil = scan.traceparentUntil[event]!
    this.timeMs = timeMs
    this.timeNanos = timeNanos
    this.ingestedAtMs = ingestedAtMs
  }

  /** What the meter reads; the dimensions are left as they are where the meter before had the same. */
  putReading(scan: ScannedEvents, event: number, { value, dimensions, dimensionNames }: MeterSlots): void {
    const first = event * scan.slots
    this.value = value === undefined ? '1' : undefined
    this.valueFrom = value === undefined ? -1 : scan.valueFrom[first + value.slot]!
    this.valueUntil = value === undefined ? -1 : scan.valueUntil[first + value.slot]!
    if (this.sameEvent && this.dimensions === dimensionNames) return
    this.dimensions = dimensionNames
    for (let i = 0; i < dimensions.length; i += 1) {
      const at = first + dimensions[i]!.slot
      const kind = scan.valueKind[at]
      const isKept = kind !== valueKinds.missing && kind !== valueKinds.other
      this.dimensionFrom[i] = isKept ? scan.valueFrom[at]! : -1
      this.dimensionUntil[i] = isKept ? scan.valueUntil[at]! : -1
    }
  }
}

/** The same as an object, for those who look at rows. */
export function plainUsageRow(row: PlainRow, terms: UsageTerms, at: RatedAt): RatedUsageRow {
  const text = (from: number, until: number): string => textOf(row.bytes, from, until)
  const dimensions = new Map<string, string>()
  row.dimensions.forEach((name, i) => {
    if (row.dimensionFrom[i]! >= 0) dimensions.set(name, text(row.dimensionFrom[i]!, row.dimensionUntil[i]!))
  })
  const { texts } = terms
  const timeNs = nsOf(row.timeMs, row.timeNanos)
  return {
    eventSource: text(row.sourceFrom, row.sourceUntil),
    eventId: text(row.idFrom, row.idUntil),
    eventType: texts.event_type,
    eventTimeNs: timeNs,
    ingestedAtMs: row.ingestedAtMs,
    ratedAtMs: at.ratedAtMs,
    customerId: texts.customer_id,
    pinnedSubscriptionId: texts.pinned_subscription_id,
    subscriptionId: texts.subscription_id,
    subscriptionVersion: terms.subscriptionVersion,
    plan: texts.plan,
    planVersion: terms.planVersion,
    price: texts.price,
    meter: texts.meter,
    chargeId: texts.charge_id,
    periodFromNs: terms.fromNs ?? timeNs,
    periodUntilNs: terms.untilNs ?? timeNs,
    value: row.value ?? text(row.valueFrom, row.valueUntil),
    quantity: row.quantity ?? scaledOfWords(row.quantityWords),
    amount: row.amount ?? scaledOfWords(row.amountWords),
    currency: texts.currency,
    entityId: texts.entity_id,
    kind: texts.kind,
    eventCount: terms.eventCount,
    dimensions,
    correlationId: text(row.correlationFrom, row.correlationUntil),
    traceparent: text(row.traceparentFrom, row.traceparentUntil),
    partition: at.partition,
    ledgerSequence: at.ledgerSequence,
  }
}
