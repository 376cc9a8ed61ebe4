// chargeOf against the slow, obvious oracle, on random prices, usage, orders of arrival and parts of a period.

import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregationFacts, aggregations } from '../../schemas/catalog/aggregations.js'
import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import { formatScaled, scaledOne } from '../../schemas/money/decimal.js'
import { aggregatorOf } from '../aggregations/registry.js'
import { matrix } from '../models/matrix/testing/arbitrary.js'
import { percentage } from '../models/percentage/testing/arbitrary.js'
import { arbitraryPrice, singleQuantityModel } from '../models/testing/registry.js'
import { type Case, cases, levelOf, negativeToo, quantity, start } from '../testing/charge-arbitrary.js'
import { Exact } from '../testing/exact.js'
import { periodStartNs } from '../testing/golden-vectors.js'
import { exactly, slowAmount, slowQuantity, toPlaces } from '../testing/slow-oracle.js'
import { type Accumulator, addSample, newAccumulator } from './accumulator.js'
import { chargeOf } from './rate.js'

/** A price by events or cells takes no quotient. */
const byEvents = aggregations.filter(one => !aggregationFacts[one].quotient)

/** Neither is a level of groups. */
const ofGroups = byEvents.filter(one => aggregatorOf(one).level === undefined)

/** Adds one by one in order of arrival, reads the charge now and then, and goes through a snapshot in the middle. */
function incremental(one: Case): Accumulator {
  let accumulator = start(one)
  for (const [index, sample] of one.arrival.entries()) {
    addSample(one.basis, accumulator, sample)
    if (index % 2 === 0) chargeOf(one.basis, accumulator)
    if (index === 5) accumulator = deserialize(serialize(accumulator)) as Accumulator
  }
  return accumulator
}

function batch(one: Case): Accumulator {
  const accumulator = start(one)
  for (const sample of one.samples) addSample(one.basis, accumulator, sample)
  return accumulator
}

function expectEqualToOracle(one: Case): void {
  const accumulator = incremental(one)
  const charge = chargeOf(one.basis, accumulator)
  const own = levelOf(one.basis, one.level)
  const level = () => (typeof own === 'bigint' ? exactly(own) : own)
  expect(formatScaled(charge.amount)).toBe(toPlaces(slowAmount(one.basis, one.samples, level)))
  expect(formatScaled(charge.quantity)).toBe(toPlaces(slowQuantity(one.basis, one.samples, level)))
  expect(chargeOf(one.basis, batch(one))).toEqual(charge)
  expect(chargeOf(one.basis, structuredClone(accumulator))).toEqual(charge)
  expect(chargeOf({ ...one.basis }, accumulator), 'another basis of equal content').toEqual(charge)
  expect(chargeOf({ ...one.basis, trial: true }, accumulator).amount, 'in a trial').toBe(0n)
}
describe('chargeOf', () => {
  it('equals the slow oracle for models of one quantity under every aggregation and order', () => {
    fc.assert(fc.property(cases(singleQuantityModel, aggregations, quantity), expectEqualToOracle), {
      numRuns: 600,
    })
  })

  it('equals the slow oracle with negative quantities', () => {
    const property = fc.property(
      cases(singleQuantityModel, aggregations, negativeToo, true),
      expectEqualToOracle,
    )
    fc.assert(property, { numRuns: 300 })
  })

  it('equals the slow oracle for percentage prices, whatever is free, clamped or included', () => {
    const property = fc.property(cases(percentage, ['sum', 'count'], quantity), expectEqualToOracle)
    fc.assert(property, { numRuns: 600 })
  })

  it('equals the slow oracle for percentage prices with negative events', () => {
    const property = fc.property(cases(percentage, ['sum'], negativeToo, true), expectEqualToOracle)
    fc.assert(property, { numRuns: 600 })
  })

  it('equals the slow oracle for percentage prices with any aggregation', () => {
    const property = fc.property(cases(percentage, byEvents, negativeToo, true), expectEqualToOracle)
    fc.assert(property, { numRuns: 300 })
  })

  it('equals the slow oracle for matrix prices', () => {
    fc.assert(fc.property(cases(matrix, byEvents, quantity), expectEqualToOracle), { numRuns: 300 })
  })

  it('equals the slow oracle for every model by groups', () => {
    const property = fc.property(
      cases(arbitraryPrice, ofGroups, negativeToo, true, true),
      expectEqualToOracle,
    )
    fc.assert(property, { numRuns: 400 })
  })

  it('is caught by the oracle when a tier bound is off by the last place', () => {
    const exact: UsagePrice = {
      kind: 'usage',
      price: 'p',
      meter: 'm',
      model: {
        model: 'volume',
        tiers: [
          { upTo: 10n * scaledOne, unitAmount: scaledOne, flatAmount: 0n },
          { upTo: null, unitAmount: 0n, flatAmount: 0n },
        ],
      },
      included: 0n,
      discountPercent: 0n,
      prorate: false,
    }
    const [one] = fc.sample(cases(singleQuantityModel, ['sum'], quantity), { numRuns: 1, seed: 1 }) as [Case]
    const samples = [
      { timeNs: periodStartNs, quantity: 10n * scaledOne, text: '', key: '1:s1:e', cell: 0, group: '' },
    ]
    const { convert: _, ...meter } = one.basis.meter
    const basis = { ...one.basis, meter, price: exact }
    const off = {
      ...exact,
      model: {
        ...exact.model,
        tiers: [
          { upTo: 10n * scaledOne - 1n, unitAmount: scaledOne, flatAmount: 0n },
          { upTo: null, unitAmount: 0n, flatAmount: 0n },
        ],
      },
    } as UsagePrice
    const accumulator = newAccumulator(basis)
    for (const sample of samples) addSample(basis, accumulator, sample)
    const oracle = toPlaces(slowAmount(basis, samples, () => Exact.of(0)))
    expect(formatScaled(chargeOf(basis, accumulator).amount)).toBe(oracle)
    expect(formatScaled(chargeOf({ ...basis, price: off }, accumulator).amount)).not.toBe(oracle)
  })
})
