// Checks that the amounts of a subscription without usage fit into 38 digits: its recurring prices over a whole billing
// period, its one-off prices, its MRR, and the minimums of its usage prices. Usage is checked in value-range.ts.
// Invariant: a subscription that passes has no charge and no MRR of more than 38 digits, for any part of a period.

import type { Price, UsagePrice } from '../../schemas/catalog/catalog.js'
import { magnitude, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { newAccumulator } from '../charges/accumulator.js'
import { oneOffCharge } from '../charges/one-off.js'
import { chargeOf } from '../charges/rate.js'
import { recurringCharge } from '../charges/recurring.js'
import { wholePeriodAmount } from '../models/quantity-price.js'
import { partOf } from '../models/registry.js'
import { type MrrChange, mrrTimeline } from '../mrr/mrr.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { CatalogIndex } from '../timeline/catalog-index.js'
import { planIn } from '../timeline/plan-currency.js'
import { type PriceLine, pricesOfTerms, type SubscriptionPrices } from '../timeline/price-lines.js'
import type { ResolvedTerms } from '../timeline/timeline.js'
import { isBeyond, isBeyondPayable } from './value-range.js'

const whole = { numerator: 1n, denominator: 1n }
/** 10^14 units a month: of less, more than a partition holds would have to come together. */
export const largeMrr: Scaled = 10n ** 14n * scaledOne

/** A cheap first check: false where amounts are far below 38 digits, which ends the check for nearly every change. */
export function mayBeLarge(terms: ResolvedTerms, catalog: CatalogIndex, currency: string): boolean {
  const published = catalog.plan(terms.plan, terms.planVersion)
  if (published === undefined) return false
  const plan = planIn(published, currency)
  let perPeriod = 0n
  for (const price of pricesOfTerms(plan, terms)) perPeriod += mostWithoutUsage(price, terms)
  // A month has not quite 31 days.
  return perPeriod * 31n > largeMrr
}

function mostWithoutUsage(price: Price, terms: ResolvedTerms): Scaled {
  if (price.kind !== 'usage') {
    const { per, defaultQuantity } = price
    const quantity = per === 'unit' ? (terms.quantities.get(price.price) ?? defaultQuantity ?? 0n) : scaledOne
    const whole = price.kind === 'one_off' ? price.amount * quantity : wholePeriodAmount(price, quantity)
    return magnitude(whole) / scaledOne + 1n
  }
  const { model, minimum = 0n } = price
  const flat = partOf(price).dueUnused?.(model) ?? 0n
  return magnitude(minimum) + magnitude(flat)
}

/** The price whose amount has more than 38 digits, or `MRR`. */
export function beyondRange(prices: SubscriptionPrices, catalog: CatalogIndex): string | undefined {
  for (const line of prices.recurring) {
    if (isBeyondPayable(recurringCharge({ line, fraction: whole }).amount, line))
      return `The price ${line.price.price}`
  }
  for (const line of prices.oneOff) {
    if (isBeyondPayable(oneOffCharge(line).amount, line)) return `The price ${line.price.price}`
  }
  for (const line of [...prices.usage.values()].flat()) {
    if (isBeyondPayable(owedUnused(line, catalog), line))
      return `The price ${line.price.price}, without usage,`
  }
  // Before coupons: no coupon makes terms acceptable.
  return isAnyBeyond(mrrTimeline({ ...prices, coupons: undefined }))
    ? 'The MRR of the subscription'
    : undefined
}

/** Steps from one MRR to the next are the amounts of movements. */
function isAnyBeyond(changes: readonly MrrChange[]): boolean {
  const mrrOf = new Map<string, Scaled>()
  return changes.some(({ currency, mrr }) => {
    const before = mrrOf.get(currency) ?? 0n
    mrrOf.set(currency, mrr)
    return isBeyond(mrr) || isBeyond(mrr - before)
  })
}

function owedUnused({ price, trial, fromNs }: PriceLine<UsagePrice>, catalog: CatalogIndex): Scaled {
  const meter = catalog.meter(price.meter)
  if (meter === undefined) throw new Error(`The meter ${price.meter} of a price in force is not known.`)
  const span = { fromNs, untilNs: fromNs + 1n }
  const basis: ChargeBasis = { price, meter, fraction: whole, trial, ...span, period: span }
  return chargeOf(basis, newAccumulator(basis)).amount
}
