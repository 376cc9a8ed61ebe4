// Tells a `time` that OpenMeter's SDK (npm `@openmeter/sdk`) stamped from one that the application set. The SDK stamps anew
// at each call, so an application that sends an event again, with its own id, sends another `time`.
//
// The SDK copies the event and then fills in what the application left out, in this order: id, source, specversion, time.
// A member that the application named, even as `null` or `undefined`, keeps its place; one that is filled in comes behind all others.
// Hence the rule: `time` was stamped when it is the last member of the event, has the form of a JavaScript Date (UTC, three
// digits of milliseconds) and is at most 5 minutes from the arrival. An application that sets `time` puts it before
// `data`, `source` or `specversion`, or names an instant of the past; one that names all four, puts `time` last and means
// the present is taken for the SDK. What is marked keeps its `time`; it is no longer part of the content.

import type { ParsedEvent } from '../../schemas/event/cloud-event.js'
import { stampedTimeName } from '../../schemas/event/stamped-time.js'
import { isRecord } from '../../schemas/json/json-text.js'

/** As far as a `time` may be ahead of its arrival. */
const toleranceMs = 5 * 60_000

/** The same events; those whose `time` the SDK stamped are marked. */
export function markStampedTimes(events: readonly ParsedEvent[], arrivalMs: number): readonly ParsedEvent[] {
  return events.map(event =>
    event.kind === 'ok' && isRecord(event.value) && isStamped(event.value, arrivalMs)
      ? { kind: 'ok', value: { ...event.value, [stampedTimeName]: true } }
      : event,
  )
}

function isStamped(event: Record<string, unknown>, arrivalMs: number): boolean {
  const { time } = event
  if (typeof time !== 'string' || Object.keys(event).at(-1) !== 'time') return false
  const timeMs = Date.parse(time)
  return Math.abs(timeMs - arrivalMs) <= toleranceMs && new Date(timeMs).toISOString() === time
}
