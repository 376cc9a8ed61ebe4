// Admits decoded events: refuses those that cannot be read, belong elsewhere, or come too late or too early;
// drops duplicates.
// Invariants: an event that passes has taken its identity; malformed, misplaced, future, too old and unfit events
// have not, so they are refused again each time they are sent. Subscription changes and catalogs have no
// horizon: their sequence and version are remembered for ever. Nor have amendments of usage, statuses of customers and taxes:
// applied again, they change nothing.

import { type EventStream, streamOf } from '../../../schemas/event/event-stream.js'
import { customerToken, partitionOf } from '../../../schemas/identifiers.js'
import { shownName } from '../../../schemas/nearest-name.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { msOf, nanosOf } from '../../../schemas/time.js'
import type { Decoded, ReceivedEvent } from '../decode/decode.js'
import { duplicate } from '../rows/outcome.js'
import { conflictHashes, dedupeEvents } from './dedupe.js'
import { attributesOf, envelopeOf, envelopeOfRefused, type Step } from './step.js'

export interface Admitted {
  /** `weir.*` events of customers. */
  readonly lifecycle: readonly ReceivedEvent[]
  readonly usage: readonly ReceivedEvent[]
  /** `weir.catalog.published` and `weir.fx_rate.published`. */
  readonly global: readonly ReceivedEvent[]
}

/**
 * The events by the stream that they came on. Every partition reads CATALOG, and partition 0 accounts for it.
 */
export type Arrivals = Readonly<Record<EventStream, readonly Decoded[]>>

export function admit(step: Step, arrivals: Arrivals): Admitted {
  const accounts = step.config.partition === 0
  const timely: ReceivedEvent[] = []
  const unaccounted: ReceivedEvent[] = []
  const keep = (decoded: Decoded, stream: EventStream): void => {
    if (isAdmissible(step, decoded, stream)) timely.push(decoded)
  }
  for (const decoded of arrivals.CATALOG) {
    if (accounts) keep(decoded, 'CATALOG')
    else if (decoded.kind === 'event' && streamOf(decoded.event.type) === 'CATALOG') unaccounted.push(decoded)
  }
  for (const decoded of arrivals.LIFECYCLE) keep(decoded, 'LIFECYCLE')
  for (const decoded of arrivals.METERING) keep(decoded, 'METERING')
  const sightings = dedupeEvents(timely, step.state.dedupe)
  const lifecycle: ReceivedEvent[] = []
  const usage: ReceivedEvent[] = []
  const kept = { METERING: usage, LIFECYCLE: lifecycle, CATALOG: unaccounted }
  timely.forEach((received, index) => {
    const sighting = sightings[index]
    if (sighting === 'duplicate') {
      step.counted('duplicate')
      step.outcome(attributesOf(received), duplicate)
    } else if (sighting === 'conflicting') refuseConflict(step, received)
    else kept[streamOf(received.event.type)].push(received)
  })
  return { lifecycle, usage, global: unaccounted }
}

/** Whether an event is valid, on its stream and in time; otherwise it is refused. */
export function isAdmissible(step: Step, decoded: Decoded, stream: EventStream): decoded is ReceivedEvent {
  if (decoded.kind === 'refused') {
    step.counted('dead_lettered')
    step.deadLetter(envelopeOfRefused(decoded), decoded.rejection)
    return false
  }
  const rejection =
    misplaced(step, decoded, stream) ??
    untimely(step, decoded) ??
    inClear(step, decoded) ??
    unfit(step, decoded)
  if (rejection !== undefined) refuse(step, decoded, rejection)
  return rejection === undefined
}

/** What to tell a producer about how to send the events of each stream. */
const wayTo: Readonly<Record<EventStream, string>> = {
  METERING: 'send it to usage.<customer> or to the gateway',
  LIFECYCLE: 'send it to changes.<customer> or to the gateway',
  CATALOG: 'send it to the gateway',
}

/** Counts a received event as dead-lettered. */
export function refuse(step: Step, received: ReceivedEvent, rejection: Rejection): void {
  step.counted('dead_lettered')
  step.deadLetter(envelopeOf(received), rejection)
}

function misplaced(step: Step, received: ReceivedEvent, stream: EventStream): Rejection | undefined {
  const { partition, partitions, oneSource } = step.config
  const { type, subject } = received.event
  const rightStream = streamOf(type)
  if (stream !== rightStream && oneSource !== true) {
    return {
      code: 'wrong_stream',
      detail: `An event of type ${shownName(type)} belongs on the stream ${rightStream}, not on ${stream}: ${wayTo[rightStream]}.`,
      pointer: '/type',
    }
  }
  if (rightStream === 'CATALOG') return undefined
  const right = partitionOf(subject, partitions)
  if (right === partition) return undefined
  return {
    code: 'wrong_partition',
    detail: `The customer belongs to partition ${right}; the event was published to partition ${partition}. Its NATS subject is ${rightStream === 'METERING' ? 'usage' : 'changes'}.${customerToken(subject)}.`,
    pointer: '/subject',
  }
}

function untimely(step: Step, received: ReceivedEvent): Rejection | undefined {
  const { type, timeNs, timeText } = received.event
  const { futureToleranceMs, dedupeHorizonMs } = step.config.limits
  if (timeText === undefined || streamOf(type) === 'CATALOG') return undefined
  const timeMs = msOf(timeNs)
  const latestMs = received.arrivedAtMs + futureToleranceMs
  if (timeMs > latestMs || (timeMs === latestMs && nanosOf(timeNs) > 0)) {
    return {
      code: 'event_time_in_future',
      detail: `The time ${timeText} is more than ${futureToleranceMs / 60_000} minutes ahead of arrival.`,
      pointer: '/time',
    }
  }
  if (timeMs < received.arrivedAtMs - dedupeHorizonMs && !hasNoHorizon(type)) {
    return {
      code: 'older_than_dedupe_horizon',
      detail: `The time ${timeText} is more than ${dedupeHorizonMs / 86_400_000} days before arrival.`,
      pointer: '/time',
    }
  }
  return undefined
}

function hasNoHorizon(type: string): boolean {
  return (
    type.startsWith('weir.subscription.') ||
    type.startsWith('weir.tax.') ||
    type.startsWith('weir.charge.') ||
    type === 'weir.usage.amended' ||
    type === 'weir.customer.status_changed'
  )
}

/** It takes no identity, so that the event can be sent again with the field sealed. */
function inClear({ personal }: Step, { event }: ReceivedEvent): Rejection | undefined {
  const [pointer] = personal.isEmpty ? [] : personal.inClear(event.type, event.data)
  if (pointer === undefined) return undefined
  return {
    code: 'personal_data_in_clear',
    detail:
      'The field is personal and was published in the clear: send the event over HTTP, where it is sealed.',
    pointer: `/data${pointer}`,
  }
}

/** It takes no identity either, so that the event can be sent again as it ought to be. */
function unfit({ schemas }: Step, { event, arrivedAtMs }: ReceivedEvent): Rejection | undefined {
  return schemas.isEmpty ? undefined : schemas.faultOf(event.type, event.data, arrivedAtMs)
}

export function refuseConflict(step: Step, received: ReceivedEvent): void {
  const { kept, sent } = conflictHashes(received, step.state.dedupe)
  const { source, id } = received.event
  step.counted('conflicting')
  step.deadLetter(
    envelopeOf(received),
    {
      code: 'conflicting_duplicate',
      detail: `An event ${id} of ${source} with other content is kept: content ${kept}, sent now ${sent}.`,
    },
    { kept, sent },
  )
}
