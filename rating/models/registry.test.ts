// Every model and every aggregation that a catalog can name has all of its parts, and the parts agree with one another.

import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregations } from '../../schemas/catalog/aggregations.js'
import { priceModels } from '../../schemas/catalog/models/registry.js'
import { magnitude, scaledOne } from '../../schemas/money/decimal.js'
import { aggregatorOf, heldAfter, heldIn } from '../aggregations/registry.js'
import { addSample } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { explainUsage } from '../explain/explain-usage.js'
import { cases, negativeToo, quantity, start } from '../testing/charge-arbitrary.js'
import type { VectorFile } from '../testing/golden-vectors.js'
import { modelPart } from './registry.js'
import { arbitraryModels, arbitraryPrice } from './testing/registry.js'

const golden = `${process.cwd()}/rating/golden`
const paid = { currency: 'USD', rounding: 'half_up' } as const

const modelsInVectors = readdirSync(`${golden}/price-models`).flatMap(name => {
  const file = JSON.parse(readFileSync(`${golden}/price-models/${name}`, 'utf8')) as VectorFile
  return file.vectors.map(vector => file.prices[vector.price]?.['model'])
})
const { vectors } = JSON.parse(readFileSync(`${golden}/aggregations/aggregations.json`, 'utf8'))
const aggregationsInVectors = (vectors as { aggregation: string }[]).map(vector => vector.aggregation)

describe.each(priceModels)('the model %s', model => {
  it('has an example worked out by hand', () => {
    expect(modelsInVectors).toContain(model)
  })

  it('is explained under every aggregation', () => {
    fc.assert(
      fc.property(cases(arbitraryModels[model], aggregations, quantity), one => {
        const accumulator = start(one)
        for (const sample of one.arrival) addSample(one.basis, accumulator, sample)
        // It throws where the explanation does not come to the charge.
        expect(explainUsage(one.basis, accumulator, paid).amount).toBe(
          chargeOf(one.basis, accumulator).amount,
        )
      }),
      { numRuns: 100 },
    )
  })

  it('never owes more than its bound for what was used', () => {
    fc.assert(
      fc.property(cases(arbitraryModels[model], ['sum', 'count'], negativeToo, true), one => {
        const { minimum: _, ...price } = one.basis.price
        const basis = { ...one.basis, price }
        const accumulator = { ...start({ ...one, basis }), levelsAtStart: undefined }
        let used = 0n
        for (const sample of one.arrival) {
          addSample(basis, accumulator, sample)
          used += magnitude(sample.quantity)
        }
        const { unit, flat = 0n, perEvent = 0n } = modelPart(price.model).bound(price.model)
        const most = (used * unit) / scaledOne + 1n + flat + perEvent * BigInt(one.arrival.length)
        expect(magnitude(chargeOf(basis, accumulator).amount)).toBeLessThanOrEqual(most)
      }),
      { numRuns: 200 },
    )
  })
})

describe.each(aggregations)('the aggregation %s', aggregation => {
  it('has an example worked out by hand', () => {
    expect(aggregationsInVectors).toContain(aggregation)
  })

  it('holds no more than what its values were added up to, one by one', () => {
    fc.assert(
      fc.property(cases(arbitraryPrice, [aggregation], negativeToo, true), ({ basis, arrival }) => {
        const { start: startOf, add } = aggregatorOf(aggregation)
        const state = startOf()
        expect(state.kind).toBe(aggregation)
        let held = 0n
        for (const sample of arrival) {
          add(state, sample, basis.fromNs)
          held = heldAfter(held, { aggregation }, sample.quantity)
        }
        expect(magnitude(heldIn(state, []))).toBeLessThanOrEqual(magnitude(held))
      }),
      { numRuns: 100 },
    )
  })
})
