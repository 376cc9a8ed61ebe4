// Hands an amended event over to the partition of another customer, and takes it back from there: each time by an amendment
// that brings everything, or withdraws the event. It is kept in the state until the engine has published it.
// Invariants: an amendment that is published again has the same identity, so it counts once. Those of one event hold in the
// order in which they were made: their time and id are those of the amendment that caused them, their source is numbered.

import { eventData } from '../../../schemas/event/event-data.js'
import { partitionOf, stableId } from '../../../schemas/identifiers.js'
import { isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import { movedSource, readingsToWire } from '../../../schemas/lifecycle/moved-readings.js'
import { formatInstant } from '../../../schemas/time.js'
import type { AmendedEvent, Amendment } from '../state/records.js'
import type { Step } from '../step/step.js'
import { holderOf, type Mended } from './mended.js'
import { payloadFromReadings } from './payload.js'

/** Whether the customer is one of another partition. */
export function isElsewhere({ config }: Step, customerId: string): boolean {
  return partitionOf(customerId, config.partitions) !== config.partition
}

/** `to`: the customer that it is handed over to, or taken back from when `mended` is undefined. */
export function handOver(
  step: Step,
  amended: AmendedEvent,
  to: string,
  mended: (Mended & { kind: 'event' }) | undefined,
): void {
  const { customerId, eventSource, eventId, eventKey } = amended
  const holder = holderOf(amended)
  if (holder === undefined) throw new Error('Only an amendment moves an event.')
  const number = String(amended.handovers).padStart(6, '0')
  const source = `${movedSource}${number}/${stableId('mv', customerId, eventKey, to)}`
  amended.handovers += 1
  const named = { event_source: eventSource, event_id: eventId }
  const data =
    mended === undefined ? { ...named, withdrawn: true } : { ...named, ...contentOf(step, mended, holder) }
  const { correlationId } = mended?.event ?? holder
  const event = {
    specversion: '1.0',
    id: holder.order.id,
    source,
    type: 'weir.usage.amended',
    subject: to,
    time: formatInstant(holder.order.timeNs),
    ...(correlationId === '' ? {} : { correlationid: correlationId }),
    data: { ...data, reason: `moved from ${customerId}` },
  }
  const key = stableId('ho', source, holder.order.id)
  const partition = partitionOf(to, step.config.partitions)
  step.state.maps.handovers.set(key, { key, partition, event: stringifyJson(event) })
}

/** Of data that no amendment brought the readings go along: they stay what they were, and the data may be put together of them. */
function contentOf(
  step: Step,
  { event, raw }: Mended & { kind: 'event' },
  holder: Amendment,
): Record<string, unknown> {
  const { type, timeNs, pinnedSubscriptionId } = event
  const pin = pinnedSubscriptionId === '' ? {} : { subscriptionid: pinnedSubscriptionId }
  const data = dataOf(raw()) ?? dataOf(payloadFromReadings(event, step.book.catalog)) ?? {}
  const readings = holder.data === undefined ? { readings: readingsToWire(event.readings) } : {}
  return { type, time: formatInstant(timeNs), ...pin, data, ...readings }
}

/** Undefined when the text was cut off. */
function dataOf(payload: string): unknown {
  const parsed = parseJson(payload)
  if (parsed.kind !== 'ok' || !isRecord(parsed.value)) return undefined
  const data = eventData(parsed.value)
  return data.kind === 'ok' ? data.value : undefined
}
