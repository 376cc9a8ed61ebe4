// Conversions of meters against vectors, each with its source, also as a price of 3 a unit with an allowance and tiers.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { addSample, type ChargeBasis, newAccumulator } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { explainUsage } from '../explain/explain-usage.js'
import { ofScaled } from '../steps/ratio.js'
import { meterOf, periodNs, periodStartNs, priceOf, sample, scaled } from '../testing/golden-vectors.js'
import { exactly, slowAmount, toPlaces } from '../testing/slow-oracle.js'
import { eventValue } from './convert.js'

interface ConversionVector {
  readonly name: string
  readonly convert: Readonly<Record<string, unknown>>
  readonly aggregation: string
  readonly values: readonly string[]
  readonly quantity: string
  readonly source: string
}

const file = `${process.cwd()}/rating/golden/conversions.json`
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly ConversionVector[] }
const fields = { price: 'p', kind: 'usage', meter: 'units' }
const prices = [
  { ...fields, model: 'per_unit', unit_amount: '3', included: '0.5' },
  {
    ...fields,
    model: 'graduated',
    tiers: [
      { up_to: '1', unit_amount: '3' },
      { up_to: null, unit_amount: '1.333333333333', flat_amount: '2' },
    ],
    discount_percent: '33.3',
    minimum: '0.1',
  },
]

for (const { name, convert, aggregation, values, quantity, source } of vectors) {
  it(`${aggregation}: ${name} (${source})`, () => {
    const meter = meterOf({
      meter: 'units',
      event_type: 'unit.used',
      aggregation,
      value: 'units',
      convert,
      allow_negative: true,
    })
    for (const price of prices) {
      const basis: ChargeBasis = {
        price: priceOf(price),
        meter,
        fraction: { numerator: 1n, denominator: 1n },
        trial: false,
        fromNs: periodStartNs,
        untilNs: periodStartNs + periodNs,
        period: { fromNs: periodStartNs, untilNs: periodStartNs + periodNs },
      }
      const samples = values.map((value, n) =>
        sample({
          timeNs: periodStartNs + BigInt(n),
          quantity: eventValue(ofScaled(scaled(value)), meter),
          key: compositeKey('golden', `e${n}`),
        }),
      )
      const accumulator = newAccumulator(basis)
      for (const one of samples.toReversed()) addSample(basis, accumulator, one)
      const charge = chargeOf(basis, accumulator)
      expect(formatScaled(charge.quantity)).toBe(quantity)
      expect(formatScaled(charge.amount)).toBe(toPlaces(slowAmount(basis, samples, () => exactly(0n))))
      const explained = explainUsage(basis, accumulator, { currency: 'USD', rounding: 'half_up' })
      expect(explained.amount).toBe(charge.amount)
    }
  })
}
