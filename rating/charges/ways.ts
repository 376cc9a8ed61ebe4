// What it costs to rate a usage price: by which of three ways its events go, and why not by a faster one. It decides nothing:
// it asks what the core asks (added-up, by-total, rater).

import type { Catalog, Meter, Plan, UsagePrice } from '../../schemas/catalog/catalog.js'
import { whyNotAddedUp } from '../aggregations/added-up.js'
import { modelPart } from '../models/registry.js'
import { whyNotByTotal } from './by-total.js'
import { type NotLinear, raterOf } from './rater.js'

/**
 * - `product`: added to a running total; what it costs is one product, without a look at the total.
 * - `total`: added to a running total, and the amount of the new total is computed.
 * - `each_event`: an object is made of every event, and what the price keeps of events is changed by it.
 */
export type Way = 'product' | 'total' | 'each_event'

export interface WayOfPrice {
  readonly plan: string
  readonly version: number
  readonly price: string
  readonly meter: string
  readonly way: Way
  /** Why it is no faster way; empty for `product`. */
  readonly reasons: readonly { readonly code: WayReason; readonly detail: string }[]
}

export type WayReason = NotLinear | 'meter_keeps_values' | 'beside_such_a_meter' | 'beside_such_a_price'

/** `catalog`: has the meters that the plans name. */
export function waysOf(catalog: Catalog): WayOfPrice[] {
  return catalog.plans.flatMap(plan =>
    plan.prices
      .filter(price => price.kind === 'usage')
      .map(price => {
        const reasons = eventReasons(price, plan, catalog)
        const told = { plan: plan.plan, version: plan.version, price: price.price, meter: price.meter }
        if (reasons.length > 0) return { ...told, way: 'each_event', reasons }
        const slower = totalReason(price, meterOf(price, catalog))
        return { ...told, way: slower === undefined ? 'product' : 'total', reasons: slower ?? [] }
      }),
  )
}

function meterOf({ meter: name }: UsagePrice, { meters }: Catalog): Meter {
  const meter = meters.find(one => one.meter === name)
  if (meter === undefined) throw new Error(`The meter ${name} of a price that was read is not there.`)
  return meter
}

/** An event is rated in one piece: what one of its meters or prices needs, all of them go through. */
function eventReasons(price: UsagePrice, plan: Plan, catalog: Catalog): WayOfPrice['reasons'] {
  const own = meterOf(price, catalog)
  const found: { code: WayReason; detail: string }[] = []
  const [byMeter, byPrice] = [whyNotAddedUp(own), whyNotByTotal(price)]
  if (byMeter !== undefined) found.push({ code: 'meter_keeps_values', detail: `${byMeter}` })
  if (byPrice !== undefined) found.push({ code: 'model_keeps_usage', detail: byPrice })
  if (found.length > 0) return found
  for (const meter of catalog.meters) {
    const shared = sharedType(own, meter)
    const why = shared === undefined ? undefined : whyNotAddedUp(meter)
    if (why !== undefined)
      found.push({
        code: 'beside_such_a_meter',
        detail: `the meter ${meter.meter} reads ${shared} too: ${why}`,
      })
  }
  for (const other of plan.prices) {
    if (other.kind !== 'usage') continue
    const shared = sharedType(own, meterOf(other, catalog))
    const why = shared === undefined ? undefined : whyNotByTotal(other)
    if (why !== undefined)
      found.push({
        code: 'beside_such_a_price',
        detail: `the price ${other.price} takes ${shared} too: ${why}`,
      })
  }
  return found
}

function sharedType(one: Meter, other: Meter): string | undefined {
  return one.eventTypes.find(type => other.eventTypes.includes(type))
}

const details: Readonly<Record<Exclude<NotLinear, 'model_keeps_usage' | 'model_not_linear'>, string>> = {
  trial: 'in a trial nothing is owed',
  discount: 'a discount is taken off the amount',
  part_of_a_period: 'an amount is prorated',
  converted: 'the meter divides the sum',
  minimum: 'a minimum is held against the amount',
  maximum: 'a maximum is held against the amount',
  inexact_or_included:
    'included units stand before tiers, or a figure is not exact as a double: a bound that is no whole number, an amount for one unit that is below 0 or more than 9007 of the currency',
}

function totalReason(price: UsagePrice, meter: Meter): WayOfPrice['reasons'] | undefined {
  const { notLinear: code } = raterOf(wholePeriod(price, meter))
  if (code === undefined) return undefined
  const part = modelPart(price.model)
  if (code === 'model_not_linear' && part.kind === 'total')
    return [{ code, detail: `${price.model.model}: ${part.linear.why ?? ''}` }]
  if (code === 'model_keeps_usage' || code === 'model_not_linear')
    throw new Error(`${price.price} follows from a total.`)
  return [{ code, detail: details[code] }]
}

/** The price in a whole period, paid: how most of its events find it. */
function wholePeriod(price: UsagePrice, meter: Meter) {
  const period = { fromNs: 0n, untilNs: 1n }
  return { price, meter, fraction: { numerator: 1n, denominator: 1n }, trial: false, ...period, period }
}
