// What the rows of a retraction or an amendment say of the usage event that it is about, and that it waits for it.

import { type Outcome, waitsFor } from '../rows/outcome.js'
import type { Envelope } from '../state/records.js'

interface Target {
  readonly eventSource: string
  readonly eventId: string
}

export function targetOf({ eventSource, eventId }: Target) {
  return { source: eventSource, id: eventId }
}

export function waitsForEvent({ payload }: Envelope, target: Target, change: 1 | -1): Outcome {
  const detail = `The event ${target.eventId} of ${target.eventSource} has not come yet.`
  return {
    disposition: 'parked',
    code: waitsFor.event,
    detail,
    change,
    payload: change === 1 ? payload : '',
    target: targetOf(target),
  }
}
