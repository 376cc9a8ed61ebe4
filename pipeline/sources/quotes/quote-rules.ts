// What a mapping file of quotes says, once it is read.

import type { BillingPeriod, Plan } from '../../../schemas/catalog/catalog.js'
import type { RuleTest } from '../standard/rules.js'
import type { Fields } from './fields.js'

export interface QuoteRules {
  /** IANA; days of the CRM begin there. */
  readonly timezone: string
  readonly fields: Fields
  /** What begins a subscription whose quote names no first day. */
  readonly startDefault: 'none' | 'close_date'
  /** The end that a CRM names is the last day that is in it, or the first that is not. */
  readonly endDate: 'last_day' | 'day_after'
  /** Whether a quote must end. */
  readonly term: 'required' | 'optional'
  readonly entity: EntityRule
  /** Payment terms that we take; undefined: any. */
  readonly terms: readonly string[] | undefined
  /** Countries by entity of ours; undefined: not checked. */
  readonly sellsTo: ReadonlyMap<string, readonly string[]> | undefined
  readonly frequencies: ReadonlyMap<string, BillingPeriod> | undefined
  readonly per: SubscriptionPer
  readonly products: ReadonlyMap<string, ProductRule>
  /** Of the catalog file, where the mapping names one. */
  readonly plans: readonly Plan[] | undefined
  readonly tests: readonly RuleTest[]
}

/** One subscription for the whole quote, for each bundle, or for each value of the field `group` of the lines. */
export const subscriptionPer = ['quote', 'bundle', 'group'] as const
export type SubscriptionPer = (typeof subscriptionPer)[number]

export type EntityRule =
  | { readonly kind: 'none' }
  | { readonly kind: 'constant'; readonly entity: string }
  | { readonly kind: 'map'; readonly map: ReadonlyMap<string, string> }
  /** By the identities. */
  | { readonly kind: 'identity' }

export type ProductRule =
  | { readonly kind: 'plan'; readonly plan: string; readonly version: number | undefined }
  | { readonly kind: 'price'; readonly price: string; readonly netPrice: NetPriceRule }
  | { readonly kind: 'ignore'; readonly reason: string }

/** A net price that differs from the plan's becomes an override, or is left out because the quote says nothing of ours. */
export const netPriceRules = ['override', 'refuse', 'not_ours'] as const
export type NetPriceRule = (typeof netPriceRules)[number]
