// Writes a catalog as JSON in the contract's form. Invariant: a written catalog is read back equal.

import type { Catalog } from './catalog.js'
import { eventSchemaToWire } from './catalog-event-schema.js'
import { meterToWire } from './catalog-meter.js'
import { planToWire } from './catalog-plan.js'
import { couponToWire } from './coupon.js'
import type { Wire } from './models/model-shape.js'

/** The catalog in the contract's form; defaults that are zero, false or empty are left out. */
export function catalogToWire({ meters, plans, coupons, schemas }: Catalog): {
  meters: Wire[]
  plans: Wire[]
  coupons?: Wire[]
  schemas?: Wire[]
} {
  return {
    meters: meters.map(meterToWire),
    plans: plans.map(planToWire),
    ...(coupons === undefined ? {} : { coupons: coupons.map(couponToWire) }),
    ...(schemas === undefined ? {} : { schemas: schemas.map(eventSchemaToWire) }),
  }
}
