// Takes events that a feature has made, as POST /v1/events takes those of a producer: admission, protection of personal
// data, sorting and publishing are the same.
// Invariant: what is answered as accepted is on disk at the broker. A `Problem` says that not all of it is, or that it is
// not known; the same events again are harmless.

import type { Receipt } from './event-publisher.js'
import {
  admitted,
  countRejected,
  type EventIntake,
  publishSorted,
  readEventBody,
  report,
  seatFor,
  sortOptions,
} from './events.js'
import type { ApiCall } from './route.js'
import type { Caller } from './scopes.js'
import type { EventVerdict } from './sort-events.js'
import { sortEvents } from './sort-events.js'

export interface TakenEvents {
  readonly accepted: number
  /** `index` is the place in what was given. */
  readonly rejected: readonly EventVerdict[]
  readonly receipts: readonly Receipt[]
}

export interface TakeOptions {
  /** Nothing is taken where one of the events is refused. */
  readonly isAllOrNone: boolean
}

/** Takes the events that were made of a body that `withBody` read. */
export type TakeOfBody = (events: readonly unknown[], options: TakeOptions) => Promise<TakenEvents>

export interface EventTaker {
  /**
   * Events as JSON values, of one caller and in their order. Throws a `Problem` of 429 or 503 while they cannot be taken.
   * Of a body in a request the caller has already counted the bytes.
   */
  take(events: readonly unknown[], caller: Caller): Promise<TakenEvents>
  /**
   * Reads the body of a request as those of POST /v1/events are read, within the same bounds, which hold until `work` is
   * done. Throws a `Problem` while nothing can be taken.
   */
  withBody<T>(call: ApiCall, work: (body: Buffer, take: TakeOfBody) => Promise<T>): Promise<T>
  /** The most events of one call. */
  readonly maxEvents: number
}

const partly: TakeOptions = { isAllOrNone: false }
const noSpan = { link: undefined }

export function eventTaker(intake: EventIntake): EventTaker {
  return {
    maxEvents: intake.limits.maxEvents,
    async take(events, caller) {
      const seat = seatFor(intake, caller)
      try {
        return await takeAs(intake, { events, caller, bytes: 0, span: noSpan, ...partly })
      } finally {
        seat.leave()
      }
    },
    withBody: (call, work) =>
      admitted(intake, call, async (seat, span) => {
        const body = await readEventBody(intake, call, seat)
        const { caller } = call
        return work(body, (events, options) =>
          takeAs(intake, { events, caller, bytes: body.length, span, ...options }),
        )
      }),
  }
}

interface Taking extends TakeOptions {
  readonly events: readonly unknown[]
  readonly caller: Caller
  /** Of the request's body. */
  readonly bytes: number
  readonly span: Parameters<typeof publishSorted>[2]
}

async function takeAs(intake: EventIntake, taking: Taking): Promise<TakenEvents> {
  const { events, caller, bytes, span, isAllOrNone } = taking
  const options = sortOptions(intake, caller, Date.now())
  const parsed = events.map(value => ({ kind: 'ok', value }) as const)
  const sorted = await sortEvents(await intake.protection.protect(parsed), options)
  const { rejected } = sorted
  if (isAllOrNone && rejected.length > 0) {
    countRejected(intake, rejected)
    return { accepted: 0, rejected, receipts: [] }
  }
  const receipts = await publishSorted(intake, sorted, span, caller)
  report(intake, sorted, bytes)
  return { accepted: sorted.accepted, rejected, receipts }
}
