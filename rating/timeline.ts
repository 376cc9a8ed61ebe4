// The timeline: which terms of a subscription are in force when, from its effective-dated changes. Contract section 2,
// "Version in force". It owns no prices (price-lines.ts) and no calendar (service-period.ts).
// Invariants: the same set of changes gives the same timeline in any order; versions are ordered, do not overlap, and
// there are gaps where nothing is in force (before the `created`, from `effective_until` on, while cancelled).

import type { Price } from '../schemas/catalog.js'
import type { Scaled } from '../schemas/decimal.js'
import type { SubscriptionChange } from '../schemas/lifecycle-event.js'
import { priceContentId } from './price-content.js'

export interface ResolvedTerms {
  /** The subscription version: the highest sequence in effect. */
  readonly sequence: number
  readonly status: 'active' | 'suspended' | 'cancelled'
  readonly plan: string
  readonly planVersion: number
  readonly quantities: ReadonlyMap<string, Scaled>
  readonly priceOverrides: readonly Price[]
  readonly effectiveUntilMs?: number
  readonly entityId: string
  readonly contractId: string
  readonly billingAnchorMs: number
  readonly timezone: string
  readonly trialUntilMs?: number
}

/** Terms in force, active or suspended, over [fromMs, untilMs). */
export interface Version {
  readonly fromMs: number
  /** Infinity when open. */
  readonly untilMs: number
  readonly terms: ResolvedTerms
}

export interface Timeline {
  readonly subscriptionId: string
  readonly customerId: string
  readonly versions: readonly Version[]
}

/** What a fold over the changes has found; `created` is false until one of them is a `created`. */
interface Fold extends ResolvedTerms {
  readonly created: boolean
}

const noPrices: readonly Price[] = []

const nothing: Fold = {
  created: false,
  sequence: -1,
  status: 'active',
  plan: '',
  planVersion: 0,
  quantities: new Map(),
  priceOverrides: noPrices,
  entityId: '',
  contractId: '',
  billingAnchorMs: 0,
  timezone: 'UTC',
}

/**
 * One change per sequence, and `planVersion` wherever `plan` is set. Undefined when there is no `created`.
 */
export function resolveTimeline(changes: readonly SubscriptionChange[]): Timeline | undefined {
  const created = changes.find(change => change.kind === 'created')
  if (created === undefined) return undefined
  const byStart = changes.toSorted((a, b) => a.effectiveFromMs - b.effectiveFromMs || a.sequence - b.sequence)
  const instants = breakpointsOf(byStart)
  const versions: Version[] = []
  const inEffect: SubscriptionChange[] = []
  let fold = nothing
  let next = 0
  for (const [index, fromMs] of instants.entries()) {
    for (; next < byStart.length && byStart[next]!.effectiveFromMs === fromMs; next += 1) {
      fold = takeEffect(byStart[next]!, inEffect, fold)
    }
    if (isInForce(fold, fromMs)) {
      append(versions, fromMs, instants[index + 1] ?? Number.POSITIVE_INFINITY, fold)
    }
  }
  return { subscriptionId: created.subscriptionId, customerId: created.customerId, versions }
}

/** The version in force at an instant. Binary search: it is on the path of every usage event. */
export function versionAt(timeline: Timeline, ms: number): Version | undefined {
  const { versions } = timeline
  let low = 0
  let high = versions.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const version = versions[middle]!
    if (ms < version.fromMs) high = middle - 1
    else if (ms >= version.untilMs) low = middle + 1
    else return version
  }
  return undefined
}

/** Every instant at which terms can begin or end, in ascending order. */
function breakpointsOf(changes: readonly SubscriptionChange[]): number[] {
  const instants = new Set<number>()
  for (const change of changes) {
    instants.add(change.effectiveFromMs)
    if (change.effectiveUntilMs !== undefined) instants.add(change.effectiveUntilMs)
  }
  return [...instants].sort((a, b) => a - b)
}

/**
 * Adds a change to those in effect, which are in ascending sequence. A change that supersedes all of them, by far the
 * commonest, is laid over what was found; one that comes beneath others makes it necessary to fold again.
 */
