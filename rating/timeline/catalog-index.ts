// Looks up the catalog: meters by id and event type, plans by id and version, coupons by code.
// Invariant: never changes once it is made; a catalog that grew gets a new index.

import type { Catalog, Coupon, Meter, Plan } from '../../schemas/catalog/catalog.js'
import { pricesOfPlan } from '../../schemas/catalog/phases.js'

const noMeters: readonly Meter[] = []

export class CatalogIndex {
  readonly #meters: ReadonlyMap<string, Meter>
  readonly #byType = new Map<string, Meter[]>()
  readonly #plans = new Map<string, Map<number, Plan>>()
  readonly #newest = new Map<string, number>()
  readonly #prices = new Set<string>()
  readonly #coupons: ReadonlyMap<string, Coupon>

  constructor(catalog: Catalog) {
    this.#meters = new Map(catalog.meters.map(meter => [meter.meter, meter]))
    for (const meter of this.#meters.values()) {
      for (const type of meter.eventTypes) {
        const known = this.#byType.get(type)
        if (known === undefined) this.#byType.set(type, [meter])
        else known.push(meter)
      }
    }
    this.#coupons = new Map((catalog.coupons ?? []).map(one => [one.code, one]))
    for (const plan of catalog.plans) {
      const versions = this.#plans.get(plan.plan)
      if (versions === undefined) this.#plans.set(plan.plan, new Map([[plan.version, plan]]))
      else versions.set(plan.version, plan)
      for (const { price } of pricesOfPlan(plan)) this.#prices.add(price)
      this.#newest.set(plan.plan, Math.max(plan.version, this.#newest.get(plan.plan) ?? plan.version))
    }
  }

  meter(id: string): Meter | undefined {
    return this.#meters.get(id)
  }

  plan(plan: string, version: number): Plan | undefined {
    return this.#plans.get(plan)?.get(version)
  }

  /** The highest version published; undefined when there is no such plan. */
  newestVersion(plan: string): number | undefined {
    return this.#newest.get(plan)
  }

  /** The ids of the prices that some plan has, in some version. */
  prices(): ReadonlySet<string> {
    return this.#prices
  }

  coupons(): ReadonlyMap<string, Coupon> {
    return this.#coupons
  }

  /** Those that some meter wants. */
  eventTypes(): string[] {
    return [...this.#byType.keys()]
  }

  /** In the catalog's order. */
  metersOfType(eventType: string): readonly Meter[] {
    return this.#byType.get(eventType) ?? noMeters
  }
}
