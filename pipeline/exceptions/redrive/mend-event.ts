// From an exception to the amendment that mends its event: `weir.usage.amended` with everything, so that it needs nothing
// of what came before. Pure.
// Invariants:
// 1. The same exception, transform and job give the same bytes, and the amendment's id follows from the event: made again
//    after a kill it is a duplicate.
// 2. What cannot be mended is left, with a code that says what to do instead.

import { eventData } from '../../../schemas/event/event-data.js'
import { stableId } from '../../../schemas/identifiers.js'
import { isRecord } from '../../../schemas/json/json-text.js'
import { formatInstant } from '../../../schemas/time.js'
import type { Original } from '../originals.js'
import type { Exception } from '../read-exceptions.js'
import { applyTransform, type EventJson, type LeftCode } from './apply-transform.js'
import type { Transform } from './transform.js'

/** The job that mends, as far as it is part of what it publishes. */
export interface Mender {
  readonly jobId: string
  /** When the job was created: of two jobs that mend one event the later one holds. */
  readonly at: string
  readonly reason: string
}

export type RedriveLeftCode =
  | LeftCode
  | 'not_an_event'
  | 'lifecycle_not_redriven'
  | 'identity_missing'
  | 'customer_missing'
  | 'payload_not_kept'
  | 'answered_meanwhile'
  | 'personal_data_in_clear'

export interface LeftAlone {
  readonly kind: 'left'
  readonly exception: Exception
  readonly code: RedriveLeftCode
  readonly detail: string
}

export interface Redriven {
  readonly kind: 'redriven'
  readonly exception: Exception
  readonly before: EventJson
  readonly after: EventJson
  /** To whose partition the amendment goes: the customer that the event was sent for. */
  readonly sentFor: string
  /** Whose the event is from now on. */
  readonly customerId: string
  readonly amendment: EventJson
}

/** `original`: the event as it came. */
export function mendEvent(
  exception: Exception,
  original: Original,
  transform: Transform,
  mender: Mender,
): Redriven | LeftAlone {
  const received = receivedEvent(exception, original)
  if ('kind' in received) return received
  const { before } = received
  const mended = applyTransform(before, transform)
  if (mended.kind === 'left') return { kind: 'left', exception, code: mended.code, detail: mended.detail }
  const after = mended.event
  const customerId = textOf(after['subject'])
  if (customerId === '')
    return left(exception, 'customer_missing', 'The event has no customer; add the step set_customer.')
  const sentFor = textOf(before['subject']) || customerId
  const amendment = amendmentOf(exception, after, sentFor, mender)
  return { kind: 'redriven', exception, before, after, sentFor, customerId, amendment }
}

/** Codes of events that were refused for when they came; what they held was not looked at. */
const refusedForTime: ReadonlySet<string> = new Set(['event_time_in_future', 'older_than_dedupe_horizon'])

/** The amendment that takes back what a redrive did: the event is as it was received again, or counts for nothing. */
export function undoEvent(exception: Exception, original: Original, mender: Mender): Redriven | LeftAlone {
  const received = receivedEvent(exception, original)
  if ('kind' in received) return received
  const { before } = received
  const sentFor = textOf(before['subject']) || exception.customerId
  const whole = amendmentOf(exception, before, sentFor, mender)
  const amendment = refusedForTime.has(exception.code) ? withdrawn(whole) : whole
  return { kind: 'redriven', exception, before, after: before, sentFor, customerId: sentFor, amendment }
}

function receivedEvent(exception: Exception, original: Original): { readonly before: EventJson } | LeftAlone {
  const { kind, eventSource, eventId, eventType } = exception
  if (kind === 'refused_record')
    return left(exception, 'not_an_event', 'It is a record that a feed set aside: see weir reconcile for it.')
  if (kind === 'refused_delivery')
    return left(
      exception,
      'not_an_event',
      'It is a delivery that a receiver refused: mend what the receiver says, then release it at the connection.',
    )
  if (kind === 'waiting_arrival')
    return left(
      exception,
      'not_an_event',
      'It is what a source sent: mend the mapping or say whose id it is, and it is freed by itself.',
    )
  if (kind === 'conflict')
    return left(exception, 'not_an_event', 'Two systems disagree: mend it in the one that is wrong.')
  if (kind === 'customer_status')
    return left(exception, 'not_an_event', 'It is the status of a check: a later status settles it.')
  if (kind === 'tax')
    return left(exception, 'not_an_event', 'It is how a tax stands: a later event of it settles it.')
  if (kind === 'payment')
    return left(exception, 'not_an_event', 'It is how a payment stands: a later event of it settles it.')
  if (eventType.startsWith('weir.'))
    return left(
      exception,
      'lifecycle_not_redriven',
      'It is a change, not usage: send it again from its system of record, with an id of its own and a higher sequence.',
    )
  if (eventSource === '' || eventId === '')
    return left(exception, 'identity_missing', 'It has no source and id: have its producer send it again.')
  const event = original.kind === 'event' && isRecord(original.value) ? original.value : undefined
  if (event === undefined)
    return left(
      exception,
      'payload_not_kept',
      'Its content is no longer kept: have its producer send it again.',
    )
  const data = eventData(event)
  if (data.kind === 'rejected' && !isRecord(event['data']))
    return left(exception, 'data_not_json', `Its data cannot be read: ${data.rejection.detail}`)
  const { data_base64: _encoded, ...rest } = event
  const time = event['time'] ?? timeOf(exception)
  const plain = data.kind === 'ok' ? data.value : event['data']
  return { before: { ...rest, ...(time === undefined ? {} : { time }), data: plain } }
}

function timeOf({ eventTimeNs }: Exception): string | undefined {
  return eventTimeNs === undefined ? undefined : formatInstant(eventTimeNs)
}

function amendmentOf(
  { eventSource, eventId }: Exception,
  event: EventJson,
  sentFor: string,
  { jobId, at, reason }: Mender,
): EventJson {
  const { type, time, subject, subscriptionid, correlationid, traceparent, data } = event
  return {
    specversion: '1.0',
    source: `weir:redrive/${jobId}`,
    id: stableId('amd', eventSource, eventId), // invariant 1
    type: 'weir.usage.amended',
    subject: sentFor,
    time: at,
    ...(correlationid == null ? {} : { correlationid }),
    ...(traceparent == null ? {} : { traceparent }),
    data: {
      event_source: eventSource,
      event_id: eventId,
      type,
      time,
      ...(subject === sentFor || subject == null ? {} : { subject }),
      ...(subscriptionid == null ? {} : { subscriptionid }),
      data: data ?? {},
      ...(reason === '' ? {} : { reason }),
    },
  }
}

function withdrawn(amendment: EventJson): EventJson {
  const { event_source, event_id, reason } = amendment['data'] as EventJson
  const why = reason === undefined ? {} : { reason }
  return { ...amendment, data: { event_source, event_id, withdrawn: true, ...why } }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function left(exception: Exception, code: RedriveLeftCode, detail: string): LeftAlone {
  return { kind: 'left', exception, code, detail }
}
