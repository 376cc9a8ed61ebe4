// A rated reading of a plain event, before it is a row: spans of the message, and what the route knows.

import type { Scaled } from '../../schemas/decimal.js'
import { textOf } from '../stages/plain-meters.js'
import type { RatedRow } from '../stages/rate.js'
import { type ScannedEvents, valueKinds } from '../stages/scan/scanned-events.js'
import type { RouteTarget } from './state/usage-routes.js'

/** The event under way; one object serves them all. */
export interface PlainEvent {
  scan: ScannedEvents
  event: number
  timeMs: number
  arrivedAtMs: number
}

/** The same as an object, for those who look at rows. */
export function plainRatedRow(
  { scan, event, timeMs, arrivedAtMs }: PlainEvent,
  target: RouteTarget,
  quantity: Scaled,
  amount: Scaled,
): RatedRow {
  const { bytes } = scan
  const { charge, version, meter } = target
  const text = (from: number, until: number): string => (from < 0 ? '' : textOf(bytes, from, until))
  const valueAt = event * scan.slots + meter.valueSlot
  const dimensions = new Map<string, string>()
  for (const { name, slot } of meter.dimensions) {
    const at = event * scan.slots + slot
    if (isPresent(scan.valueKind[at]!)) dimensions.set(name, text(scan.valueFrom[at]!, scan.valueUntil[at]!))
  }
  return {
    kind: 'usage',
    event: {
      source: text(scan.sourceFrom[event]!, scan.sourceUntil[event]!),
      id: text(scan.idFrom[event]!, scan.idUntil[event]!),
      type: meter.meter.eventType,
      timeMs,
      ingestedAtMs: arrivedAtMs,
      customerId: charge.customerId,
      pinnedSubscriptionId: '',
      correlationId: text(scan.correlationFrom[event]!, scan.correlationUntil[event]!),
      traceparent: text(scan.traceparentFrom[event]!, scan.traceparentUntil[event]!),
    },
    reading: {
      meter: meter.meter.meter,
      quantity,
      text: meter.valueSlot === -1 ? '1' : text(scan.valueFrom[valueAt]!, scan.valueUntil[valueAt]!),
      dimensions,
    },
    charge,
    subscriptionVersion: version.terms.sequence,
    plan: version.terms.plan,
    planVersion: version.terms.planVersion,
    entityId: version.terms.entityId,
    eventCount: 1,
    amount,
  }
}

/** Whether a dimension is kept. */
export function isPresent(valueKind: number): boolean {
  return valueKind !== valueKinds.missing && valueKind !== valueKinds.other
}
