// Plans for the subscriptions of Stripe, which has none: what is sold together is one plan, and each set of prices in which
// it is sold is a version of it.

import { type BillingPeriod, billingPeriodToWire } from '../../../schemas/catalog/billing-period.js'
import type { Findings } from '../findings.js'
import type { ImportedIdentity, ImportedPlan } from '../imported.js'
import type { StripePrice } from './prices.js'

export interface SoldTogether {
  readonly currency: string
  /** Of the plan: the shortest of its prices. */
  readonly billingPeriod: BillingPeriod
  /** At least one. */
  readonly prices: readonly StripePrice[]
}

export interface PlanVersion {
  readonly plan: string
  readonly version: number
}

export class StripePlans {
  readonly #byProducts = new Map<string, Map<string, SoldTogether>>()

  add(sold: SoldTogether): void {
    const key = productsKey(sold)
    const sets = this.#byProducts.get(key) ?? new Map<string, SoldTogether>()
    this.#byProducts.set(key, sets)
    const set = setKey(sold)
    if (!sets.has(set)) sets.set(set, sold)
  }

  /** The plan and version of a set that was added. */
  of(sold: SoldTogether): PlanVersion {
    const versions = this.#versions(productsKey(sold))
    const set = setKey(sold)
    const at = versions.findIndex(one => setKey(one) === set)
    return { plan: this.#nameOf(sold), version: at + 1 }
  }

  plans(): ImportedPlan[] {
    return [...this.#byProducts.keys()].sort().flatMap(key =>
      this.#versions(key).map(sold => ({
        ...this.of(sold),
        currency: sold.currency,
        billingPeriod: sold.billingPeriod,
        proration: 'second' as const,
        prices: sold.prices.toSorted(byId).map(one => priceIn(sold, one)),
      })),
    )
  }

  /** A product that is in one plan alone means it. */
  identities(system: string, findings: Findings): ImportedIdentity[] {
    const plansOf = new Map<string, Set<string>>()
    const prices = new Set<string>()
    for (const sets of this.#byProducts.values())
      for (const sold of sets.values())
        for (const { id, product } of sold.prices) {
          prices.add(id)
          plansOf.set(product, (plansOf.get(product) ?? new Set()).add(this.#nameOf(sold)))
        }
    const identities: ImportedIdentity[] = []
    for (const [product, plans] of [...plansOf].sort()) {
      const [plan = ''] = plans
      if (plans.size === 1 && product !== '')
        identities.push({ object: 'plan', system, theirs: product, ours: plan })
      else
        findings.note(
          'product',
          product,
          '',
          'several_plans',
          `It is sold in ${plans.size} plans, so none is its own among the identities.`,
        )
    }
    return [
      ...identities,
      ...[...prices].sort().map(id => ({ object: 'price' as const, system, theirs: id, ours: id })),
    ]
  }

  /** By age, so that a set that comes later does not move the others. */
  #versions(key: string): readonly SoldTogether[] {
    const age = ({ prices }: SoldTogether) => Math.max(...prices.map(({ created }) => created))
    const sets = [...(this.#byProducts.get(key)?.values() ?? [])]
    return sets.sort((a, b) => age(a) - age(b) || (setKey(a) < setKey(b) ? -1 : 1))
  }

  #nameOf({ prices, billingPeriod, currency }: SoldTogether): string {
    const products = namesOf(prices)
    const others = [...this.#byProducts.keys()].filter(key =>
      key.startsWith(`${products} ${billingPeriod.replace(' ', '-')} `),
    )
    const period = billingPeriod === 'month' ? '' : `:${billingPeriod.replace(' ', '-')}`
    return `${products}${period}${others.length > 1 ? `:${currency.toLowerCase()}` : ''}`
  }
}

/** With a period of its own where it is not the plan's. */
function priceIn({ billingPeriod }: SoldTogether, { wire, note, billingPeriod: own }: StripePrice) {
  return own === billingPeriod
    ? { wire, note }
    : { wire: { ...wire, billing_period: billingPeriodToWire(own) }, note }
}

const byId = (a: StripePrice, b: StripePrice) => (a.id < b.id ? -1 : 1)

function namesOf(prices: readonly StripePrice[]): string {
  return [...new Set(prices.map(({ product, id }) => product || id))].sort().join('+')
}

function productsKey({ prices, billingPeriod, currency }: SoldTogether): string {
  return `${namesOf(prices)} ${billingPeriod.replace(' ', '-')} ${currency}`
}

function setKey({ prices }: SoldTogether): string {
  return prices
    .map(({ id }) => id)
    .sort()
    .join(' ')
}
