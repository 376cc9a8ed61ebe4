// What an answer of a connector makes of a delivery: the step after a sending, and the one after a look-up. Pure.
// Invariants:
// 1. `absent` counts only when neither the receiver nor an earlier process of ours can still be at work on the request.
// 2. A record that was looked up and is not there is sent again, or given up (give-up.ts). One of which the receiver says nothing is
//    never sent again: a newer record of its series takes its place, or it becomes an exception and is looked up further.
// 3. What a receiver says is kept up to a length: a step of the log that is larger than a message would stop the connection.

import { type ChangedDelivery, type Delivery, withAttempt } from '../../schemas/billing/delivery.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { Connector, Place, PutOutcome } from '../../sinks/connector.js'
import { backOffMs } from '../broker/back-off.js'
import type { ConnectionLimits } from './connection-limits.js'
import type { OpenDelivery } from './delivery-book.js'
import { exhausted, failureOf, isExhausted, isUnanswered, type Surroundings, unanswered } from './give-up.js'

export type Found = Exclude<Awaited<ReturnType<Connector['find']>>, { readonly kind: 'stopped' }>

export interface Refusing {
  readonly code: string
  readonly detail: string
}

export type AfterFind =
  /** It stays as it is and is looked up again. */
  | { readonly kind: 'again'; readonly dueAtMs: number; readonly lookups: number }
  | { readonly kind: 'change'; readonly delivery: Delivery; readonly dueAtMs?: number }
  /** To be set aside before the change is in the log. */
  | { readonly kind: 'refuse'; readonly delivery: Delivery; readonly reason: Refusing }

export interface FindContext extends Surroundings {
  readonly connector: Pick<Connector, 'attemptMs' | 'settlesWithinMs'>
  readonly limits: ConnectionLimits
  /** A newer record of its series was taken in (record-series.ts). */
  readonly isOutrun: boolean
}

/** Characters. Ids of receivers have a hundred at most; this is for people, and nothing is looked up by it. */
const longestExternalId = 500

function externalIdOf(said: string): { readonly external_id: string } {
  return { external_id: said.replaceAll(/\p{Cc}/gu, ' ').slice(0, longestExternalId) } // invariant 3
}

/** The receipt counts for as long as the receiver may still judge that request. */
function inState({ receipt, ...delivery }: Delivery, state: Delivery['state'], nowMs: number): Delivery {
  const kept = receipt === undefined || state !== 'unclear' ? {} : { receipt }
  return { ...delivery, ...kept, state, at: formatInstantMs(nowMs) }
}

export function toSend(delivery: Delivery, place: Place | undefined, nowMs: number): Delivery {
  return { ...inState(delivery, 'sending', nowMs), ...(place === undefined ? {} : { place }) }
}

/** Surely not there: the place of the next sending is found anew. */
function notThere({ place: _, may_be_there: __, ...delivery }: Delivery): Delivery {
  return delivery
}

/** A newer record of its series was taken in (record-series.ts). */
export function supersededDelivery(delivery: ChangedDelivery, at: string): Delivery {
  const { held: _, document: __, recorded_at: ___, source_sequence: ____, after: _____, ...kept } = delivery
  const detail = 'a newer record of the same thing takes its place'
  return {
    ...withAttempt(kept, { at, outcome: 'not_sent', code: 'newer_record', detail }),
    state: 'superseded',
    at,
  }
}

/** The outcome is about this record alone, and it needs nothing of the receiver. */
export function isOver({ kind }: PutOutcome): boolean {
  return kind === 'refused' || kind === 'not_for_receiver'
}

export function afterPut(delivery: Delivery, outcome: PutOutcome, nowMs: number): Delivery {
  const code = 'code' in outcome ? { code: outcome.code, detail: outcome.detail.slice(0, 500) } : {}
  const tried = withAttempt(delivery, { at: formatInstantMs(nowMs), outcome: outcome.kind, ...code })
  switch (outcome.kind) {
    case 'accepted':
      return { ...inState(tried, 'posted', nowMs), ...externalIdOf(outcome.externalId) }
    case 'written':
      return { ...inState(tried, 'written', nowMs), ...externalIdOf(outcome.externalId) }
    case 'refused':
      return inState(delivery.may_be_there === true ? tried : notThere(tried), 'refused', nowMs)
    case 'unclear':
      return inState(tried, 'unclear', nowMs)
    case 'not_for_receiver':
      return inState(tried, 'superseded', nowMs)
    case 'throttled':
    case 'stopped':
      return inState(delivery.may_be_there === true ? tried : notThere(tried), 'waiting', nowMs)
    default:
      return outcome satisfies never
  }
}

