// Takes events that a feature has made, as POST /v1/events takes those of a producer: admission, protection of personal
// data, sorting and publishing are the same.
// Invariant: what is answered as accepted is on disk at the broker. A `Problem` says that not all of it is, or that it is
// not known; the same events again are harmless.

import type { Receipt } from './event-publisher.js'
import { type EventIntake, publishSorted, report, seatFor, sortOptions } from './events.js'
import type { Caller } from './scopes.js'
import type { EventVerdict } from './sort-events.js'
import { sortEvents } from './sort-events.js'

export interface TakenEvents {
  readonly accepted: number
  /** `index` is the place in what was given. */
  readonly rejected: readonly EventVerdict[]
  readonly receipts: readonly Receipt[]
}

export interface EventTaker {
  /**
   * Events as JSON values, of one caller and in their order. Throws a `Problem` of 429 or 503 while they cannot be taken.
   * Of a body in a request the caller has already counted the bytes.
   */
  take(events: readonly unknown[], caller: Caller): Promise<TakenEvents>
  /** The most events of one call. */
  readonly maxEvents: number
}

const noSpan = { link: undefined }

export function eventTaker(intake: EventIntake): EventTaker {
  return {
    maxEvents: intake.limits.maxEvents,
    async take(events, caller) {
      const seat = seatFor(intake, caller)
      try {
        const options = sortOptions(intake, caller, Date.now())
        const parsed = events.map(value => ({ kind: 'ok', value }) as const)
        const sorted = await sortEvents(await intake.protection.protect(parsed), options)
        const receipts = await publishSorted(intake, sorted, noSpan, caller)
        report(intake, sorted, 0)
        return { accepted: sorted.accepted, rejected: sorted.rejected, receipts }
      } finally {
        seat.leave()
      }
    },
  }
}
