// Random minimums and maximums of plans, and commitments of subscriptions. Amounts are chosen near what charges come to, so that bounds
// are kept and not kept.

import fc from 'fast-check'

type Wire = Readonly<Record<string, unknown>>

const amounts = ['30', '5', '0.37', '120.5', '1000', '33.333333333333'] as const
const listed = fc.constantFrom<readonly string[] | undefined>(
  ...[undefined, undefined, undefined, undefined],
  ...[['ua'], ['base', 'ub'], ['setup', 'seats'], ['uc', 'ua', 'setup']],
)
const ownPeriod = fc.constantFrom<number | undefined>(undefined, undefined, undefined, 0, 1, 2, 3)

const bound = fc.record({ amount: fc.constantFrom(...amounts), listed, own: ownPeriod })
type Bound = Value<typeof bound>
type Value<T> = T extends fc.Arbitrary<infer V> ? V : never

const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

export const planBounds = fc.record({ minimum: seldom(bound), maximum: seldom(bound) })

/** The fields of a plan that has these prices; `periods`: what prices of the pace have of their own. */
export function boundsOf(
  { minimum, maximum }: Value<typeof planBounds>,
  prices: readonly Wire[],
  periods: readonly unknown[],
): Wire {
  const sold = new Set(prices.map(one => one['price']))
  const least = minimum && wireOf(minimum, sold, periods)
  let most = maximum && wireOf(maximum, sold, periods)
  // One that is below the minimum over the same prices and period is refused.
  if (isContradicted(least, most)) most = undefined
  return {
    ...(least === undefined ? {} : { minimum: least }),
    ...(most === undefined ? {} : { maximum: most }),
  }
}

function isContradicted(minimum: Wire | string | undefined, maximum: Wire | string | undefined): boolean {
  const amountOf = (one: Wire | string) => Number(typeof one === 'string' ? one : one['amount'])
  return minimum !== undefined && maximum !== undefined && amountOf(minimum) > amountOf(maximum)
}

function wireOf(
  { amount, listed: names, own }: Bound,
  sold: ReadonlySet<unknown>,
  periods: readonly unknown[],
) {
  const appliesTo = names?.filter(name => sold.has(name)) ?? []
  if (appliesTo.length === 0 && own === undefined) return amount
  return {
    amount,
    ...(appliesTo.length === 0 ? {} : { applies_to: appliesTo }),
    ...(own === undefined ? {} : { period: periods[own % periods.length] }),
  }
}

const commitment = fc.record({
  commitment: fc.constantFrom('spend', 'spend', 'extra', 'minimum'),
  amount: fc.constantFrom(...amounts),
  own: ownPeriod,
  isOfTerm: fc.constantFrom(false, false, true),
  listed,
  currency: fc.constantFrom(...Array<undefined>(14).fill(undefined), 'USD', 'EUR'),
})

/** Those of a subscription; each name once. */
export const commitments = fc.uniqueArray(commitment, {
  maxLength: 2,
  size: 'max',
  selector: one => one.commitment,
})

/** `hasEnd`: whether a commitment may be trued up at the end of the term. `isSold`: whether a change may name the price. */
export function commitmentsOf(
  chosen: Value<typeof commitments>,
  hasEnd: boolean,
  isSold: (price: string) => boolean,
  periods: readonly unknown[],
): Wire[] {
  return chosen.map(({ own, isOfTerm, listed: names, currency, ...rest }) => {
    const appliesTo = names?.filter(isSold) ?? []
    return {
      ...rest,
      true_up: isOfTerm && hasEnd ? 'term_end' : 'period_end',
      ...(own === undefined ? {} : { period: periods[own % periods.length] }),
      ...(appliesTo.length === 0 ? {} : { applies_to: appliesTo }),
      ...(currency === undefined ? {} : { currency }),
    }
  })
}
