// What is said of a usage event after it was sent: that it does not count, or what it ought to have been.
// Invariant: a field that an amendment leaves out is absent, so that it stays as the event brought it.

import type { MeterReading } from '../event/metered-event.js'
import type { ValidEvent } from '../event/usage-event.js'
import { present } from '../json/wire-fields.js'
import type { Parsed } from '../rejection.js'
import { dataOf, textOf } from './event-fields.js'
import { retractionData, usageAmendedData } from './lifecycle-data.js'
import { movedSource, readingsOf } from './moved-readings.js'

export interface UsageRetraction {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  readonly reason: string
}

/** A usage event as it ought to have been. The fields that are absent stay as the event brought them. */
export interface UsageAmendment {
  /** The customer that the event was sent for. */
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  /** Only together with `data`. */
  readonly type?: string
  readonly eventTimeNs?: bigint
  /** The customer that it ought to have been sent for. */
  readonly movedTo?: string
  readonly subscriptionId?: string
  /** The whole data, as the JSON text of an object; its numbers keep their digits. */
  readonly data?: string
  /** What meters read of an event that another partition hands over; `data` is then not read again. */
  readonly readings?: readonly MeterReading[]
  /** The event counts for nothing as long as this amendment is the latest. */
  readonly isWithdrawn: boolean
  readonly reason: string
}

export function parseRetraction(event: ValidEvent): Parsed<UsageRetraction> {
  const parsed = dataOf(retractionData, event)
  if (parsed.kind === 'rejected') return parsed
  const { event_source: eventSource, event_id: eventId, reason } = parsed.value
  const retraction = { customerId: event.subject, eventSource, eventId, reason: reason ?? '' }
  return { kind: 'ok', value: retraction }
}

export function parseUsageAmendment(event: ValidEvent): Parsed<UsageAmendment> {
  const parsed = dataOf(usageAmendedData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  if (data.readings !== undefined && !event.source.startsWith(movedSource)) {
    const detail = 'The field readings is written by Weir alone, for events that move between partitions.'
    return { kind: 'rejected', rejection: { code: 'invalid_data', detail, pointer: '/data/readings' } }
  }
  const amendment: UsageAmendment = {
    customerId: event.subject,
    eventSource: data.event_source,
    eventId: data.event_id,
    ...present({
      type: data.type ?? undefined,
      eventTimeNs: data.time ?? undefined,
      movedTo: data.subject ?? undefined,
      subscriptionId: data.subscriptionid ?? undefined,
      data: textOf(data.data),
      readings: data.readings === undefined ? undefined : readingsOf(data.readings),
    }),
    isWithdrawn: data.withdrawn === true,
    reason: data.reason ?? '',
  }
  return { kind: 'ok', value: amendment }
}
