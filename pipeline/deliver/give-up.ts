// When a record that fails again and again is given up, so that somebody looks at it while its neighbours go on. Pure.
//
// A failure is a sending without an answer after which a look-up has said that the record is not there (or the receiver
// has no look-up and needs none). It is the record's own when the receiver has answered about other records since the
// record's last failure, and the connection was not in trouble when the record was sent: else it belongs to the end of an outage.
// While nobody gets through it is an outage, which counts against no record; the same holds for rate
// limits and refused connections, which are no failures at all.
// Invariant: a record is given up only as the result of a look-up, never while it is not known whether the receiver has it. Of which
// the receiver says nothing for as long, people are told by an exception; it is looked up further, and sent only when it is not there.

import type { Delivery } from '../../schemas/billing/delivery.js'
import type { ConnectionLimits } from './connection-limits.js'

/** What else was seen of the receiver. */
export interface Surroundings {
  readonly nowMs: number
  /** When the receiver last answered about any record; `-Infinity`: not yet in this process. */
  readonly answeredAtMs: number
  /** The connection was in trouble when the record was sent, or nobody knows that any more. */
  readonly isOfOutage: boolean
  /** No other record of the connection waits for an answer. */
  readonly isAlone: boolean
}

type Failed = NonNullable<Delivery['failed']>

export function failureOf({ failed, at }: Delivery, seen: Surroundings): Failed {
  const last = new Date(seen.nowMs).toISOString()
  const own = !seen.isOfOutage && othersSince(failed?.last ?? at, seen) ? 1 : 0
  if (failed === undefined) return { count: 1, own, since: at, last }
  return { ...failed, count: failed.count + 1, own: failed.own + own, last }
}

/** `sentAt`: when it was sent last. What was alone in an outage is tried once more when others have got through. */
export function isExhausted(
  failed: Failed,
  sentAt: string,
  seen: Surroundings,
  { ownFailuresMost, failingMs }: Pick<ConnectionLimits, 'ownFailuresMost' | 'failingMs'>,
): boolean {
  if (failed.own >= ownFailuresMost) return true
  const isLong = seen.nowMs - Date.parse(failed.since) >= failingMs
  return isLong && (failed.own > 0 || (seen.isAlone && !othersSince(sentAt, seen))) && failed.count > 1
}

/** The reason for people: how often, since when, and the receiver's last words. */
export function exhausted(delivery: Delivery, failed: Failed, isKnown: boolean): Exhausted {
  const last = delivery.attempts.findLast(one => !one.outcome.startsWith('found_'))
  const words = last?.code === undefined ? '' : ` The last answer: ${last.code}: ${last.detail ?? ''}`
  const doubt = isKnown ? 'the receiver does not have it' : 'the receiver has no look-up, so it may have it'
  const detail = `${failed.count} attempts since ${failed.since} brought no answer; ${doubt}.${words}`
  return { code: 'attempts_exhausted', detail: detail.slice(0, 1_000) }
}

export const lookUpUnanswered = 'look_up_unanswered'

/** The receiver answers about others, or there is no other, and has said nothing of this one for long; or people know that already. */
export function isUnanswered(
  { at, state, attempts }: Delivery,
  seen: Surroundings,
  { failingMs }: Pick<ConnectionLimits, 'failingMs'>,
): boolean {
  if (state !== 'unclear') return false
  if (attempts.at(-1)?.code === lookUpUnanswered) return true
  return seen.nowMs - Date.parse(at) >= failingMs && (seen.isAlone || othersSince(at, seen))
}

export function unanswered(
  { at }: Delivery,
  words: string,
): { readonly code: string; readonly detail: string } {
  const detail = `since ${at} the receiver has not said whether it has this record, so it is not sent again: ${words}`
  return { code: lookUpUnanswered, detail: detail.slice(0, 1_000) }
}

interface Exhausted {
  readonly code: 'attempts_exhausted'
  readonly detail: string
}

function othersSince(since: string, { answeredAtMs }: Surroundings): boolean {
  return answeredAtMs >= Date.parse(since)
}
