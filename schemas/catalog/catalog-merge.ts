// Merges one catalog into another. Invariant: a published meter, (plan, version), coupon or (event type, version) never changes.

import { hashOfValue } from '../event/event-hash.js'
import { type Rejection, rejected } from '../rejection.js'
import type { Catalog, Meter, Plan, Price } from './catalog.js'
import { schemaKey } from './catalog-event-schema.js'
import { meterToWire } from './catalog-meter.js'
import { planToWire } from './catalog-plan.js'
import { type Coupon, couponToWire, noSuchPrice } from './coupon.js'
import { groupFault } from './group-by.js'
import { modelFault } from './models/registry.js'
import { pricesOfPlan } from './phases.js'

export type MergedCatalog =
  | { readonly kind: 'ok'; readonly catalog: Catalog }
  | { readonly kind: 'conflict'; readonly rejection: Rejection }

/**
 * Both catalogs in one, by meter and by (plan, version). Equal content is no conflict; other content is
 * `conflicting_catalog`, and a price on a meter that neither has is `invalid_catalog`.
 */
export function mergeCatalogs(base: Catalog, added: Catalog): MergedCatalog {
  const meters = new Map(base.meters.map(meter => [meter.meter, meter]))
  const plans = new Map(base.plans.map(plan => [planKey(plan), plan]))
  for (const meter of added.meters) {
    const known = meters.get(meter.meter)
    if (known === undefined) meters.set(meter.meter, meter)
    else if (hashOfValue(meterToWire(known)) !== hashOfValue(meterToWire(meter))) {
      return conflict(`The meter ${meter.meter} is published with other content.`)
    }
  }
  for (const plan of added.plans) {
    const known = plans.get(planKey(plan))
    if (known === undefined) plans.set(planKey(plan), plan)
    else if (hashOfValue(planToWire(known)) !== hashOfValue(planToWire(plan))) {
      return conflict(`Version ${plan.version} of the plan ${plan.plan} is published with other content.`)
    }
    const fault = pricesOfPlan(plan)
      .map(price => referenceFault(price, meters))
      .find(text => text !== undefined)
    if (fault !== undefined)
      return { kind: 'conflict', rejection: rejected('invalid_catalog', fault).rejection }
  }
  const coupons = mergeCoupons(base.coupons, added.coupons, plans.values())
  if ('kind' in coupons) return coupons
  const schemas = mergeSchemas(base.schemas, added.schemas)
  if (typeof schemas === 'string') return conflict(schemas)
  return {
    kind: 'ok',
    catalog: {
      meters: [...meters.values()],
      plans: [...plans.values()],
      ...(coupons.merged === undefined ? {} : { coupons: coupons.merged }),
      ...(schemas === undefined ? {} : { schemas }),
    },
  }
}

/** The same list where nothing new was added. */
function mergeCoupons(
  base: Catalog['coupons'],
  added: Catalog['coupons'],
  plans: Iterable<Plan>,
): { readonly merged: Catalog['coupons'] } | (MergedCatalog & { readonly kind: 'conflict' }) {
  if (added === undefined || added.length === 0) return { merged: base }
  const coupons = new Map<string, Coupon>((base ?? []).map(one => [one.code, one]))
  const before = coupons.size
  const sold = new Set([...plans].flatMap(plan => pricesOfPlan(plan).map(({ price }) => price)))
  for (const one of added) {
    const known = coupons.get(one.code)
    if (known === undefined) coupons.set(one.code, one)
    else if (hashOfValue(couponToWire(known)) !== hashOfValue(couponToWire(one)))
      return conflict(`The coupon ${one.code} is published with other content.`)
    const unknown = one.appliesTo?.find(price => !sold.has(price))
    if (unknown === undefined) continue
    const detail = `The coupon ${one.code} applies to what is not sold. ${noSuchPrice(unknown, sold)}`
    return { kind: 'conflict', rejection: rejected('invalid_catalog', detail).rejection }
  }
  return { merged: coupons.size === before ? base : [...coupons.values()] }
}

/** The same list where nothing new was added; a text where a version is published with other content. */
function mergeSchemas(base: Catalog['schemas'], added: Catalog['schemas']): Catalog['schemas'] | string {
  if (added === undefined || added.length === 0) return base
  const schemas = new Map((base ?? []).map(one => [schemaKey(one), one]))
  const before = schemas.size
  for (const one of added) {
    const known = schemas.get(schemaKey(one))
    if (known === undefined) schemas.set(schemaKey(one), one)
    else if (hashOfValue(known.schema) !== hashOfValue(one.schema))
      return `Version ${one.version} of the schema of ${one.eventType} is published with other content.`
  }
  return schemas.size === before ? base : [...schemas.values()]
}

function planKey(plan: Plan): string {
  return `${plan.version}:${plan.plan}`
}

function referenceFault(price: Price, meters: ReadonlyMap<string, Meter>): string | undefined {
  if (price.kind !== 'usage') return undefined
  const meter = meters.get(price.meter)
  if (meter === undefined)
    return `The price ${price.price} names the meter ${price.meter}, which is not published.`
  return (modelFault(price.model, meter) ?? groupFault(price, meter))?.message
}

function conflict(detail: string): MergedCatalog & { readonly kind: 'conflict' } {
  return { kind: 'conflict', rejection: rejected('conflicting_catalog', detail).rejection }
}
