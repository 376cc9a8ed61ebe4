// What a plan says by itself, without an event. docs/pricing.md: its trial, which holds from the first instant in force where the
// terms say none of their own; its phases, each up to the end of a billing period of the plan, counted from where the plan began.

import type { Catalog, Plan, Price } from '../../../schemas/catalog/catalog.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { periodAt, periodStart } from './calendar.js'
import { instantsOf, type Terms, termsAt } from './terms.js'

/** Every instant at which terms, or what the plan says of them, can begin or end, ascending. */
export function allInstantsOf(changes: readonly SubscriptionChange[], catalog: Catalog): bigint[] {
  const all = new Set([...instantsOf(changes), ...trialEnd(changes, catalog), ...phaseEnds(changes, catalog)])
  return [...all].sort((a, b) => (a < b ? -1 : 1))
}

export function isTrial(
  terms: Terms,
  changes: readonly SubscriptionChange[],
  catalog: Catalog,
  atNs: bigint,
): boolean {
  const [untilNs = -1n] = terms.trialUntilNs === undefined ? trialEnd(changes, catalog) : [terms.trialUntilNs]
  return atNs < untilNs
}

/** Of the plan on which the subscription starts; none: it has no trial. */
function trialEnd(changes: readonly SubscriptionChange[], catalog: Catalog): bigint[] {
  const startNs = instantsOf(changes).find(atNs => termsAt(changes, atNs) !== undefined)
  if (startNs === undefined) return []
  const terms = termsAt(changes, startNs)!
  const days = planOf(catalog, terms.plan, terms.planVersion)?.trialDays
  return days === undefined ? [] : [periodStart(startNs, terms.timezone, 'day', days)]
}

export function planOf(catalog: Catalog, plan: string, version: number | undefined): Plan | undefined {
  return catalog.plans.find(one => one.plan === plan && one.version === version)
}

/** The prices that the plan in force has at an instant: those of the phase replace its own. */
export function pricesAt(changes: readonly SubscriptionChange[], catalog: Catalog, atNs: bigint): Price[] {
  const terms = termsAt(changes, atNs)!
  const plan = planOf(catalog, terms.plan, terms.planVersion)!
  const ends = endsAt(changes, catalog, atNs)
  const phase = (plan.phases ?? []).find((_, n) => ends[n] === undefined || atNs < ends[n])
  const all = [...plan.prices, ...(phase?.prices ?? [])]
  return [...new Map(all.map(price => [price.price, price])).values()]
}

/** What the plan has in each of its phases, and after them. */
export function everyPhase({ prices, phases = [] }: Plan): Price[][] {
  const each = phases.map(phase => [
    ...new Map([...prices, ...phase.prices].map(one => [one.price, one])).values(),
  ])
  return [...each, [...prices]]
}

function phaseEnds(changes: readonly SubscriptionChange[], catalog: Catalog): bigint[] {
  return instantsOf(changes)
    .filter(atNs => termsAt(changes, atNs) !== undefined)
    .flatMap(atNs => endsAt(changes, catalog, atNs))
    .filter(endNs => endNs !== undefined)
}

/** Where each phase of the plan in force ends; undefined: it has no end. */
function endsAt(
  changes: readonly SubscriptionChange[],
  catalog: Catalog,
  atNs: bigint,
): readonly (bigint | undefined)[] {
  const { plan: id, planVersion } = termsAt(changes, atNs)!
  const plan = planOf(catalog, id, planVersion)
  if (plan?.phases === undefined) return []
  // Back to the first instant of the same plan; where nothing is in force it goes on.
  let start = { atNs, terms: termsAt(changes, atNs)! }
  for (const earlierNs of instantsOf(changes)
    .filter(one => one <= atNs)
    .reverse()) {
    const terms = termsAt(changes, earlierNs)
    if (terms === undefined) continue
    if (terms.plan !== id) break
    start = { atNs: earlierNs, terms }
  }
  const { anchorNs, timezone } = start.terms
  const firstNs = periodAt(anchorNs, timezone, plan.billingPeriod, start.atNs).fromNs
  return plan.phases.map(({ untilPeriods }) => {
    let endNs: bigint | undefined = untilPeriods === undefined ? undefined : firstNs
    for (let n = 0; endNs !== undefined && n < untilPeriods!; n += 1)
      endNs = periodAt(anchorNs, timezone, plan.billingPeriod, endNs).untilNs
    return endNs
  })
}
