// Which coupons a subscription has when: the codes of its terms, within the dates of each coupon and its number of periods.
// It owns no arithmetic (charges/coupons.ts, mrr/coupon-mrr.ts).
// Invariants: it follows from the timeline and the catalog alone; a coupon ends at one instant, however the subscription is
// amended: `duration_periods` are counted in the calendar of the plan that was in force when the coupon first was.

import type { Coupon, Plan } from '../../schemas/catalog/catalog.js'
import { beginninglessNs, earlier, endlessNs, later } from '../../schemas/time.js'
import { type ServiceCalendar, type ServicePeriod, serviceCalendar } from '../periods/service-period.js'
import type { CatalogIndex } from './catalog-index.js'
import type { ResolvedTerms, Timeline, Version } from './timeline.js'

/** Over [fromNs, untilNs), where the terms name it. */
export interface CouponSpan {
  readonly coupon: Coupon
  readonly fromNs: bigint
  readonly untilNs: bigint
}

export class CouponTerms {
  readonly #spans: ReadonlyMap<string, CouponSpan>
  readonly #catalog: CatalogIndex

  private constructor(spans: ReadonlyMap<string, CouponSpan>, catalog: CatalogIndex) {
    this.#spans = spans
    this.#catalog = catalog
  }

  /** Undefined for a subscription that has no coupon at any time. */
  static of(timeline: Timeline, catalog: CatalogIndex): CouponTerms | undefined {
    if (!timeline.versions.some(({ terms }) => terms.coupons !== undefined)) return undefined
    const spans = new Map<string, CouponSpan>()
    for (const version of timeline.versions) {
      for (const code of version.terms.coupons ?? []) {
        const coupon = catalog.coupons().get(code)
        if (coupon === undefined) throw new Error(`The coupon ${code} is not published.`)
        if (spans.has(code)) continue
        const fromNs = later(version.fromNs, coupon.fromNs ?? beginninglessNs)
        // A version that ends before the coupon begins is not the one in which it is first in force.
        if (fromNs < version.untilNs) spans.set(code, spanOf(coupon, fromNs, version.terms, catalog))
      }
    }
    return new CouponTerms(spans, catalog)
  }

  get spans(): Iterable<CouponSpan> {
    return this.#spans.values()
  }

  /** By their place in the terms; undefined where the coupon of that place is not in force at the instant. */
  inForce({ terms }: Version, atNs: bigint): readonly (Coupon | undefined)[] {
    return (terms.coupons ?? []).map(code => {
      const span = this.#spans.get(code)
      return span !== undefined && span.fromNs <= atNs && atNs < span.untilNs ? span.coupon : undefined
    })
  }

  /** The billing period of the plan that holds an instant: an amount off is taken once in each. */
  periodAt({ terms }: Version, atNs: bigint): ServicePeriod {
    return calendarOf(terms, this.#catalog).periodAt(atNs)
  }

  planOf(terms: ResolvedTerms): Plan {
    return planOf(terms, this.#catalog)
  }
}

function spanOf(coupon: Coupon, fromNs: bigint, terms: ResolvedTerms, catalog: CatalogIndex): CouponSpan {
  const untilNs = coupon.untilNs ?? endlessNs
  if (coupon.durationPeriods === undefined) return { coupon, fromNs, untilNs }
  const calendar = calendarOf(terms, catalog)
  const endNs = calendar.startOf(calendar.periodAt(fromNs).index + coupon.durationPeriods)
  return { coupon, fromNs, untilNs: earlier(untilNs, endNs) }
}

function calendarOf(terms: ResolvedTerms, catalog: CatalogIndex): ServiceCalendar {
  return serviceCalendar(terms.billingAnchorNs, terms.timezone, planOf(terms, catalog).billingPeriod)
}

function planOf(terms: ResolvedTerms, catalog: CatalogIndex): Plan {
  const plan = catalog.plan(terms.plan, terms.planVersion)
  if (plan === undefined) throw new Error(`The plan ${terms.plan} ${terms.planVersion} is not published.`)
  return plan
}
