// The stages of a plan: from when to when its prices are those of a phase, or its own. docs/pricing.md, "Phases".
// Invariants: stages cover a version without overlap; they follow from the timeline and the catalog alone.
//
// A phase ends with a billing period of the plan: the one in which the plan began is the first, also where it is a part of one.
// A plan begins where another was in force before, or nothing; another version of it, a pause, a trial and a new anchor go on counting in
// the calendar of its beginning. What is counted is the billing period of the version in force.
// Worked example: phases until 3 and 6 periods, from 10 January with the anchor on the 1st: they end on 1 April and 1 July.

import type { Phase, Plan, Price } from '../../schemas/catalog/catalog.js'
import { earlier, endlessNs, later } from '../../schemas/time.js'
import { serviceCalendar } from '../periods/service-period.js'
import type { Version } from './timeline.js'

/** The plan's prices over [fromNs, untilNs), before overrides. */
export interface Stage {
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly prices: readonly Price[]
}

/** The prices of the phase, in the place of those of the plan; found once for each published phase. */
const pricesOfPhase = new WeakMap<Phase, readonly Price[]>()

/** `start`: the version with which the plan began. */
export function stagesOf(version: Version, start: Version, plan: Plan): readonly Stage[] {
  const { phases } = plan
  const { fromNs, untilNs } = version
  if (phases === undefined) return [{ fromNs, untilNs, prices: plan.prices }]
  const { billingAnchorNs, timezone } = start.terms
  const calendar = serviceCalendar(billingAnchorNs, timezone, plan.billingPeriod)
  const first = calendar.periodAt(start.fromNs).index
  const stages: Stage[] = []
  let atNs = fromNs
  for (const phase of phases) {
    const { untilPeriods } = phase
    const endNs = untilPeriods === undefined ? endlessNs : calendar.startOf(first + untilPeriods)
    if (endNs <= atNs) continue
    stages.push({ fromNs: atNs, untilNs: earlier(endNs, untilNs), prices: overlaid(plan, phase) })
    atNs = later(atNs, endNs)
    if (atNs >= untilNs) return stages
  }
  stages.push({ fromNs: atNs, untilNs, prices: plan.prices })
  return stages
}

/** The version with which the plan of a version began: `before` is that of the version before it. */
export function planStart(version: Version, before: Version | undefined): Version {
  return before?.terms.plan === version.terms.plan ? before : version
}

function overlaid(plan: Plan, phase: Phase): readonly Price[] {
  let prices = pricesOfPhase.get(phase)
  if (prices === undefined) {
    prices = withOverrides(plan.prices, phase.prices)
    pricesOfPhase.set(phase, prices)
  }
  return prices
}

/** Prices in their order, an override in the place of the price of that id; overrides of no price follow. */
export function withOverrides(prices: readonly Price[], overrides: readonly Price[]): readonly Price[] {
  if (overrides.length === 0) return prices
  const byId = new Map<string, Price>()
  for (const price of prices) byId.set(price.price, price)
  for (const price of overrides) byId.set(price.price, price)
  return [...byId.values()]
}
