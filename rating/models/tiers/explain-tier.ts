// A tier of `graduated` or `volume` as a line. Bounds of tiers are never prorated, flat amounts are with their price.

import type { Tier } from '../../../schemas/catalog/models/tiers.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { type Part, prorated } from '../../steps/part-of-period.js'
import { ofScaled, plus, type Ratio, times, zero } from '../../steps/ratio.js'
import { money, quantity, type Step, scaledMoney, text } from '../../steps/step.js'

export function explainTier(
  steps: Step[],
  tiers: readonly Tier[],
  index: number,
  units: Ratio,
  part: Part,
): Ratio {
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
