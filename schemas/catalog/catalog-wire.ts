// Writes a catalog as JSON in the contract's form, and merges one catalog into another.
// Invariants: a written catalog is read back equal; a published meter, (plan, version) or (event type, version) never changes.

import { hashOfValue } from '../event/event-hash.js'
import { type Rejection, rejected } from '../rejection.js'
import { aggregationFacts } from './aggregations.js'
import type { Catalog, Meter, Plan, Price } from './catalog.js'
import { eventSchemaToWire, schemaKey } from './catalog-event-schema.js'
import { decimal, type Wire } from './models/model-shape.js'
import { shapeOf } from './models/registry.js'

/** The catalog in the contract's form; defaults that are zero, false or empty are left out. */
export function catalogToWire({ meters, plans, schemas }: Catalog): {
  meters: Wire[]
  plans: Wire[]
  schemas?: Wire[]
} {
  return {
    meters: meters.map(meterToWire),
    plans: plans.map(planToWire),
    ...(schemas === undefined ? {} : { schemas: schemas.map(eventSchemaToWire) }),
  }
}

export function meterToWire(meter: Meter): Wire {
  return {
    meter: meter.meter,
    event_type: meter.eventType,
    aggregation: meter.aggregation,
    ...(meter.value === undefined ? {} : { value: meter.value.join('.') }),
    ...decimal('percentile', meter.percentile),
    ...(meter.filters.size === 0 ? {} : { filters: Object.fromEntries(meter.filters) }),
    ...(meter.dimensions.length === 0 ? {} : { dimensions: meter.dimensions }),
    ...(meter.unit === undefined ? {} : { unit: meter.unit }),
    ...(meter.allowNegative === (aggregationFacts[meter.aggregation].negativeByDefault ?? false)
      ? {}
      : { allow_negative: meter.allowNegative }),
  }
}

export function planToWire(plan: Plan): Wire {
  return {
    plan: plan.plan,
    version: plan.version,
    currency: plan.currency,
    billing_period: plan.billingPeriod,
    proration: plan.proration,
    rounding: plan.rounding,
    ...(plan.minimumWhenSuspended ? { minimum_when_suspended: true } : {}),
    prices: plan.prices.map(priceToWire),
  }
}

export function priceToWire(price: Price): Wire {
  const discount = {
    ...(price.discountPercent === 0n && price.discountPeriods === undefined
      ? {}
      : decimal('discount_percent', price.discountPercent)),
    ...(price.discountPeriods === undefined ? {} : { discount_periods: price.discountPeriods }),
  }
  if (price.kind === 'recurring') {
    const { kind, per, timing } = price
    return {
      price: price.price,
      kind,
      ...decimal('amount', price.amount),
      per,
      ...decimal('default_quantity', price.defaultQuantity),
      timing,
      ...discount,
    }
  }
  return {
    price: price.price,
    kind: price.kind,
    meter: price.meter,
    model: price.model.model,
    ...shapeOf(price.model.model).toWire(price.model),
    ...(price.included === 0n ? {} : decimal('included', price.included)),
    ...discount,
    ...decimal('minimum', price.minimum),
    ...decimal('maximum', price.maximum),
    ...(price.prorate ? { prorate: true } : {}),
  }
}

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
    const fault = plan.prices.map(price => referenceFault(price, meters)).find(text => text !== undefined)
    if (fault !== undefined)
      return { kind: 'conflict', rejection: rejected('invalid_catalog', fault).rejection }
  }
  const schemas = mergeSchemas(base.schemas, added.schemas)
  if (typeof schemas === 'string') return conflict(schemas)
  return {
    kind: 'ok',
    catalog: {
      meters: [...meters.values()],
      plans: [...plans.values()],
      ...(schemas === undefined ? {} : { schemas }),
    },
  }
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
  return shapeOf(price.model.model).fault?.(price.model, meter)?.message
}

function conflict(detail: string): MergedCatalog {
  return { kind: 'conflict', rejection: rejected('conflicting_catalog', detail).rejection }
}
