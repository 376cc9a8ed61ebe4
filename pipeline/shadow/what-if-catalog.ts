// The catalog of a replay: what is published, with the terms that are tried in the place of the published ones.
// Invariant: every published version of a plan keeps its number, since subscriptions name it; its content becomes that of
// the newest version that is tried. Nothing is published.

import type { Catalog, Meter, Plan } from '../../schemas/catalog/catalog.js'
import { meterToWire } from '../../schemas/catalog/catalog-meter.js'
import { planToWire } from '../../schemas/catalog/catalog-plan.js'
import { hashOfValue } from '../../schemas/event/event-hash.js'

export function whatIfCatalog(published: Catalog, tried: Catalog): Catalog {
  const newest = new Map<string, Plan>()
  for (const plan of tried.plans) {
    const known = newest.get(plan.plan)
    if (known === undefined || known.version < plan.version) newest.set(plan.plan, plan)
  }
  const plans = new Map<string, Plan>()
  for (const plan of [...tried.plans, ...published.plans]) {
    const content = newest.get(plan.plan) ?? plan
    plans.set(`${plan.version}:${plan.plan}`, { ...content, version: plan.version })
  }
  const meters = new Map([...published.meters, ...tried.meters].map(meter => [meter.meter, meter]))
  const coupons = new Map(
    [...(published.coupons ?? []), ...(tried.coupons ?? [])].map(one => [one.code, one]),
  )
  return {
    meters: [...meters.values()],
    plans: [...plans.values()],
    ...(coupons.size === 0 ? {} : { coupons: [...coupons.values()] }),
  }
}

/** The meters that are not published, or are published with other content: no history has their readings. */
export function metersWithoutHistory(published: Catalog, tried: Catalog): readonly Meter[] {
  const known = new Map(published.meters.map(meter => [meter.meter, hashOfValue(meterToWire(meter))]))
  return tried.meters.filter(meter => known.get(meter.meter) !== hashOfValue(meterToWire(meter)))
}

/** The plans of `tried` in versions that are not published as they stand there. */
export function plansNotPublished(published: Catalog, tried: Catalog): readonly Plan[] {
  const hash = (plan: Plan) => hashOfValue(planToWire(plan))
  const known = new Map(published.plans.map(plan => [`${plan.version}:${plan.plan}`, hash(plan)]))
  return tried.plans.filter(plan => known.get(`${plan.version}:${plan.plan}`) !== hash(plan))
}