export function afterFind(
  { delivery, lookups }: OpenDelivery,
  found: Found,
  context: FindContext,
): AfterFind {
  const { nowMs, limits } = context
  const seen = withAttempt(delivery, { at: formatInstantMs(nowMs), outcome: `found_${found.kind}` })
  switch (found.kind) {
    case 'there': {
      const { state, externalId } = found
      if (state === delivery.state) return { kind: 'again', dueAtMs: nowMs + limits.writtenMs, lookups: 0 }
      return { kind: 'change', delivery: { ...inState(seen, state, nowMs), ...externalIdOf(externalId) } }
    }
    case 'absent': {
      if (delivery.state === 'written') return gone(delivery, nowMs)
      const settledAtMs = settlesAtMs(delivery, context)
      const soonMs = nowMs + backOffMs(lookups + 1, limits)
      if (nowMs < settledAtMs)
        // invariant 1
        return { kind: 'again', dueAtMs: Math.min(soonMs, settledAtMs), lookups: lookups + 1 }
      return failedOnce(delivery, seen, found.kind, context)
    }
    case 'repeatable':
      if (delivery.state === 'written') return { kind: 'change', delivery: inState(seen, 'posted', nowMs) }
      return failedOnce(delivery, seen, found.kind, context)
    case 'unknown_yet': {
      const outrunAtMs = Math.max(endsAtMs(delivery, context.connector), settlesAtMs(delivery, context))
      // No older one can be on its way any more, and the newer one reads what stands there before it is sent.
      if (context.isOutrun && delivery.state === 'unclear' && nowMs >= outrunAtMs)
        return { kind: 'change', delivery: supersededDelivery(seen, formatInstantMs(nowMs)) }
      if (isUnanswered(delivery, context, limits)) return setAsideUnclear(delivery, found, nowMs)
      const dueAtMs = nowMs + backOffMs(lookups + 1, limits, 1)
      return { kind: 'again', dueAtMs, lookups: lookups + 1 }
    }
    case 'refused': {
      const { code, detail } = found
      return refusing(delivery, found.kind, { code, detail }, nowMs)
    }
    default:
      return found satisfies never
  }
}

/** Sent again after a pause of its own, so that its neighbours go first; or given up. */
function failedOnce(
  delivery: Delivery,
  seen: Delivery,
  found: 'absent' | 'repeatable',
  context: FindContext,
): AfterFind {
  const { nowMs, limits } = context
  const known = (one: Delivery): Delivery =>
    found === 'absent' ? notThere(one) : { ...one, may_be_there: true }
  const failed = failureOf(delivery, context)
  if (!isExhausted(failed, delivery.at, context, limits)) {
    const dueAtMs = nowMs + backOffMs(failed.count, limits)
    return { kind: 'change', delivery: { ...inState(known(seen), 'waiting', nowMs), failed }, dueAtMs }
  }
  const reason = exhausted(delivery, failed, found === 'absent')
  return refusing({ ...known(delivery), failed }, found, reason, nowMs)
}

/** A delivery that was written and not posted, and that the receiver no longer has. */
function gone(delivery: Delivery, nowMs: number): AfterFind {
  const detail = `${delivery.external_id ?? ''} is not there any more`
  return refusing(delivery, 'absent', { code: 'written_record_gone', detail }, nowMs)
}

/** With all that its look-up needs: it may be there. */
function setAsideUnclear(
  delivery: Delivery,
  { code: said, detail: words }: Refusing,
  nowMs: number,
): AfterFind {
  const reason = unanswered(delivery, `${said}: ${words}`)
  const at = formatInstantMs(nowMs)
  const last = { at, outcome: 'found_unknown_yet', code: reason.code, detail: reason.detail.slice(0, 500) }
  const kept: Delivery = { ...withAttempt(delivery, last), state: 'refused', may_be_there: true, at }
  return { kind: 'refuse', delivery: kept, reason }
}

function refusing(
  delivery: Delivery,
  found: 'absent' | 'repeatable' | 'refused',
  reason: Refusing,
  nowMs: number,
): AfterFind {
  const { code, detail } = reason
  const last = { at: formatInstantMs(nowMs), outcome: `found_${found}`, code, detail: detail.slice(0, 500) }
  return { kind: 'refuse', delivery: inState(withAttempt(delivery, last), 'refused', nowMs), reason }
}

/** From then on neither the receiver nor an earlier process of ours can be at work on the request. */
export function settlesAtMs(delivery: Delivery, { connector }: Pick<FindContext, 'connector'>): number {
  return connector.settlesWithinMs === 0 ? 0 : endsAtMs(delivery, connector) + connector.settlesWithinMs
}

/** When our part of it is over: with its answer, or, where a process has left it, once no attempt lasts longer. */
function endsAtMs({ at, attempts }: Delivery, { attemptMs }: FindContext['connector']): number {
  const last = attempts.at(-1)
  const isAnswered = last?.outcome === 'unclear' && last.at === at && last.code !== 'connector_bug'
  return Date.parse(at) + (isAnswered ? 0 : attemptMs)
}
