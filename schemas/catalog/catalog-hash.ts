// The hash of everything that is published: what a rated row can be led back to.
// Invariant: it does not depend on the order of meters and plans, nor on how the numbers were spelt.

import { createHash } from 'node:crypto'
import { canonicalJson } from '../json/canonical-json.js'
import type { Catalog } from './catalog.js'
import { meterToWire } from './catalog-meter.js'
import { planToWire } from './catalog-plan.js'
import { couponToWire } from './coupon.js'

/** SHA-256 over canonical JSON of the meters by name, the plans by name and version, and the coupons by code, if there are any. */
export function catalogHash({ meters, plans, coupons }: Catalog): string {
  const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  const content = {
    meters: meters.toSorted((a, b) => byName(a.meter, b.meter)).map(meterToWire),
    plans: plans.toSorted((a, b) => byName(a.plan, b.plan) || a.version - b.version).map(planToWire),
    ...(coupons === undefined
      ? {}
      : { coupons: coupons.toSorted((a, b) => byName(a.code, b.code)).map(couponToWire) }),
  }
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}
