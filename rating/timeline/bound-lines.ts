// Bound lines: what the charges of a period, or of a term, have to come to at least or at most, as intervals of equal terms, cut into
// segments; each segment may owe one charge of kind `commitment`. charges/commitments.ts has the arithmetic. Contract section 9;
// docs/pricing.md, "Minimum, maximum and commitments".
// Invariants: of one bound, no two segments overlap; a change of the amount alone cuts nothing; what a period is bound to, over all
// segments, follows from the amounts and the time for which each was in force, and suspensions and trials are in force for nothing.
//
// The frame by which a line goes on: what it applies to, its period, currency, rounding, anchor, time zone, proration, when it is
// trued up, and there its term. A line runs through suspensions and trials: only its pieces have gaps.
//
// bound of a stretch = amount x (place of its end - place of its start), a place being the periods counted from the anchor, with the part of
// the one under way. Without proration (`none`) each period that is touched counts whole, with the amount that was first in force in it; its
// segment goes on to the end of the period, and the terms that follow begin there. Another calendar or currency ends it at once.
// Worked example: at least 500 a month, from 21 June 800: 500 x 20/30 + 800 x 10/30 = 600 for June, one charge.

import type { AmountBound, Plan } from '../../schemas/catalog/catalog.js'
import { type ProrationRule, prorationUnit } from '../../schemas/catalog/proration.js'
import { compositeKey, stableId } from '../../schemas/identifiers.js'
import type { Commitment, TrueUp } from '../../schemas/lifecycle/commitment.js'
import type { Rounding, Scaled } from '../../schemas/money/decimal.js'
import { compareInstants, earlier, instantKey, later } from '../../schemas/time.js'
import { prorationFraction } from '../periods/proration.js'
import { type ServiceCalendar, type ServicePeriod, serviceCalendar } from '../periods/service-period.js'
import { minus, ofScaled, plus, type Ratio, ratio, times, zero } from '../steps/ratio.js'
import type { CatalogIndex } from './catalog-index.js'
import { planIn } from './plan-currency.js'
import { planTrialEnd } from './plan-trial.js'
import { type Timeline, type Version, versionAt } from './timeline.js'

export type BoundKind = 'minimum' | 'maximum' | 'commitment'

/** An amount that is in force over [fromNs, untilNs): active, and not in a trial. */
export interface BoundPiece {
  readonly amount: Scaled
  readonly fromNs: bigint
  readonly untilNs: bigint
}

export interface BoundLine {
  readonly kind: BoundKind
  /** `minimum`, `maximum`, or the name of the commitment: the price of its charges. */
  readonly name: string
  /** Bounds are settled in this order: minimum, maximum, then commitments by their place. */
  readonly rank: number
  readonly timeline: Timeline
  readonly currency: string
  readonly rounding: Rounding
  readonly unit: ProrationRule
  readonly timezone: string
  readonly calendar: ServiceCalendar
  /** Equal keys, equal calendars. */
  readonly calendarKey: string
  readonly trueUp: TrueUp
  /** Ids of prices; undefined: all but one-off prices. */
  readonly appliesTo: readonly string[] | undefined
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** In their order. */
  readonly pieces: readonly BoundPiece[]
  /** Equal keys go on. */
  readonly frame: string
}

export interface BoundSegment {
  readonly line: BoundLine
  /** What is booked in here is looked at: the whole period or term. */
  readonly period: Pick<ServicePeriod, 'fromNs' | 'untilNs'>
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** When its charge is due: with its period, whose usage may go on under other terms, or with the end of the subscription. */
  readonly dueNs: bigint
  readonly parts: readonly BoundPart[]
  /** In force at its start. */
  readonly version: Version
  readonly chargeId: string
}

/** Of a bound: an amount, and for how many periods. */
export interface BoundPart {
  readonly amount: Scaled
  readonly periods: Ratio
}

