// What an amended event ought to be now: the latest amendment that holds, put over the event as it came.
// Invariant: it follows from the event, its amendments and its retraction alone, whatever order they came in (I3). Content
// that an amendment brings is read once, by the meters known when its type is.

import { compositeKey } from '../../../schemas/identifiers.js'
import { isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { AmendedEvent, Amendment, OriginalEvent, UsageContent } from '../state/records.js'
import type { Step } from '../step/step.js'
import { envelopeMembers, payloadFromReadings } from './payload.js'
import { isRetracted } from './waiting.js'

/** `version` names the answer: as long as it stays, the event stays where it is. */
export type Mended =
  | { readonly kind: 'nothing'; readonly version: string; readonly disposition: 'rated' | 'unmetered' }
  | {
      readonly kind: 'event'
      readonly version: string
      readonly event: KeyedEvent
      readonly raw: () => string
    }
  | {
      readonly kind: 'refused'
      readonly version: string
      readonly event: KeyedEvent
      readonly raw: () => string
      readonly rejection: Rejection
    }

/** The version of an event that no amendment touches. */
export const originalVersion = 'original'
export const retractedVersion = 'retracted'

/** As long as the event itself has not come, only an amendment that brings everything can hold. */
export function holderOf({ latest, latestWhole, original }: AmendedEvent): Amendment | undefined {
  return original === undefined ? latestWhole : latest
}

/** Undefined: there is neither the event nor an amendment that brings all of it. */
export function mendedOf(step: Step, amended: AmendedEvent): Mended | undefined {
  const { customerId, eventKey, original } = amended
  const holder = holderOf(amended)
  if (holder === undefined && original === undefined) return undefined
  if (isRetracted(step, customerId, eventKey)) {
    return { kind: 'nothing', version: retractedVersion, disposition: 'rated' }
  }
  if (holder === undefined) return original === undefined ? undefined : asItCame(original)
  const pin = holder.subscriptionId ?? original?.event.pinnedSubscriptionId ?? ''
  const version = compositeKey(holder.order.source, holder.order.id, pin)
  if (holder.isWithdrawn) return { kind: 'nothing', version, disposition: 'rated' }
  const type = holder.type ?? original?.event.type
  const timeNs = holder.eventTimeNs ?? original?.event.timeNs
  if (type === undefined || timeNs === undefined) {
    throw new Error(`The amendment ${holder.order.id} of ${holder.order.source} holds without its event.`)
  }
  const content = contentOf(step, holder, type, original)
  const event: KeyedEvent = {
    key: eventKey,
    source: amended.eventSource,
    id: amended.eventId,
    type,
    timeNs,
    ingestedAtMs: holder.arrivedAtMs,
    input: holder.input,
    customerId: holder.movedTo ?? customerId,
    pinnedSubscriptionId: pin,
    correlationId: holder.correlationId || (original?.event.correlationId ?? ''),
    traceparent: holder.traceparent || (original?.event.traceparent ?? ''),
    readings: content.kind === 'read' ? content.readings : [],
  }
  const raw = () => payloadOfMended(step, event, holder, original)
  if (content.kind === 'refused')
    return { kind: 'refused', version, event, raw, rejection: content.rejection }
  if (event.readings.length === 0) return { kind: 'nothing', version, disposition: 'unmetered' }
  return { kind: 'event', version, event, raw }
}

function asItCame({ event, payload, refusal: rejection }: OriginalEvent): Mended {
  const at = { version: originalVersion, event, raw: () => payload }
  return rejection === undefined ? { kind: 'event', ...at } : { kind: 'refused', ...at, rejection }
}

function contentOf(
  step: Step,
  holder: Amendment,
  type: string,
  original: OriginalEvent | undefined,
): UsageContent {
  if (holder.data !== undefined) {
    holder.content ??= step.reader.read(step.book.catalog, type, holder.data)
    return holder.content
  }
  if (original === undefined) throw new Error('An amendment without data holds without its event.')
  const { event, refusal } = original
  return refusal === undefined
    ? { kind: 'read', readings: event.readings }
    : { kind: 'refused', rejection: refusal }
}

/** The event as it would have been sent, as JSON. */
function payloadOfMended(
  step: Step,
  event: KeyedEvent,
  holder: Amendment,
  original: OriginalEvent | undefined,
): string {
  const parsed = parseJson(original?.payload ?? '')
  const sent = parsed.kind === 'ok' && isRecord(parsed.value) ? parsed.value : undefined
  if (holder.data === undefined && sent === undefined) return payloadFromReadings(event, step.book.catalog)
  const brought = holder.data === undefined ? undefined : parseJson(holder.data)
  const { data_base64: base64, ...rest } = sent ?? {}
  const data =
    brought?.kind === 'ok' ? { data: brought.value } : base64 === undefined ? {} : { data_base64: base64 }
  return stringifyJson({ ...rest, ...envelopeMembers(event), ...data })
}
