// The timeline: which terms of a subscription are in force when, from its effective-dated changes. Contract section 2,
// "Version in force". It owns no prices (price-lines.ts) and no calendar (service-period.ts).
// Invariants: the same set of changes gives the same timeline in any order; versions are ordered, do not overlap, and
// there are gaps where nothing is in force (before the `created`, from `effective_until` on, while cancelled).

import type { Price } from '../schemas/catalog.js'
import type { Scaled } from '../schemas/decimal.js'
import type { SubscriptionChange } from '../schemas/lifecycle-event.js'
import { priceContentId } from './price-content.js'
import { type ResolvedTerms, TermsFold } from './terms-fold.js'

export type { ResolvedTerms } from './terms-fold.js'

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

/** One change per sequence, and `planVersion` wherever `plan` is set. Undefined when there is no `created`. */
export function resolveTimeline(changes: readonly SubscriptionChange[]): Timeline | undefined {
  const created = changes.find(change => change.kind === 'created')
  if (created === undefined) return undefined
  const byStart = changes.toSorted((a, b) => a.effectiveFromMs - b.effectiveFromMs || a.sequence - b.sequence)
  const instants = breakpointsOf(byStart)
  const versions: Version[] = []
  const fold = new TermsFold()
  let next = 0
  for (const [index, fromMs] of instants.entries()) {
    for (; next < byStart.length && byStart[next]!.effectiveFromMs === fromMs; next += 1) {
      fold.takeEffect(byStart[next]!)
    }
    const terms = fold.termsInForce(fromMs)
    if (terms !== undefined) append(versions, fromMs, instants[index + 1] ?? Number.POSITIVE_INFINITY, terms)
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

/** Whether all of [fromMs, untilMs) is in force and suspended. */
export function isSuspendedThroughout(timeline: Timeline, fromMs: number, untilMs: number): boolean {
  let atMs = fromMs
  while (atMs < untilMs) {
    const version = versionAt(timeline, atMs)
    if (version?.terms.status !== 'suspended') return false
    atMs = version.untilMs
  }
  return true
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

/** Lengthens the last version where the terms stay equal, so that equal terms are one version. */
function append(versions: Version[], fromMs: number, untilMs: number, terms: ResolvedTerms): void {
  const last = versions.at(-1)
  if (last !== undefined && last.untilMs === fromMs && sameTerms(last.terms, terms)) {
    versions[versions.length - 1] = { ...last, untilMs }
    return
  }
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
    a.firstAnchorMs === b.firstAnchorMs &&
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
