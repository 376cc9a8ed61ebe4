// Tests every aggregation against vectors worked out by hand, in shuffled orders of arrival.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, scaledOne } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { addSample, type ChargeBasis, newAccumulator, type UsageSample } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { meterOf, periodNs, periodStartNs, priceOf, sample, scaled } from '../testing/golden-vectors.js'

interface AggregationVector {
  readonly name: string
  readonly aggregation: string
  readonly samples: readonly { readonly day: string; readonly value: string; readonly id: string }[]
  readonly quantity: string
  readonly derivation: string
  readonly percentile?: string
  readonly level?: string
  /** Of a persistent `unique_count`: the values that are present at the start. A value that begins with a minus is removed. */
  readonly members?: readonly string[]
  readonly allow_negative?: boolean
  readonly from_day?: string
  readonly until_day?: string
}

const path = `${process.cwd()}/rating/golden/aggregations/aggregations.json`
const file = JSON.parse(readFileSync(path, 'utf8')) as { vectors: readonly AggregationVector[] }
const dayMs = 86_400_000

function basisOf(vector: AggregationVector): ChargeBasis {
  const meter = meterOf({
    meter: 'units',
    event_type: 'unit.used',
    aggregation: isPersistent(vector) ? 'unique_count' : vector.aggregation,
    ...(isPersistent(vector) ? { operation: 'action' } : {}),
    ...(vector.aggregation === 'count' ? {} : { value: 'units' }),
    ...(vector.percentile === undefined ? {} : { percentile: vector.percentile }),
    ...(vector.allow_negative === true ? { allow_negative: true } : {}),
  })
  return {
    price: priceOf({ price: 'p', kind: 'usage', meter: 'units', model: 'per_unit', unit_amount: '1' }),
    meter,
    fraction: { numerator: 1n, denominator: 1n },
    trial: false,
    fromNs: periodStartNs + nsOf(Number(vector.from_day ?? '0') * dayMs),
    untilNs: periodStartNs + nsOf(Number(vector.until_day ?? '30') * dayMs),
    period: { fromNs: periodStartNs, untilNs: periodStartNs + periodNs },
  }
}

function quantityOf(basis: ChargeBasis, vector: AggregationVector, samples: readonly UsageSample[]): string {
  const accumulator = newAccumulator(basis)
  if (vector.level !== undefined) accumulator.levelsAtStart = new Map([[0, scaled(vector.level)]])
  if (vector.members !== undefined) accumulator.levelsAtStart = new Map([[0, new Set(vector.members)]])
  for (const one of samples) addSample(basis, accumulator, one)
  const charge = chargeOf(basis, accumulator)
  expect(charge.amount, 'one per unit').toBe(charge.quantity)
  return formatScaled(charge.quantity)
}

function isPersistent({ aggregation }: AggregationVector): boolean {
  return aggregation === 'persistent_unique_count'
}

function readOf(vector: AggregationVector, value: string) {
  if (vector.aggregation === 'unique_count') return { quantity: 0n, text: value }
  if (!isPersistent(vector)) return { quantity: scaled(value), text: '' }
  return { quantity: value.startsWith('-') ? -scaledOne : scaledOne, text: value.replace(/^-/, '') }
}

/** All orders of a short list. */
function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map(rest => [item, ...rest]))
}

describe('aggregations', () => {
  for (const vector of file.vectors) {
    it(`${vector.aggregation}: ${vector.name}: ${vector.derivation} = ${vector.quantity}`, () => {
      const basis = basisOf(vector)
      const samples = vector.samples.map(({ day, value, id }) =>
        sample({
          timeNs: periodStartNs + nsOf(Number(day) * dayMs),
          ...readOf(vector, value),
          key: compositeKey('golden', id),
        }),
      )
      for (const order of permutations(samples)) {
        expect(quantityOf(basis, vector, order)).toBe(vector.quantity)
      }
    })
  }
})