/** In the order in which they are settled, those of one bound in order. */
export function boundLinesOf(timeline: Timeline, catalog: CatalogIndex): BoundLine[] {
  const lines: BoundLine[] = []
  const newest = new Map<string, number>()
  const planTrialNs = planTrialEnd(timeline, catalog)
  for (const version of timeline.versions) {
    const published = catalog.plan(version.terms.plan, version.terms.planVersion)
    if (published === undefined) throw new Error(`The plan ${version.terms.plan} is not published.`)
    const plan = planIn(published, timeline.currency)
    for (const bound of boundsOf(plan, version)) {
      const paidFromNs = later(version.fromNs, version.terms.trialUntilNs ?? planTrialNs)
      const line = lineOf(timeline, version, plan, bound, paidFromNs)
      const identity = compositeKey(line.kind, line.name)
      const at = newest.get(identity)
      const before = at === undefined ? undefined : lines[at]!
      if (before?.untilNs === line.fromNs && before.frame === line.frame) {
        lines[at!] = { ...before, untilNs: line.untilNs, pieces: [...before.pieces, ...line.pieces] }
        continue
      }
      newest.set(identity, lines.push(line) - 1)
    }
  }
  return lines.sort(bySettling)
}

interface Bound extends AmountBound {
  readonly kind: BoundKind
  readonly name: string
  readonly rank: number
  readonly trueUp: TrueUp
}

function boundsOf(plan: Plan, { terms }: Version): Bound[] {
  const { minimum, maximum } = plan
  const ofPlan = (kind: 'minimum' | 'maximum', bound: AmountBound | undefined): Bound[] =>
    bound === undefined ? [] : [{ ...bound, kind, name: kind, rank: 0, trueUp: 'period_end' }]
  return [
    ...ofPlan('minimum', minimum),
    ...ofPlan('maximum', maximum),
    ...(terms.commitments ?? []).map(
      ({ commitment: name, ...bound }: Commitment, rank): Bound => ({
        ...bound,
        ...{ kind: 'commitment', name, rank },
      }),
    ),
  ]
}

function lineOf(
  timeline: Timeline,
  version: Version,
  plan: Plan,
  bound: Bound,
  paidFromNs: bigint,
): BoundLine {
  const { terms, fromNs, untilNs } = version
  const { kind, name, rank, amount, trueUp, appliesTo } = bound
  const period = bound.period ?? plan.billingPeriod
  const unit = prorationUnit(plan.proration)
  const isOwed = terms.status === 'active' && paidFromNs < untilNs
  const { currency, rounding } = plan
  const { billingAnchorNs, timezone } = terms
  const calendarKey = compositeKey(instantKey(billingAnchorNs), timezone, period)
  return {
    ...{ kind, name, rank, timeline, currency, rounding, unit, timezone, trueUp, appliesTo, fromNs, untilNs },
    calendar: serviceCalendar(billingAnchorNs, timezone, period),
    calendarKey,
    pieces: isOwed ? [{ amount, fromNs: paidFromNs, untilNs }] : [],
    frame: compositeKey(
      ...[calendarKey, currency, rounding, unit, trueUp],
      trueUp === 'term_end' ? instantKey(terms.termFromNs) : '',
      ...(appliesTo?.toSorted() ?? ['']),
    ),
  }
}

const kinds: readonly BoundKind[] = ['minimum', 'maximum', 'commitment']

function bySettling(a: BoundLine, b: BoundLine): number {
  return (
    kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
    a.rank - b.rank ||
    (a.name < b.name ? -1 : Number(a.name > b.name)) ||
    compareInstants(a.fromNs, b.fromNs)
  )
}

/** Every segment that begins before an instant, in the order in which they are settled. `lines`: in that order. */
export function boundSegmentsBefore(lines: readonly BoundLine[], asOfNs: bigint): BoundSegment[] {
  const segments: BoundSegment[] = []
  /** By bound: up to where what is not prorated is owed already. */
  const owedUntil = new Map<string, bigint>()
  for (const line of lines.toSorted((a, b) => compareInstants(a.fromNs, b.fromNs))) {
    const identity = compositeKey(line.kind, line.name)
    const next = lines.find(
      other => other.kind === line.kind && other.name === line.name && other.fromNs === line.untilNs,
    )
    let fromNs = later(line.fromNs, owedUntil.get(identity) ?? line.fromNs)
    while (fromNs < earlier(line.untilNs, asOfNs)) {
      const segment = segmentAt(line, fromNs, next)
      if (segment.untilNs > line.untilNs) owedUntil.set(identity, segment.untilNs)
      segments.push(segment)
      fromNs = segment.untilNs
    }
  }
  return segments.sort((a, b) => bySettling(a.line, b.line) || compareInstants(a.fromNs, b.fromNs))
}

