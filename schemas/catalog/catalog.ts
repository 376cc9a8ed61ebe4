// The catalog in memory: meters, and plans with their prices. Contract section 3.
// Invariants: a parsed catalog is complete (every reference resolves, tiers are ordered and end in null), and a
// published version never changes. Decimals are scaled integers (10^-12).

import type { EventSchema } from '../event-schemas/event-schema.js'
import type { Rounding, Scaled } from '../money/decimal.js'
import type { Aggregation } from './aggregations.js'
import type { AmountBound } from './amount-bound.js'
import type { BillingPeriod } from './billing-period.js'
import type { Coupon } from './coupon.js'
import type { GroupBy } from './group-by.js'
import type { MeterFilters } from './meter-filter.js'
import type { MeterValue } from './meter-value.js'
import type { MeterWindow } from './meter-window.js'
import type { QuantityModel } from './models/quantity-models.js'
import type { PriceModel } from './models/registry.js'
import type { Proration, ProrationRule } from './proration.js'

export type { AmountBound } from './amount-bound.js'
export type { BillingPeriod } from './billing-period.js'
export type { Coupon } from './coupon.js'
export type { MeterFilters } from './meter-filter.js'
export type { PriceModel } from './models/registry.js'

export interface Meter extends MeterValue {
  readonly meter: string
  /** One or more, each once. */
  readonly eventTypes: readonly string[]
  readonly aggregation: Aggregation
  /** The aggregation is then over what each window comes to. */
  readonly window?: MeterWindow
  /** For `percentile` alone: scaled, above 0 and up to 100. */
  readonly percentile?: Scaled
  /** An event must match all. */
  readonly filters: MeterFilters
  readonly dimensions: readonly string[]
  readonly unit?: string
  readonly allowNegative: boolean
}

export interface UsagePrice extends GroupBy {
  readonly kind: 'usage'
  readonly price: string
  /** The price in further currencies, whole; absent: it is in that of the plan alone. */
  readonly currencies?: ReadonlyMap<string, UsagePrice>
  readonly meter: string
  readonly model: PriceModel
  /** Its own; absent: the plan's. */
  readonly billingPeriod?: BillingPeriod
  readonly proration?: ProrationRule
  /** Units free per service period. */
  readonly included: Scaled
  /** Per cent, scaled. */
  readonly discountPercent: Scaled
  /** Periods of the price, counted from the subscription's anchor, that the discount lasts; absent: for ever. */
  readonly discountPeriods?: number
  readonly minimum?: Scaled
  readonly maximum?: Scaled
  readonly prorate: boolean
}

export interface RecurringPrice {
  readonly kind: 'recurring'
  readonly price: string
  /** The price in further currencies, whole; absent: it is in that of the plan alone. */
  readonly currencies?: ReadonlyMap<string, RecurringPrice>
  /** Of the subscription or of a unit; absent where a model prices the quantity. */
  readonly amount?: Scaled
  /** Only per unit. */
  readonly model?: QuantityModel
  readonly per: 'subscription' | 'unit'
  /** Units that are free; only per unit. Absent: none. */
  readonly included?: Scaled
  /** Of a price per unit: the quantity of a subscription that sets none. */
  readonly defaultQuantity?: Scaled
  readonly timing: 'in_advance' | 'in_arrears'
  /** Its own; absent: the plan's. */
  readonly billingPeriod?: BillingPeriod
  readonly proration?: Proration
  readonly discountPercent: Scaled
  readonly discountPeriods?: number
}

/** Owed once per subscription and price id, when it first comes into force. */
export interface OneOffPrice {
  readonly kind: 'one_off'
  readonly price: string
  /** The price in further currencies, whole; absent: it is in that of the plan alone. */
  readonly currencies?: ReadonlyMap<string, OneOffPrice>
  readonly amount: Scaled
  readonly per: 'subscription' | 'unit'
  readonly defaultQuantity?: Scaled
  readonly timing: 'at_start'
  readonly discountPercent: Scaled
  /** It has none of these: it is owed once, and whole. */
  readonly discountPeriods?: undefined
  readonly billingPeriod?: undefined
  readonly proration?: undefined
}

export type Price = UsagePrice | RecurringPrice | OneOffPrice

/** Prices of the plan until so many of its billing periods have passed. */
export interface Phase {
  /** Counted from the start of the plan; absent: no end, of the last phase alone. */
  readonly untilPeriods?: number
  /** Each in the place of the plan's price of that id, or beside them. */
  readonly prices: readonly Price[]
}

export interface Plan {
  readonly plan: string
  readonly version: number
  /** ISO 4217. */
  readonly currency: string
  readonly billingPeriod: BillingPeriod
  readonly proration: Proration
  readonly rounding: Rounding
  /** Whether minimums and flat amounts are owed for a service period that lies in a suspension from end to end. */
  readonly minimumWhenSuspended: boolean
  /** Of a subscription that starts on it and says no trial of its own; absent: none. */
  readonly trialDays?: number
  /** In order; absent: none. After the last the plan's own prices hold. */
  readonly phases?: readonly Phase[]
  /** What its charges of a period come to at least, and at most. Absent: no bound. */
  readonly minimum?: AmountBound
  readonly maximum?: AmountBound
  readonly prices: readonly Price[]
}

export interface Catalog {
  readonly meters: readonly Meter[]
  readonly plans: readonly Plan[]
  /** Absent: none. */
  readonly coupons?: readonly Coupon[]
  /** Of types of events. Absent: none. */
  readonly schemas?: readonly EventSchema[]
}
