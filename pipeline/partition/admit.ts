// Admits what was decoded: refuses what cannot be read, is not ours, or comes too late or too early; drops duplicates.
// Invariants: an event that passes has taken its identity; malformed, misplaced, future and too old events have not, so
// each time they are sent they are refused again. Subscription changes and catalogs have no horizon: their sequence and
// version are remembered for ever.

import { partitionOf } from '../../schemas/identifiers.js'
import { isLifecycleType } from '../../schemas/lifecycle-event.js'
import type { Rejection } from '../../schemas/rejection.js'
import { msOf, nanosOf } from '../../schemas/time.js'
import type { Decoded, ReceivedEvent } from '../stages/decode.js'
import { conflictHashes, dedupeEvents } from '../stages/dedupe.js'
import { type Batch, envelopeOf, envelopeOfRefused } from './batch.js'

export interface Admitted {
  /** `weir.*` events of customers. */
  readonly lifecycle: readonly ReceivedEvent[]
  readonly usage: readonly ReceivedEvent[]
  /** `weir.catalog.published` and `weir.fx_rate.published`. */
  readonly global: readonly ReceivedEvent[]
}

export function isGlobalType(type: string): boolean {
  return type === 'weir.catalog.published' || type === 'weir.fx_rate.published'
}

/** `fromCatalog`: what came on the catalog stream, which every partition reads and partition 0 accounts for. */
export function admit(
  batch: Batch,
  fromCatalog: readonly Decoded[],
  fromStreams: readonly Decoded[],
): Admitted {
  const accounts = batch.config.partition === 0
  const timely: ReceivedEvent[] = []
  const unaccounted: ReceivedEvent[] = []
  for (const decoded of fromCatalog) {
    if (accounts) refuseOrKeep(batch, decoded, true, timely)
    else if (decoded.kind === 'event' && isGlobalType(decoded.event.type)) unaccounted.push(decoded)
  }
  for (const decoded of fromStreams) refuseOrKeep(batch, decoded, false, timely)
  const sightings = dedupeEvents(timely, batch.state.dedupe)
  const lifecycle: ReceivedEvent[] = []
  const usage: ReceivedEvent[] = []
  const global: ReceivedEvent[] = unaccounted
  timely.forEach((received, index) => {
    const sighting = sightings[index]
    if (sighting === 'duplicate') batch.counted('duplicate')
    else if (sighting === 'conflicting') refuseConflict(batch, received)
    else if (isGlobalType(received.event.type)) global.push(received)
    else (isLifecycleType(received.event.type) ? lifecycle : usage).push(received)
  })
  return { lifecycle, usage, global }
}

function refuseOrKeep(batch: Batch, decoded: Decoded, onCatalogStream: boolean, kept: ReceivedEvent[]): void {
  if (decoded.kind === 'refused') {
    batch.counted('dead_lettered')
    batch.deadLetter(envelopeOfRefused(decoded), decoded.rejection)
    return
  }
  const rejection = misplaced(batch, decoded, onCatalogStream) ?? untimely(batch, decoded)
  if (rejection === undefined) kept.push(decoded)
  else refuse(batch, decoded, rejection)
}

/** Counts a received event as dead-lettered. */
export function refuse(batch: Batch, received: ReceivedEvent, rejection: Rejection): void {
  batch.counted('dead_lettered')
  batch.deadLetter(envelopeOf(received), rejection)
}

function misplaced(batch: Batch, received: ReceivedEvent, onCatalogStream: boolean): Rejection | undefined {
  const { partition, partitions } = batch.config
  // With one partition there is nothing to get wrong, which is what `simulate` relies on.
  if (partitions === 1) return undefined
  const { type, subject } = received.event
  if (onCatalogStream || isGlobalType(type)) {
    if (onCatalogStream && isGlobalType(type)) return undefined
    return { code: 'wrong_partition', detail: `An event of type ${type} does not belong on this stream.` }
  }
  const right = partitionOf(subject, partitions)
  if (right === partition) return undefined
  return {
    code: 'wrong_partition',
    detail: `The customer belongs to partition ${right}; the event was published to partition ${partition}.`,
    pointer: '/subject',
  }
}

function untimely(batch: Batch, received: ReceivedEvent): Rejection | undefined {
  const { type, timeNs, timeText } = received.event
  const { futureToleranceMs, dedupeHorizonMs } = batch.config.limits
  if (timeText === undefined || isGlobalType(type)) return undefined
  const timeMs = msOf(timeNs)
  const latestMs = received.arrivedAtMs + futureToleranceMs
  if (timeMs > latestMs || (timeMs === latestMs && nanosOf(timeNs) > 0)) {
    return {
      code: 'event_time_in_future',
      detail: `The time ${timeText} is more than ${futureToleranceMs / 60_000} minutes ahead of arrival.`,
      pointer: '/time',
    }
  }
  if (timeMs < received.arrivedAtMs - dedupeHorizonMs && !type.startsWith('weir.subscription.')) {
    return {
      code: 'older_than_dedupe_horizon',
      detail: `The time ${timeText} is more than ${dedupeHorizonMs / 86_400_000} days before arrival.`,
      pointer: '/time',
    }
  }
  return undefined
}

export function refuseConflict(batch: Batch, received: ReceivedEvent): void {
  const { kept, sent } = conflictHashes(received, batch.state.dedupe)
  const { source, id } = received.event
  batch.counted('conflicting')
  batch.deadLetter(
    envelopeOf(received),
    {
      code: 'conflicting_duplicate',
      detail: `An event ${id} of ${source} with other content is kept: content ${kept}, sent now ${sent}.`,
    },
    { kept, sent },
  )
}
