// The oracle's version in force. Contract section 2: at an instant, each field has the value given by the highest
// sequence among the changes with effective_from <= the instant that set it; a change of plan drops the overrides set by
// lower sequences; past effective_until, and while cancelled, nothing is in force.

import type { Price } from '../../../schemas/catalog.js'
import type { Scaled } from '../../../schemas/decimal.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle-event.js'

export interface Terms {
  /** The subscription version: the highest sequence of all. */
  readonly sequence: number
  readonly status: 'active' | 'suspended'
  readonly plan: string
  readonly planVersion: number
  readonly overrides: readonly Price[]
  readonly quantities: ReadonlyMap<string, Scaled>
  readonly entityId: string
  readonly contractId: string
  readonly anchorMs: number
  /** Of the `created`: what discounts are counted from, whatever the anchor becomes. */
  readonly firstAnchorMs: number
  readonly timezone: string
  readonly trialUntilMs: number
}

export function termsAt(changes: readonly SubscriptionChange[], atMs: number): Terms | undefined {
  const known = changes
    .filter(change => change.effectiveFromMs <= atMs)
    .sort((a, b) => a.sequence - b.sequence)
  const last = <T>(field: (change: SubscriptionChange) => T | undefined): T | undefined =>
    known.map(field).findLast(value => value !== undefined)
  const created = (change: SubscriptionChange) => change.kind === 'created'
  if (!known.some(created)) return undefined
  const status = last(statusOf) ?? 'active'
  const untilMs = last(change => change.effectiveUntilMs)
  if (status === 'cancelled' || (untilMs !== undefined && untilMs <= atMs)) return undefined
  return {
    sequence: Math.max(...known.map(change => change.sequence)),
    status,
    ...planOf(known),
    quantities: new Map(known.flatMap(change => [...(change.quantities ?? [])])),
    entityId: last(change => change.entityId) ?? '',
    contractId: last(change => change.contractId) ?? '',
    anchorMs: last(
      change => change.billingAnchorMs ?? (created(change) ? change.effectiveFromMs : undefined),
    )!,
    firstAnchorMs: last(change =>
      created(change) ? (change.billingAnchorMs ?? change.effectiveFromMs) : undefined,
    )!,
    timezone: last(change => (created(change) ? (change.timezone ?? 'UTC') : undefined))!,
    trialUntilMs: last(change => change.trialUntilMs) ?? Number.NEGATIVE_INFINITY,
  }
}

/** Every instant at which terms can begin or end, ascending. */
export function instantsOf(changes: readonly SubscriptionChange[]): number[] {
  const instants = changes.flatMap(one => [one.effectiveFromMs, one.effectiveUntilMs, one.trialUntilMs])
  const set = new Set(instants.filter(instant => instant !== undefined).filter(Number.isFinite))
  return [...set].sort((a, b) => a - b)
}

function statusOf(change: SubscriptionChange): 'active' | 'suspended' | 'cancelled' | undefined {
  if (change.kind === 'suspended' || change.kind === 'cancelled') return change.kind
  return change.kind === 'created' || change.kind === 'resumed' ? 'active' : undefined
}

/** `known` in ascending sequence. */
function planOf(known: readonly SubscriptionChange[]) {
  let plan = ''
  let planVersion = 0
  let overrides: readonly Price[] = []
  for (const change of known) {
    const isOther = (change.plan ?? plan) !== plan || (change.planVersion ?? planVersion) !== planVersion
    plan = change.plan ?? plan
    planVersion = change.planVersion ?? planVersion
    if (isOther) overrides = []
    overrides = change.priceOverrides ?? overrides
  }
  return { plan, planVersion, overrides }
}
