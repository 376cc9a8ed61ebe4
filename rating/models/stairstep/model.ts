// `stairstep`: the flat amount of the tier that holds q is the whole price.
// Worked example: up to 10 for 50, up to 20 for 90, then 150. q = 0: 50; q = 10: 50; q = 11: 90; q = 1000: 150.
// The first tier's amount is due at q = 0, and with a negative quantity, which the first tier holds.
// Source: Recurly and Chargebee, "Stairstep pricing"; Stripe, volume tiers with a flat amount alone.

import type { Tiered } from '../../../schemas/catalog/models/tiers.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { prorated } from '../../steps/part-of-period.js'
import { isAbove, ofScaled } from '../../steps/ratio.js'
import { money, quantity, scaledMoney, text } from '../../steps/step.js'
import { linearTiers } from '../linear.js'
import type { TotalModel } from '../model.js'
import { type TierTable, tieredModel, tierIndex } from '../tiers/tier-table.js'

export const stairstep: TotalModel<Tiered<'stairstep'>, TierTable> = {
  ...tieredModel(),
  kind: 'total',
  amountOf: (units, { bounds, flatAmounts }) => flatAmounts[tierIndex(bounds, units)]!,
  // Within a tier nothing is added.
  linear: {
    of: (tiers, included) => (included === 0n ? linearTiers(tiers.bounds, tiers.unitAmounts) : undefined),
  },
  explain(steps, { tiers }, units, part) {
    const index = tiers.findIndex(({ upTo }) => upTo === null || !isAbove(units, ofScaled(upTo)))
    const { upTo, flatAmount } = tiers[index]!
    const from = index === 0 ? '' : `, above ${formatScaled(tiers[index - 1]!.upTo ?? 0n)}`
    const until = upTo === null ? '' : `, up to ${formatScaled(upTo)}`
    const flat = prorated('flat_amount', scaledMoney(flatAmount), part)
    steps.push({
      what: 'model',
      label: `stairstep, tier ${index + 1}${from}${until}`,
      formula: flat.formula,
      values: { tier: text(String(index + 1)), units: quantity(units), ...flat.values },
      result: money(flat.exact),
    })
    return flat.exact
  },
}
