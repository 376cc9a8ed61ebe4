// The tiers of `graduated` and `volume`, one line each. Formulas: ../price-models/graduated.ts and volume.ts.
// Bounds of tiers are never prorated, flat amounts are with their price.

import type { Tier } from '../../schemas/catalog/models/tiers.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { prorated } from './part-of-period.js'
import { isAbove, lesser, minus, ofScaled, plus, type Ratio, times, zero } from './ratio.js'
import { money, quantity, type Step, type StepValue, scaledMoney, sumStep, text } from './step.js'

type Part = StepValue | undefined

/** Each unit at the price of its tier; the flat amount of every tier that is entered, the first one always. */
export function explainGraduated(steps: Step[], tiers: readonly Tier[], units: Ratio, part: Part): Ratio {
  const amounts: Ratio[] = []
  let start: Ratio = zero
  for (const [index, tier] of tiers.entries()) {
    if (index > 0 && !isAbove(units, start)) break
    const end = tier.upTo === null ? units : lesser(units, ofScaled(tier.upTo))
    amounts.push(explainTier(steps, tiers, index, minus(end, start), part))
    if (tier.upTo === null) break
    start = ofScaled(tier.upTo)
  }
  return sumStep(steps, 'model', 'graduated', 'tier', amounts, money)
}

/** All units at the price of the tier that holds them. */
export function explainVolume(steps: Step[], tiers: readonly Tier[], units: Ratio, part: Part): Ratio {
  const index = tiers.findIndex(({ upTo }) => upTo === null || !isAbove(units, ofScaled(upTo)))
  const amount = explainTier(steps, tiers, index, units, part)
  return sumStep(steps, 'model', 'volume', 'tier', [amount], money)
}

function explainTier(steps: Step[], tiers: readonly Tier[], index: number, units: Ratio, part: Part): Ratio {
  const { upTo, unitAmount, flatAmount } = tiers[index]!
  const from = formatScaled(tiers[index - 1]?.upTo ?? 0n)
  const above = index === 0 ? '' : `, above ${from}`
  const flat = flatAmount === 0n ? undefined : prorated('flat_amount', scaledMoney(flatAmount), part)
  const result = plus(times(units, ofScaled(unitAmount)), flat?.exact ?? zero)
  steps.push({
    what: 'tier',
    label: `tier ${index + 1}${above}${upTo === null ? '' : `, up to ${formatScaled(upTo)}`}`,
    formula: `units * unit_amount${flat === undefined ? '' : ` + ${flat.formula}`}`,
    values: {
      tier: text(String(index + 1)),
      from: text(from),
      ...(upTo === null ? {} : { up_to: text(formatScaled(upTo)) }),
      units: quantity(units),
      unit_amount: scaledMoney(unitAmount),
      ...flat?.values,
    },
    result: money(result),
  })
  return result
}