function takeEffect(change: SubscriptionChange, inEffect: SubscriptionChange[], fold: Fold): Fold {
  if (change.sequence > fold.sequence) {
    inEffect.push(change)
    return applyChange(fold, change)
  }
  const at = inEffect.findIndex(other => other.sequence > change.sequence)
  inEffect.splice(at < 0 ? inEffect.length : at, 0, change)
  return inEffect.reduce(applyChange, nothing)
}

/** Field by field: a change sets what it states, and the rest stays. */
function applyChange(fold: Fold, change: SubscriptionChange): Fold {
  const plan = change.plan ?? fold.plan
  const planVersion = change.planVersion ?? fold.planVersion
  const planChanges = plan !== fold.plan || planVersion !== fold.planVersion
  const isCreated = change.kind === 'created'
  return {
    ...fold,
    created: fold.created || isCreated,
    sequence: change.sequence,
    status: statusAfter(fold.status, change),
    plan,
    planVersion,
    quantities: withQuantities(fold.quantities, change.quantities),
    // A change of plan drops the overrides that lower sequences set, unless it brings its own.
    priceOverrides: change.priceOverrides ?? (planChanges ? noPrices : fold.priceOverrides),
    entityId: change.entityId ?? fold.entityId,
    contractId: change.contractId ?? fold.contractId,
    billingAnchorMs: change.billingAnchorMs ?? (isCreated ? change.effectiveFromMs : fold.billingAnchorMs),
    timezone: change.timezone ?? (isCreated ? 'UTC' : fold.timezone),
    ...(change.effectiveUntilMs === undefined ? {} : { effectiveUntilMs: change.effectiveUntilMs }),
    ...(change.trialUntilMs === undefined ? {} : { trialUntilMs: change.trialUntilMs }),
  }
}

function statusAfter(status: Fold['status'], change: SubscriptionChange): Fold['status'] {
  switch (change.kind) {
    case 'created':
    case 'resumed':
      return 'active'
    case 'suspended':
      return 'suspended'
    case 'cancelled':
      return 'cancelled'
    case 'amended':
    case 'renewed':
      return status
    default:
      return unknownKind(change.kind)
  }
}

/** The quantity of each price is a field of its own. */
function withQuantities(
  quantities: ReadonlyMap<string, Scaled>,
  set: ReadonlyMap<string, Scaled> | undefined,
): ReadonlyMap<string, Scaled> {
  if (set === undefined || set.size === 0) return quantities
  return new Map([...quantities, ...set])
}

function isInForce(fold: Fold, ms: number): boolean {
  if (!fold.created || fold.status === 'cancelled') return false
  return fold.effectiveUntilMs === undefined || ms < fold.effectiveUntilMs
}

/** Lengthens the last version where the terms stay equal, so that equal terms are one version. */
function append(versions: Version[], fromMs: number, untilMs: number, fold: Fold): void {
  const last = versions.at(-1)
  if (last !== undefined && last.untilMs === fromMs && sameTerms(last.terms, fold)) {
    versions[versions.length - 1] = { ...last, untilMs }
    return
  }
  const { created: _, ...terms } = fold
  versions.push({ fromMs, untilMs, terms })
}

function sameTerms(a: ResolvedTerms, b: ResolvedTerms): boolean {
  return (
    a.sequence === b.sequence &&
    a.status === b.status &&
    a.plan === b.plan &&
    a.planVersion === b.planVersion &&
    a.effectiveUntilMs === b.effectiveUntilMs &&
    a.entityId === b.entityId &&
    a.contractId === b.contractId &&
    a.billingAnchorMs === b.billingAnchorMs &&
    a.timezone === b.timezone &&
    a.trialUntilMs === b.trialUntilMs &&
    sameOverrides(a.priceOverrides, b.priceOverrides) &&
    sameQuantities(a.quantities, b.quantities)
  )
}

function sameOverrides(a: readonly Price[], b: readonly Price[]): boolean {
  if (a === b) return true
  return (
    a.length === b.length && a.every((price, index) => priceContentId(price) === priceContentId(b[index]!))
  )
}

function sameQuantities(a: ReadonlyMap<string, Scaled>, b: ReadonlyMap<string, Scaled>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [price, quantity] of a) if (b.get(price) !== quantity) return false
  return true
}

function unknownKind(kind: never): never {
  throw new Error(`unknown change ${String(kind)}`)
}
