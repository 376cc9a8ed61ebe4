// The oracle's version in force. Contract section 2: at an instant, each field has the value given by the highest
// sequence among the changes with effective_from <= the instant that set it; a change of plan drops the overrides set by
// lower sequences; past effective_until, and while cancelled, nothing is in force.

import type { Price } from '../../../schemas/catalog/catalog.js'
import type { Commitment } from '../../../schemas/lifecycle/commitment.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { endlessNs } from '../../../schemas/time.js'

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
  readonly correlationId: string
  readonly anchorNs: bigint
  /** Of the `created`: what discounts are counted from, whatever the anchor becomes. */
  readonly firstAnchorNs: bigint
  readonly timezone: string
  /** Undefined: it says none, and that of the plan holds. */
  readonly trialUntilNs: bigint | undefined
  /** Codes in the order in which they are taken off. */
  readonly coupons: readonly string[]
  readonly commitments: readonly Commitment[]
  /** Of the `created`, or of the last `renewed`. */
  readonly termFromNs: bigint
  /** Undefined: no end. */
  readonly untilNs: bigint | undefined
}

export function termsAt(changes: readonly SubscriptionChange[], atNs: bigint): Terms | undefined {
  const known = changes
    .filter(change => change.effectiveFromNs <= atNs)
    .sort((a, b) => a.sequence - b.sequence)
  const last = <T>(field: (change: SubscriptionChange) => T | undefined): T | undefined =>
    known.map(field).findLast(value => value !== undefined)
  const created = (change: SubscriptionChange) => change.kind === 'created'
  if (!known.some(created)) return undefined
  const status = last(statusOf) ?? 'active'
  const untilNs = last(change => change.effectiveUntilNs)
  if (status === 'cancelled' || (untilNs !== undefined && untilNs <= atNs)) return undefined
  return {
    sequence: Math.max(...known.map(change => change.sequence)),
    status,
    ...planOf(known),
    quantities: new Map(known.flatMap(change => [...(change.quantities ?? [])])),
    entityId: last(change => change.entityId) ?? '',
    correlationId: correlationAt(changes, atNs),
    contractId: last(change => change.contractId) ?? '',
    anchorNs: last(
      change => change.billingAnchorNs ?? (created(change) ? change.effectiveFromNs : undefined),
    )!,
    firstAnchorNs: last(change =>
      created(change) ? (change.billingAnchorNs ?? change.effectiveFromNs) : undefined,
    )!,
    timezone: last(change => (created(change) ? (change.timezone ?? 'UTC') : undefined))!,
    trialUntilNs: last(change => change.trialUntilNs),
    coupons: last(change => change.coupons) ?? [],
    commitments: last(change => change.commitments) ?? [],
    termFromNs: last(change =>
      created(change) || change.kind === 'renewed' ? change.effectiveFromNs : undefined,
    )!,
    untilNs: untilNs === endlessNs ? undefined : untilNs,
  }
}

/** "That of the lifecycle event that set the version in force, else of its created"; also when nothing is in force. */
export function correlationAt(changes: readonly SubscriptionChange[], atNs: bigint): string {
  const known = changes
    .filter(change => change.effectiveFromNs <= atNs)
    .sort((a, b) => a.sequence - b.sequence)
  const created = known.findLast(change => change.kind === 'created')
  return known.at(-1)?.correlationId || created?.correlationId || ''
}

/** Every instant at which terms can begin or end, ascending. */
export function instantsOf(changes: readonly SubscriptionChange[]): bigint[] {
  const instants = changes.flatMap(one => [one.effectiveFromNs, one.effectiveUntilNs, one.trialUntilNs])
  const set = new Set(instants.filter(instant => instant !== undefined))
  return [...set].sort((a, b) => (a < b ? -1 : 1))
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
