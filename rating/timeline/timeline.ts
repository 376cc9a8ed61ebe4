// The timeline: which terms of a subscription are in force when, from its effective-dated changes. Contract section 2,
// "Version in force". It owns no prices (price-lines.ts) and no calendar (service-period.ts).
// Invariants: the same set of changes gives the same timeline in any order; versions are ordered, do not overlap, and
// there are gaps where nothing is in force (before the `created`, from `effective_until` on, while cancelled).

import type { Price } from '../../schemas/catalog/catalog.js'
import { type Commitment, isSameCommitment } from '../../schemas/lifecycle/commitment.js'
import type { SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { compareInstants, endlessNs } from '../../schemas/time.js'
import { isSameWording } from './price-content.js'
import { type ResolvedTerms, TermsFold } from './terms-fold.js'

export type { ResolvedTerms } from './terms-fold.js'

/** Terms in force, active or suspended, over [fromNs, untilNs). */
export interface Version {
  readonly fromNs: bigint
  /** `endlessNs` when open. */
  readonly untilNs: bigint
  readonly terms: ResolvedTerms
}

export interface Timeline {
  readonly subscriptionId: string
  readonly customerId: string
  /** Of the customer, '' where none was told: of plans in several currencies it chooses one. */
  readonly currency: string
  readonly versions: readonly Version[]
  /** Which correlation id holds from when on, ascending, also where nothing is in force. */
  readonly correlations: readonly { readonly fromNs: bigint; readonly correlationId: string }[]
}

/** One change per sequence, and `planVersion` wherever `plan` is set. Undefined when there is no `created`. */
export function resolveTimeline(changes: readonly SubscriptionChange[], currency = ''): Timeline | undefined {
  const created = changes.find(change => change.kind === 'created')
  if (created === undefined) return undefined
  const byStart = changes.toSorted(
    (a, b) => compareInstants(a.effectiveFromNs, b.effectiveFromNs) || a.sequence - b.sequence,
  )
  const instants = breakpointsOf(byStart)
  const versions: Version[] = []
  const correlations: { fromNs: bigint; correlationId: string }[] = []
  const fold = new TermsFold()
  let next = 0
  for (const [index, fromNs] of instants.entries()) {
    for (; next < byStart.length && byStart[next]!.effectiveFromNs === fromNs; next += 1) {
      fold.takeEffect(byStart[next]!)
    }
    const { correlationId } = fold
    if ((correlations.at(-1)?.correlationId ?? '') !== correlationId)
      correlations.push({ fromNs, correlationId })
    const terms = fold.termsInForce(fromNs)
    if (terms !== undefined) append(versions, fromNs, instants[index + 1] ?? endlessNs, terms)
  }
  const { subscriptionId, customerId } = created
  return { subscriptionId, customerId, currency, versions, correlations }
}

/** The correlation id of the change that set the version at an instant, else of the `created`. */
export function correlationAt(timeline: Timeline, atNs: bigint): string {
  return timeline.correlations.findLast(one => one.fromNs <= atNs)?.correlationId ?? ''
}

/** The version in force at an instant. Binary search: it is on the path of every usage event. */
export function versionAt(timeline: Timeline, atNs: bigint): Version | undefined {
  const { versions } = timeline
  let low = 0
  let high = versions.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const version = versions[middle]!
    if (atNs < version.fromNs) high = middle - 1
    else if (atNs >= version.untilNs) low = middle + 1
    else return version
  }
  return undefined
}

/** Whether all of [fromNs, untilNs) is in force and suspended. */
export function isSuspendedThroughout(timeline: Timeline, fromNs: bigint, untilNs: bigint): boolean {
  let atNs = fromNs
  while (atNs < untilNs) {
    const version = versionAt(timeline, atNs)
    if (version?.terms.status !== 'suspended') return false
    atNs = version.untilNs
  }
  return true
}

/** Every instant at which terms can begin or end, in ascending order. */
function breakpointsOf(changes: readonly SubscriptionChange[]): bigint[] {
  const instants = new Set<bigint>()
  for (const change of changes) {
    instants.add(change.effectiveFromNs)
    if (change.effectiveUntilNs !== undefined) instants.add(change.effectiveUntilNs)
  }
  return [...instants].sort(compareInstants)
}

/** Lengthens the last version where the terms stay equal, so that equal terms are one version. */
function append(versions: Version[], fromNs: bigint, untilNs: bigint, terms: ResolvedTerms): void {
  const last = versions.at(-1)
  if (last !== undefined && last.untilNs === fromNs && sameTerms(last.terms, terms)) {
    versions[versions.length - 1] = { ...last, untilNs }
    return
  }
  versions.push({ fromNs, untilNs, terms })
}

const plainTerms = [
  ...(['sequence', 'status', 'plan', 'planVersion', 'effectiveUntilNs', 'entityId', 'contractId'] as const),
  ...(['billingAnchorNs', 'firstAnchorNs', 'timezone', 'trialUntilNs', 'termFromNs'] as const),
]

function sameTerms(a: ResolvedTerms, b: ResolvedTerms): boolean {
  return (
    plainTerms.every(name => a[name] === b[name]) &&
    sameOverrides(a.priceOverrides, b.priceOverrides) &&
    sameCodes(a.coupons, b.coupons) &&
    sameCommitments(a.commitments, b.commitments) &&
    sameQuantities(a.quantities, b.quantities)
  )
}

function sameOverrides(a: readonly Price[], b: readonly Price[]): boolean {
  return a === b || (a.length === b.length && a.every((price, index) => isSameWording(price, b[index]!)))
}

const noCodes: readonly string[] = []

function sameCodes(a = noCodes, b = noCodes): boolean {
  return a === b || (a.length === b.length && a.every((code, index) => code === b[index]))
}

const noCommitments: readonly Commitment[] = []

function sameCommitments(a = noCommitments, b = noCommitments): boolean {
  return a === b || (a.length === b.length && a.every((one, index) => isSameCommitment(one, b[index]!)))
}

function sameQuantities(a: ReadonlyMap<string, Scaled>, b: ReadonlyMap<string, Scaled>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [price, quantity] of a) if (b.get(price) !== quantity) return false
  return true
}
