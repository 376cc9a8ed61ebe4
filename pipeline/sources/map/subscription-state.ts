// The state of a subscription as another system tells it whole, as events of ours: its terms as `created`, and beside them
// whether it is suspended, when it goes on, or that it has ended.
// Invariant: each state sets every field, and the highest version wins, so any order of delivery ends the same. A state takes
// three versions: its own and the two after it.

import { hash } from 'node:crypto'
import type { z as Zod } from 'zod'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { formatInstantMs } from '../../../schemas/time.js'
import type { FetchWhat, MapOutcome, MappedEvent } from '../source-kind.js'

/** Versions that one state takes. */
export const versionsOfState = 3

/** Instants are epoch milliseconds. */
export interface SubscriptionState {
  /** As the source is asked for it. */
  readonly fetch: FetchWhat
  readonly subscriptionId: string
  readonly customerId: string
  readonly version: number
  readonly startMs: number
  /** Since when it has been so. */
  readonly changedMs: number
  /** It has not changed since it was made, so it holds from its start. */
  readonly isFirst: boolean
  readonly terms: SubscriptionTerms
  /** When it is to end, or has ended. */
  readonly endMs: number | undefined
  readonly isOver: boolean
  readonly endReason: string
  readonly pausedMs: number | undefined
  readonly resumesMs: number | undefined
}

export interface SubscriptionTerms {
  readonly plan: string
  readonly quantities: Readonly<Record<string, string>>
  readonly billing_anchor?: string
  readonly trial_until: string | null
  readonly po_number?: string
  readonly entity_id?: string
}

export function stateOutcome(state: SubscriptionState): MapOutcome {
  const { startMs, changedMs, endMs, subscriptionId, customerId, terms, version, fetch } = state
  const effectiveMs = state.isFirst ? startMs : Math.max(startMs, changedMs)
  const isOver = state.isOver || (endMs !== undefined && endMs <= effectiveMs)
  const until = isOver || endMs === undefined ? null : formatInstantMs(endMs)
  const ours = { subscription_id: subscriptionId, customer_id: customerId }
  const event = (key: string, kind: string, offset: number, atMs: number, data: object): MappedEvent => ({
    ...{ key, type: `weir.subscription.${kind}`, subject: customerId, time: formatInstantMs(changedMs) },
    version: version + offset,
    data: { ...ours, effective_from: formatInstantMs(atMs), ...data },
  })
  const events = [event('', 'created', 0, effectiveMs, { ...terms, effective_until: until })]
  const { pausedMs, resumesMs, endReason } = state
  if (isOver) {
    const reason = endReason === '' ? {} : { reason: endReason }
    events.push(event('status', 'cancelled', 1, endMs ?? effectiveMs, reason))
  } else if (pausedMs !== undefined) {
    const atMs = Math.max(pausedMs, startMs)
    events.push(event('status', 'suspended', 1, atMs, { reason: 'paused' }))
    if (resumesMs !== undefined && resumesMs > atMs)
      events.push(event('resumes', 'resumed', 2, resumesMs, {}))
  }
  const said = { terms, until, isOver, pausedMs: pausedMs ?? null, resumesMs: resumesMs ?? null }
  const digest = hash('sha256', canonicalJson(said), 'hex').slice(0, 32)
  return {
    kind: 'events',
    events,
    state: { object: `subscription ${fetch.id}`, version, digest, fetch },
  }
}

/**
 * Quantities of our prices, with 0 for those of `zero_when_absent` that are not named: what an earlier state said of a price else
 * goes on.
 */
export function wholeQuantities(
  named: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  const prices = (settings['zero_when_absent'] as readonly string[] | undefined) ?? []
  return { ...Object.fromEntries(prices.map(price => [price, '0'])), ...named }
}

/** Add-ons: prices of ours that count 0 where a subscription does not name them. */
export function zeroWhenAbsent(z: typeof Zod) {
  return z.array(z.string().min(1).max(100)).max(200).default([])
}

const dayMs = 86_400_000
const hourMs = 3_600_000

/**
 * From when its billing periods are counted: its start, where the period under way fits to that, so that the anchor stays the
 * same from period to period; else the beginning of the period.
 */
export function anchorOf(startMs: number, fromMs: number | undefined, untilMs: number | undefined): number {
  if (fromMs === undefined || fromMs <= startMs) return startMs
  const lengthMs = (untilMs ?? fromMs) - fromMs
  const isOfDays = lengthMs > 0 && (fromMs - startMs) % lengthMs === 0
  const [start, from] = [new Date(startMs), new Date(fromMs)]
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 0)).getUTCDate()
  const isSameDay = from.getUTCDate() === Math.min(start.getUTCDate(), lastDay)
  // A summer time moves the hour in UTC.
  const isSameHour = Math.abs((fromMs % dayMs) - (startMs % dayMs)) <= hourMs
  return isOfDays || (isSameDay && isSameHour && lengthMs >= 27 * dayMs) ? startMs : fromMs
}
