// `convert` of a meter: a quantity in the unit of the events, divided to that which is priced.
// Formula: quantity = aggregated / divide_by, exact; with `round` each event's value / divide_by is rounded to `places`
// first (`up` is away from zero, `down` towards it) and the aggregation takes what comes out.
// Worked example: 1500 and 700 bytes, divide_by 1024. Unrounded 2200 / 1024 = 2.1484375; rounded up by event 2 + 1 = 3.
// Sources: Stripe, `transform_quantity[divide_by]` and `[round]` (up, down); Flexprice, "Custom Expression",
// ceil(duration_ms / 1000) by event.

import type { ConvertRounding } from '../../schemas/catalog/meter-convert.js'
import type { MeterValue } from '../../schemas/catalog/meter-value.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { ofScaled, one, over, type Ratio, ratio } from '../steps/ratio.js'

type Converted = Pick<MeterValue, 'convert'>

const factors = new WeakMap<NonNullable<MeterValue['convert']>, Ratio>()

/** What the aggregated quantity is multiplied by: one where nothing is converted, or each event is by itself. */
export function conversionOf({ convert }: Converted): Ratio {
  if (convert === undefined || convert.round !== undefined) return one
  let factor = factors.get(convert)
  if (factor === undefined) {
    factor = ratio(scaledOne, convert.divideBy)
    factors.set(convert, factor)
  }
  return factor
}

/** The value of one event as the aggregation takes it; without rounding a fraction goes to 12 places. */
export function eventValue(value: Ratio, { convert }: Converted): Scaled {
  if (convert?.round === undefined) return roundedTo(value, 12, 'half_up')
  return roundedTo(over(value, ofScaled(convert.divideBy)), convert.round.places, convert.round.to)
}

function roundedTo({ numerator, denominator }: Ratio, places: number, to: ConvertRounding): Scaled {
  const scale = 10n ** BigInt(places)
  return divideTo(numerator * scale, denominator, to) * (scaledOne / scale)
}

function divideTo(numerator: bigint, denominator: bigint, to: ConvertRounding): bigint {
  const towardsZero = numerator / denominator
  switch (to) {
    case 'down':
      return towardsZero
    case 'up':
      if (towardsZero * denominator === numerator) return towardsZero
      return numerator < 0n ? towardsZero - 1n : towardsZero + 1n
    case 'half_up':
    case 'half_even':
      return divideRounded(numerator, denominator, to)
    default:
      return to satisfies never
  }
}
