// Takes amendments of usage events in, and events that were amended before they came: keeps both, and finds an event that
// came first, where it waits or in history. settle-amended.ts places the event at the end of the step.
// Invariant: an amendment that needs its event is `parked` until the event was seen, then `applied`.

import { compositeKey } from '../../../schemas/identifiers.js'
import { isRecord, parseJson } from '../../../schemas/json/json-text.js'
import type { UsageAmendment } from '../../../schemas/lifecycle/usage-changes.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { compareInstants, formatInstant, nsOf } from '../../../schemas/time.js'
import type { ReceivedEvent } from '../decode/decode.js'
import type { Cause } from '../rate/rate.js'
import { applied, noMeter } from '../rows/outcome.js'
import { claimKey } from '../state/claim-key.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { AmendedEvent, Amendment } from '../state/records.js'
import { refuse } from '../step/admit.js'
import { forgetIdentity, isKnownIdentity } from '../step/dedupe.js'
import { envelopeOf, payloadOf, type Step } from '../step/step.js'
import { awaitsHistory, dispositionOf, supersededBy } from './amended-outcomes.js'
import { earliestCharge, requireHistory } from './hold.js'
import { mendedOf, originalVersion } from './mended.js'
import {
  asAmendment,
  attributesOfEvent,
  moveEvent,
  placeEvent,
  placeUnreadable,
  type Standing,
  takeWaiting,
} from './waiting.js'
import { targetOf } from './waits-for-event.js'

export function applyAmendment(step: Step, received: ReceivedEvent, parsed: UsageAmendment): void {
  const { state } = step
  const rejection = tooEarly(step, received, parsed) ?? inClear(step, parsed) ?? unfit(step, received, parsed)
  if (rejection !== undefined) {
    refuse(step, received, rejection)
    forgetIdentity(received.event.source, received.event.id, state.dedupe)
    return
  }
  const eventKey = compositeKey(parsed.eventSource, parsed.eventId)
  const key = claimKey(parsed.customerId, eventKey)
  const known = state.maps.amended.get(key)
  const amended = known ?? notYetAmended(parsed, eventKey)
  const amendment = amendmentOf(step, received, parsed)
  step.counted('parked')
  amended.arrivedAtMs = received.arrivedAtMs

  const { isWhole } = amendment
  amended.waiting = [...amended.waiting, { envelope: envelopeOf(received), isShown: false, isWhole }]
  amended.latest = laterOf(amended.latest, amendment)
  if (amendment.isWhole) amended.latestWhole = laterOf(amended.latestWhole, amendment)
  if (known === undefined) findEvent(step, key, amended, received.event)
  state.putAmended(amended)
  unsettle(step, key, amended)
}

/** To be called when the event may have to be otherwise: it is placed anew at the end of the step. */
export function unsettle(step: Step, key: string, amended: AmendedEvent): void {
  const { state } = step
  state.amendments.unsettle(key)
  const waiting = state.maps.waiting.get(key)
  const { customerId, eventKey, placement } = amended
  if (waiting === undefined || placement?.kind !== 'placed') return
  if (mendedOf(step, amended)?.version === placement.version) return
  // Until then nothing may rate it as it is no more.
  const standing = takeWaiting(step, waiting)
  amended.placement = { kind: 'set_aside', version: '', disposition: 'parked', isShown: false }
  state.putAmended(amended)
  moveEvent(step, customerId, eventKey, standing, 'parked')
}

function tooEarly(
  step: Step,
  received: ReceivedEvent,
  { eventTimeNs }: UsageAmendment,
): Rejection | undefined {
  const { futureToleranceMs } = step.config.limits
  if (eventTimeNs === undefined || !Number.isFinite(futureToleranceMs)) return undefined
  if (eventTimeNs <= nsOf(received.arrivedAtMs + futureToleranceMs)) return undefined
  const detail = `The amended time ${formatInstant(eventTimeNs)} is more than ${futureToleranceMs / 60_000} minutes ahead of arrival.`
  return { code: 'event_time_in_future', detail, pointer: '/data/time' }
}

/** What was handed over was judged where it came. The rules are those of the event's type, or all of them where the amendment does not tell the type. */
function inClear({ personal }: Step, { type, data, readings }: UsageAmendment): Rejection | undefined {
  const parsed =
    personal.isEmpty || data === undefined || readings !== undefined ? undefined : parseJson(data)
  if (parsed?.kind !== 'ok' || !isRecord(parsed.value)) return undefined
  const [pointer] = personal.inClear(type, parsed.value)
  if (pointer === undefined) return undefined
  const detail =
    'The field is personal and was published in the clear: send the amendment over HTTP, where it is sealed.'
  return { code: 'personal_data_in_clear', detail, pointer: `/data/data${pointer}` }
}