function segmentAt(line: BoundLine, fromNs: bigint, next: BoundLine | undefined): BoundSegment {
  const { calendar, trueUp, timeline, unit } = line
  const isTerm = trueUp === 'term_end'
  const own = calendar.periodAt(fromNs)
  const endNs = isTerm ? line.untilNs : earlier(own.untilNs, line.untilNs)
  const parts = unit === 'none' ? wholeParts(line, fromNs, endNs) : proratedParts(line, fromNs, endNs)
  // What is owed whole goes on to the end of its period, unless other terms end it.
  const isLeft = unit === 'none' && parts.length > 0 && !isEndedBy(line, next)
  const untilNs = isLeft ? calendar.periodAt(endNs - 1n).untilNs : endNs
  const version = versionAt(timeline, fromNs)
  if (version === undefined) throw new Error(`A bound has no version at ${fromNs}.`)
  const chargeId = stableId(
    'ch',
    timeline.subscriptionId,
    'commitment',
    line.kind,
    line.name,
    instantKey(fromNs),
  )
  const isOver = isTerm || isEndedBy(line, next) || !isInForceIn(timeline, untilNs, own.untilNs)
  const period = isTerm ? { fromNs, untilNs } : own
  return { line, period, fromNs, untilNs, dueNs: isOver ? untilNs : own.untilNs, parts, version, chargeId }
}

function isInForceIn({ versions }: Timeline, fromNs: bigint, untilNs: bigint): boolean {
  return versions.some(version => version.fromNs < untilNs && version.untilNs > fromNs)
}

/** Whether what follows counts by another calendar, or in another currency. */
function isEndedBy(line: BoundLine, next: BoundLine | undefined): boolean {
  return next !== undefined && (next.calendarKey !== line.calendarKey || next.currency !== line.currency)
}

function proratedParts(line: BoundLine, fromNs: bigint, untilNs: bigint): BoundPart[] {
  return line.pieces.flatMap(piece => {
    const startNs = later(piece.fromNs, fromNs)
    const endNs = earlier(piece.untilNs, untilNs)
    if (startNs >= endNs) return []
    return [{ amount: piece.amount, periods: minus(placeOf(line, endNs), placeOf(line, startNs)) }]
  })
}

/** In periods from the anchor, with the part of the one under way. */
function placeOf({ calendar, unit, timezone }: BoundLine, atNs: bigint): Ratio {
  const period = calendar.periodAt(atNs)
  const index = ratio(BigInt(period.index))
  if (period.fromNs === atNs) return index
  const part = prorationFraction(unit, timezone, { fromNs: period.fromNs, untilNs: atNs }, period)
  return plus(index, ratio(part.numerator, part.denominator))
}

function wholeParts({ pieces, calendar }: BoundLine, fromNs: bigint, untilNs: bigint): BoundPart[] {
  const parts: BoundPart[] = []
  /** The first period that no piece has touched yet. */
  let free = calendar.periodAt(fromNs).index
  for (const piece of pieces) {
    const startNs = later(piece.fromNs, fromNs)
    const endNs = earlier(piece.untilNs, untilNs)
    if (startNs >= endNs) continue
    const first = Math.max(free, calendar.periodAt(startNs).index)
    const last = calendar.periodAt(endNs - 1n).index
    if (last < first) continue
    parts.push({ amount: piece.amount, periods: ratio(BigInt(last - first + 1)) })
    free = last + 1
  }
  return parts
}

/** What its charges are held against, exactly. */
export function boundAmount({ parts }: BoundSegment): Ratio {
  return parts.reduce((sum, { amount, periods }) => plus(sum, times(ofScaled(amount), periods)), zero)
}
