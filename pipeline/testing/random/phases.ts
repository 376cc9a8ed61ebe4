// Random phases of plans, each so many periods longer than the one before; the last now and then has no end.

import fc from 'fast-check'
import type { Wire } from './picks.js'

type Picked = readonly { readonly periods: number; readonly picks: readonly number[] }[]

const none: Picked = []

export const phases = fc.record({
  chosen: fc.constantFrom<Picked>(
    ...[none, none, none],
    [{ periods: 1, picks: [1] }],
    [{ periods: 3, picks: [0, 2] }],
    [
      { periods: 1, picks: [3, 4] },
      { periods: 2, picks: [2] },
    ],
  ),
  hasLast: fc.boolean(),
})

type Choice = typeof phases extends fc.Arbitrary<infer T> ? T : never

/** Undefined: none. `priceOf`: the price of an index. */
export function phasesOf({ chosen, hasLast }: Choice, priceOf: (pick: number) => Wire): Wire[] | undefined {
  if (chosen.length === 0) return undefined
  let past = 0
  return chosen.map(({ periods, picks }, n) => {
    past += periods
    const isEndless = hasLast && n > 0 && n === chosen.length - 1
    const prices = [...new Map(picks.map(pick => [priceOf(pick)['price'], priceOf(pick)])).values()]
    return isEndless ? { prices } : { until: { periods: past }, prices }
  })
}

/** Of a plan: its own prices and those of its phases. */
export function everyPrice(plan: Wire): Wire[] {
  const all = [plan, ...((plan['phases'] as Wire[] | undefined) ?? [])]
  return all.flatMap(one => one['prices'] as Wire[])
}