/** As of the arrival of the amendment. One that does not bring the type cannot be held against its schema. */
function unfit({ schemas }: Step, received: ReceivedEvent, amendment: UsageAmendment): Rejection | undefined {
  const { type, data, readings } = amendment
  if (schemas.isEmpty || type === undefined || data === undefined || readings !== undefined) return undefined
  const parsed = parseJson(data)
  if (parsed.kind !== 'ok' || !isRecord(parsed.value)) return undefined
  const fault = schemas.faultOf(type, parsed.value, received.arrivedAtMs)
  return fault === undefined ? undefined : { ...fault, pointer: `/data${fault.pointer}` }
}

function notYetAmended({ customerId, eventSource, eventId }: UsageAmendment, eventKey: string): AmendedEvent {
  return {
    customerId,
    eventSource,
    eventId,
    eventKey,
    arrivedAtMs: 0,
    latest: undefined,
    latestWhole: undefined,
    waiting: [],
    isSought: false,
    original: undefined,
    carrier: undefined,
    placement: undefined,
    handovers: 0,
  }
}

function amendmentOf(step: Step, received: ReceivedEvent, parsed: UsageAmendment): Amendment {
  const { event, arrivedAtMs, input } = received
  const { type, eventTimeNs, movedTo, subscriptionId, data, readings, isWithdrawn } = parsed
  const bringsAll = type !== undefined && eventTimeNs !== undefined && data !== undefined
  const isReadable = type !== undefined && data !== undefined
  return {
    order: { timeNs: event.timeNs, id: event.id, source: event.source },
    arrivedAtMs,
    input,
    isWhole: isWithdrawn || bringsAll,
    isWithdrawn,
    type,
    eventTimeNs,
    movedTo,
    subscriptionId,
    data,
    content:
      readings !== undefined
        ? { kind: 'read', readings }
        : isReadable
          ? step.reader.read(step.book.catalog, type, data)
          : undefined,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
  }
}

function laterOf(known: Amendment | undefined, other: Amendment): Amendment {
  if (known === undefined) return other
  const [a, b] = [known.order, other.order]
  const compared =
    compareInstants(a.timeNs, b.timeNs) || compareTexts(a.id, b.id) || compareTexts(a.source, b.source)
  return compared > 0 ? known : other
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Finds an event that came before its first amendment: it waits, or history is asked for it. */
function findEvent(step: Step, key: string, amended: AmendedEvent, cause: Cause): void {
  const { customerId, eventSource, eventId } = amended
  const waiting = step.state.maps.waiting.get(key)
  if (waiting !== undefined) {
    const { event, payload, state } = waiting
    const refusal = state.kind === 'unreadable' ? state.rejection : undefined
    amended.original = { event, payload, refusal }
    amended.placement = { kind: 'placed', version: originalVersion, customerId }
    return
  }
  // Without a horizon every identity is remembered, so an unknown one has no rows yet.
  const forgets = Number.isFinite(step.config.limits.dedupeHorizonMs)
  if (!forgets && !isKnownIdentity(eventSource, eventId, step.state.dedupe)) return
  // The time at which the event was rated is not known, so history is needed from the customer's first charge on.
  const fromNs = earliestCharge(step, customerId)
  if (fromNs === undefined) return
  requireHistory(step, customerId, fromNs, cause)
  amended.isSought = true
}

/** Places an event that was just received; `refusal`: why its content cannot be read. */
export function placeReceived(step: Step, event: KeyedEvent, raw: () => unknown, refusal?: Rejection): void {
  const { maps, amendments } = step.state
  const key = maps.amended.size === 0 ? '' : claimKey(event.customerId, event.key)
  const amended = maps.amended.get(key)
  if (amended === undefined) {
    if (refusal === undefined) placeEvent(step, event, raw, 'received')
    else placeUnreadable(step, event, raw, refusal, 'received')
    return
  }
  const told = amended.placement === undefined ? undefined : dispositionOf(step, key, amended)
  amended.original = { event, payload: payloadOf(raw()), refusal }
  if (told === undefined) {
    const isShown = amended.isSought
    step.counted('parked')
    if (isShown) step.outcome(attributesOfEvent(event), awaitsHistory(1))
    amended.placement = { kind: 'set_aside', version: '', disposition: 'parked', isShown }
  } else countItself(step, amended, event, told)
  step.state.putAmended(amended)
  amendments.unsettle(key)
}

/** From now on the event is counted itself, and the amendment that was counted in its place is applied. */
function countItself(
  step: Step,
  amended: AmendedEvent,
  event: KeyedEvent,
  told: Exclude<Standing, 'received'>,
): void {
  const { carrier } = amended
  step.counted(told)
  if (told === 'rated') step.outcome(attributesOfEvent(event), supersededBy(amended))
  if (told === 'unmetered') step.outcome(attributesOfEvent(event), noMeter)
  const before = asAmendment(told)
  if (before !== 'applied') {
    step.moved(before, 'applied')
    if (carrier !== undefined) step.outcome(carrier.amendment, { ...applied, target: targetOf(amended) })
  }
  amended.carrier = undefined
}
