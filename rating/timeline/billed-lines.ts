// Billed lines: what of a recurring price is billed, from the terms in force. They differ where the price's proration is `none`, for an
// increase or a decrease: then no charge is cut within its service period.
// Invariants: where every change is prorated, the lines are those that come in; of one price, no two billed lines overlap; the parts that are
// owed of a service period, from its first start to its last end, add up to the whole that a start or end without proration makes of it.
//
// At each instant at which the terms change there are the terms that are billed, and those that are in force from then on:
// - from nothing (also from a trial or a suspension): an increase. `none`: the period is owed whole, from its start;
// - within the period, to other terms: an increase or a decrease by what a whole period costs, net of the discount; what costs the same is an
//   increase. `none`: the billed terms go on to the end of the period, and those in force are billed from there;
// - to nothing (also to a trial or a suspension): a decrease to 0;
// - to another calendar (anchor, time zone, period) or currency: an end and a start. `none`: the period that ends is owed whole.
// The rule is that of the terms that are billed, whose period is under way; at a start, of those that start.
// Worked example: 20 a seat, `{on_increase: second, on_decrease: none}`, June. 5 seats; 8 from the 11th; 2 from the 21st. Owed: 100 x 10/30, then
// 160 x 20/30 to the end of June, then 40 a month. MRR: 100, 160, 40, each from its day.

import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { decreaseRule, increaseRule } from '../../schemas/catalog/proration.js'
import { endlessNs } from '../../schemas/time.js'
import { keptPercent } from '../models/kept-percent.js'
import { wholePeriodAmount } from '../models/quantity-price.js'
import { isSameLine } from './line-terms.js'
import { newSegmentCache, type PriceLine } from './segment.js'
import type { Timeline } from './timeline.js'

type Line = PriceLine<RecurringPrice>

/** From an instant on, these terms are in force; undefined: none that owe anything. */
interface Step {
  readonly atNs: bigint
  readonly line: Line | undefined
}

/** `lines`: of all recurring prices, those of one price in order. */
export function billedLines(timeline: Timeline, lines: readonly Line[]): readonly Line[] {
  if (!lines.some(isWhole)) return lines
  const byPrice = new Map<string, Line[]>()
  for (const line of lines) {
    const known = byPrice.get(line.price.price)
    if (known === undefined) byPrice.set(line.price.price, [line])
    else known.push(line)
  }
  return [...byPrice.values()].flatMap(own => (own.some(isWhole) ? new Billing(timeline).of(own) : own))
}

function isWhole({ proration }: Line): boolean {
  return increaseRule(proration) === 'none' || decreaseRule(proration) === 'none'
}

/** The lines of one price. */
class Billing {
  readonly #timeline: Timeline
  readonly #billed: Line[] = []
  /** What is billed, from when on. */
  #standing: { readonly line: Line; readonly fromNs: bigint; readonly isStartWhole: boolean } | undefined
  /** Set while other terms are in force than those that are billed: the end of the period, to which these go on. */
  #heldUntilNs: bigint | undefined
  #inForce: Line | undefined

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  of(lines: readonly Line[]): Line[] {
    for (const step of stepsOf(lines)) {
      this.#passBoundary(step.atNs)
      this.#take(step)
    }
    this.#passBoundary(endlessNs)
    this.#end(endlessNs, false)
    // A trial is told where nothing else is billed.
    for (const line of lines.filter(one => one.trial)) {
      const heldNs = this.#billed.reduce(
        (until, one) => (one.fromNs <= line.fromNs && one.untilNs > until ? one.untilNs : until),
        line.fromNs,
      )
      if (heldNs < line.untilNs)
        this.#billed.push({ ...line, fromNs: heldNs, segments: newSegmentCache(this.#timeline) })
    }
    return this.#billed
  }

  /** What was held ends with its period; the terms in force by then are billed from there. */
  #passBoundary(atNs: bigint): void {
    const boundaryNs = this.#heldUntilNs
    if (boundaryNs === undefined || boundaryNs > atNs) return
    const next = this.#inForce
    this.#end(boundaryNs, false)
    if (next !== undefined && boundaryNs < atNs) this.#start(next, boundaryNs)
  }

  #take({ atNs, line }: Step): void {
    this.#inForce = line
    const standing = this.#standing?.line
    if (standing === undefined) {
      if (line !== undefined) this.#start(line, atNs)
      return
    }
    if (line !== undefined && isSameLine(standing, line)) {
      this.#heldUntilNs = undefined
      return
    }
    const period = standing.calendar.periodAt(atNs)
    const isOtherFrame = line !== undefined && !isSameFrame(standing, line)
    if (period.fromNs === atNs || isOtherFrame) {
      this.#end(atNs, isOtherFrame && decreaseRule(standing.proration) === 'none')
      if (line !== undefined) this.#start(line, atNs)
      return
    }
    const isMore = line !== undefined && costOf(line) >= costOf(standing)
    const rule = isMore ? increaseRule(standing.proration) : decreaseRule(standing.proration)
    if (rule === 'none') {
      this.#heldUntilNs = period.untilNs
      return
    }
    this.#end(atNs, false)
    if (line !== undefined) this.#standing = { line, fromNs: atNs, isStartWhole: false }
  }

  #start(line: Line, fromNs: bigint): void {
    this.#standing = { line, fromNs, isStartWhole: increaseRule(line.proration) === 'none' }
  }

  #end(untilNs: bigint, isEndWhole: boolean): void {
    this.#heldUntilNs = undefined
    if (this.#standing === undefined) return
    const { line, fromNs, isStartWhole } = this.#standing
    this.#standing = undefined
    const segments = newSegmentCache<RecurringPrice>(this.#timeline)
    this.#billed.push({ ...line, fromNs, untilNs, isStartWhole, isEndWhole, segments })
  }
}

/** Nothing is owed in a trial, and no line is there in a suspension. */
function stepsOf(lines: readonly Line[]): Step[] {
  const paid = lines.filter(line => !line.trial)
  return paid.flatMap((line, index): Step[] => {
    const begins = { atNs: line.fromNs, line }
    const isLeft = line.untilNs !== endlessNs && paid[index + 1]?.fromNs !== line.untilNs
    return isLeft ? [begins, { atNs: line.untilNs, line: undefined }] : [begins]
  })
}

function isSameFrame(a: Line, b: Line): boolean {
  const isSameCalendar =
    a.billingPeriod === b.billingPeriod &&
    a.billingAnchorNs === b.billingAnchorNs &&
    a.timezone === b.timezone
  return isSameCalendar && a.currency === b.currency
}

/** Of a whole period, net of the discount: only to be compared. */
function costOf({ price, quantity }: Line): bigint {
  return wholePeriodAmount(price, quantity) * keptPercent(price)
}
