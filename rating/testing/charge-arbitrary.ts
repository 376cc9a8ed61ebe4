// Random charges for property tests: every model and aggregation, parts of a period, levels and orders of arrival.

import fc from 'fast-check'
import type { Aggregation } from '../../schemas/catalog/aggregations.js'
import type { Meter, PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { Level } from '../aggregations/level.js'
import {
  type Accumulator,
  type ChargeBasis,
  newAccumulator,
  type UsageSample,
} from '../charges/accumulator.js'
import { optional, price, whole } from './arbitrary-values.js'
import { periodNs, periodStartNs } from './golden-vectors.js'

/** Whole numbers, quarters, and the last of twelve places on either side of a whole number. */
export const quantity = fc
  .tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(0n, 0n, 0n, scaledOne / 4n, 1n, scaledOne - 1n))
  .map(([units, more]) => BigInt(units) * scaledOne + more)
function usagePrice(model: fc.Arbitrary<PriceModel>): fc.Arbitrary<UsagePrice> {
  return fc
    .record({
      model,
      included: fc.oneof(fc.constant(0n), whole(30)),
      discountPercent: fc.oneof(fc.constant(0n), whole(100)),
      minimum: optional(price),
      maximum: optional(price),
      prorate: fc.boolean(),
    })
    .map(({ minimum, maximum, ...rest }) => ({
      kind: 'usage' as const,
      price: 'p',
      meter: 'm',
      ...rest,
      ...(minimum === undefined ? {} : { minimum }),
      ...(maximum === undefined ? {} : { maximum }),
    }))
}

export interface Case {
  readonly basis: ChargeBasis
  readonly samples: readonly UsageSample[]
  /** The same samples in another order. */
  readonly arrival: readonly UsageSample[]
  readonly level: Scaled
}

export function cases(
  model: fc.Arbitrary<PriceModel>,
  of: readonly Aggregation[],
  quantities: fc.Arbitrary<Scaled>,
  allowNegative = false,
  isGrouped = false,
): fc.Arbitrary<Case> {
  const event = fc.record({
    at: fc.integer({ min: 0, max: 40 }),
    quantity: quantities,
    cell: fc.integer({ min: -1, max: 1 }),
    group: fc.constantFrom('a', 'b', '', null),
  })
  return fc
    .record({
      price: usagePrice(model),
      aggregation: fc.constantFrom(...of),
      percentile: fc.integer({ min: 1, max: 100 }),
      divideBy: fc.constantFrom(
        undefined,
        undefined,
        3n * scaledOne,
        1024n * scaledOne,
        (5n * scaledOne) / 2n,
      ),
      events: fc.array(event, { maxLength: 14 }),
      part: fc.constantFrom([1n, 1n], [1n, 3n], [2n, 7n], [15n, 30n]),
      level: fc.oneof(fc.constant(0n), quantity),
    })
    .chain(({ price: usage, aggregation, percentile, divideBy, events, part, level }) => {
      const meter: Meter = {
        meter: 'm',
        eventTypes: ['t'],
        aggregation,
        percentile: BigInt(percentile) * scaledOne,
        filters: new Map(),
        dimensions: ['region'],
        allowNegative,
        // A price by events takes no conversion of their sum.
        ...(divideBy === undefined || usage.model.model === 'percentage' ? {} : { convert: { divideBy } }),
      }
      const [numerator, denominator] = part as [bigint, bigint]
      const lengthNs = (periodNs * numerator) / denominator
      const basis: ChargeBasis = {
        price: isGrouped ? { ...usage, groupBy: ['project'] } : usage,
        meter,
        fraction: { numerator, denominator },
        trial: false,
        fromNs: periodStartNs,
        untilNs: periodStartNs + lengthNs,
        period: { fromNs: periodStartNs, untilNs: periodStartNs + periodNs },
      }
      const samples = events.map(
        ({ at, quantity: value, cell, group }, index): UsageSample => ({
          timeNs: periodStartNs + BigInt(at) * 1_000_003_000_001n,
          quantity: quantityOf(aggregation, value, at + index),
          text: aggregation === 'persistent_unique_count' ? `v${value % 3n}` : String(value),
          key: compositeKey('s', String(index).padStart(3, '0')),
          cell: usage.model.model === 'matrix' ? cell : 0,
          group: isGrouped ? JSON.stringify([group]) : '',
        }),
      )
      return fc
        .shuffledSubarray(samples, { minLength: samples.length, maxLength: samples.length })
        .map(arrival => ({ basis, samples, arrival, level }))
    })
}

/** With nothing added yet, at the level of the case. */
export function start({ basis, level }: Case): Accumulator {
  const accumulator = newAccumulator(basis)
  const cells = basis.price.model.model === 'matrix' ? [0, 1, -1] : [0]
  accumulator.levelsAtStart = new Map(cells.map(cell => [cell, levelOf(basis, level)]))
  return accumulator
}

/** As the aggregation has it. */
export function levelOf({ meter }: ChargeBasis, level: Scaled): Level {
  if (meter.aggregation !== 'persistent_unique_count') return level
  return new Set(['v0', 'v1', 'v2', 'v3'].slice(Number(level % 4n)))
}

function quantityOf(aggregation: Aggregation, value: Scaled, n: number): Scaled {
  if (aggregation === 'count') return scaledOne
  if (aggregation !== 'persistent_unique_count') return value
  return n % 3 === 0 ? -scaledOne : scaledOne
}

export const negativeToo = fc.tuple(quantity, fc.boolean()).map(([value, minus]) => (minus ? -value : value))
