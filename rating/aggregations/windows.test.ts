// Windows against vectors, each with its source, in every order that is tried, and against the slow oracle.

import { readFileSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { windowAggregations } from '../../schemas/catalog/meter-window.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, scaledOne } from '../../schemas/money/decimal.js'
import { nsOf, parseInstant } from '../../schemas/time.js'
import {
  type Accumulator,
  addSample,
  type ChargeBasis,
  newAccumulator,
  type UsageSample,
} from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { explainUsage } from '../explain/explain-usage.js'
import { meterOf, priceOf, sample, scaled } from '../testing/golden-vectors.js'
import { exactly, slowAmount, slowQuantity, toPlaces } from '../testing/slow-oracle.js'

interface WindowVector {
  readonly name: string
  readonly aggregation: string
  readonly window: string
  readonly window_aggregation: string
  readonly percentile?: string
  readonly timezone: string
  readonly events: readonly (readonly [time: string, value: string])[]
  readonly quantity: string
  readonly source: string
}

const fromNs = nsOf(Date.UTC(2026, 0, 1))
const untilNs = nsOf(Date.UTC(2027, 0, 1))
const perUnit = { price: 'p', kind: 'usage', meter: 'units', model: 'per_unit', unit_amount: '3' }
const tiered = {
  price: 'p',
  kind: 'usage',
  meter: 'units',
  model: 'graduated',
  tiers: [
    { up_to: '5', unit_amount: '1' },
    { up_to: null, unit_amount: '0.333333333333' },
  ],
  included: '1',
  minimum: '2',
}

function basisOf(
  one: Omit<WindowVector, 'name' | 'events' | 'quantity' | 'source'>,
  price: object,
): ChargeBasis {
  const { timezone, ...fields } = one
  const value = one.window_aggregation === 'count' ? {} : { value: 'units' }
  const meter = meterOf({
    meter: 'units',
    event_type: 'unit.used',
    ...fields,
    ...value,
    allow_negative: true,
  })
  return {
    price: priceOf(price as Readonly<Record<string, unknown>>),
    meter,
    timezone,
    fraction: { numerator: 1n, denominator: 1n },
    trial: false,
    fromNs,
    untilNs,
    period: { fromNs, untilNs },
  }
}

function expectCharge(basis: ChargeBasis, samples: readonly UsageSample[]): string {
  let accumulator = newAccumulator(basis)
  for (const [n, one] of samples.entries()) {
    addSample(basis, accumulator, one)
    if (n === 2) accumulator = deserialize(serialize(accumulator)) as Accumulator
  }
  const charge = chargeOf(basis, accumulator)
  expect(formatScaled(charge.amount)).toBe(toPlaces(slowAmount(basis, samples, () => exactly(0n))))
  expect(formatScaled(charge.quantity)).toBe(toPlaces(slowQuantity(basis, samples, () => exactly(0n))))
  expect(explainUsage(basis, accumulator, { currency: 'USD', rounding: 'half_up' }).amount).toBe(
    charge.amount,
  )
  return formatScaled(charge.quantity)
}

const file = `${process.cwd()}/rating/golden/windows.json`
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly WindowVector[] }

for (const { name, events, quantity, source, ...one } of vectors) {
  const { aggregation, window, window_aggregation: each, timezone } = one
  it(`${aggregation} of ${each} by ${window} in ${timezone}: ${name} (${source})`, () => {
    const samples = events.map(([time, value], n) => {
      const instant = parseInstant(time)
      if (instant === undefined) throw new Error(time)
      const isText = each === 'unique_count'
      return sample({
        timeNs: instant,
        quantity: isText || each === 'count' ? scaledOne : scaled(value),
        text: isText ? value : '',
        key: compositeKey('golden', `e${n}`),
      })
    })
    for (const price of [perUnit, tiered]) {
      expect(expectCharge(basisOf(one, price), samples)).toBe(quantity)
      expect(expectCharge(basisOf(one, price), samples.toReversed())).toBe(quantity)
    }
  })
}

it('equals the slow oracle in any zone, around changes of the clock', () => {
  const zone = fc.constantFrom(
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Australia/Lord_Howe',
    'Asia/Beirut',
  )
  const around = fc.constantFrom(
    '2026-03-08',
    '2026-03-29',
    '2026-04-05',
    '2026-10-04',
    '2026-10-25',
    '2026-11-01',
  )
  const event = fc.record({
    minutes: fc.integer({ min: 0, max: 72 * 60 }),
    quantity: fc.integer({ min: -9, max: 9 }),
    text: fc.constantFrom('a', 'b', 'c'),
  })
  const meter = fc.record({
    aggregation: fc.constantFrom('sum', 'max', 'min', 'average', 'percentile'),
    window: fc.constantFrom('hour', 'day'),
    window_aggregation: fc.constantFrom(...windowAggregations),
    timezone: zone,
  })
  fc.assert(
    fc.property(meter, around, fc.array(event, { maxLength: 12 }), (one, day, events) => {
      const percentile = one.aggregation === 'percentile' ? { percentile: '60' } : {}
      const startNs = nsOf(Date.parse(`${day}T00:00:00Z`) - 24 * 3_600_000)
      const samples = events.map(({ minutes, quantity, text }, n) =>
        sample({
          timeNs: startNs + nsOf(minutes * 60_000),
          quantity: one.window_aggregation === 'count' ? scaledOne : BigInt(quantity) * scaledOne,
          text,
          key: compositeKey('s', String(n).padStart(3, '0')),
        }),
      )
      expectCharge(basisOf({ ...one, ...percentile }, tiered), samples)
    }),
    { numRuns: 250 },
  )
})
