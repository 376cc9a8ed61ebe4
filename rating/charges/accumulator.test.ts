// Tests an accumulator beside its amounts: plain data, bounded memory, levels that carry over.

import { deserialize, serialize } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { msOf, nsOf } from '../../schemas/time.js'
import { compareEvents } from '../aggregations/sample.js'
import { cellOf } from '../models/registry.js'
import { meterOf, periodNs, periodStartNs, priceOf, sample, scaled } from '../testing/golden-vectors.js'
import { type Accumulator, addSample, type ChargeBasis, newAccumulator } from './accumulator.js'
import { chargeOf } from './rate.js'

function basisOf(
  aggregation: string,
  price: Readonly<Record<string, unknown>>,
  part: Partial<ChargeBasis> = {},
): ChargeBasis {
  return {
    price: priceOf({ price: 'p', kind: 'usage', meter: 'm', ...price }),
    meter: meterOf({
      meter: 'm',
      event_type: 't',
      aggregation,
      ...(aggregation === 'count' ? {} : { value: 'v' }),
      ...(aggregation === 'percentile' ? { percentile: 95 } : {}),
    }),
    fraction: { numerator: 1n, denominator: 1n },
    trial: false,
    fromNs: periodStartNs,
    untilNs: periodStartNs + periodNs,
    period: { fromNs: periodStartNs, untilNs: periodStartNs + periodNs },
    ...part,
  }
}

const perUnit = { model: 'per_unit', unit_amount: '1' }
const percentage = { model: 'percentage', rate: '10', free_units: '100' }

function add(basis: ChargeBasis, to: Accumulator, dayOfPeriod: number, value: string, cell = 0): void {
  const timeNs = periodStartNs + nsOf(Math.round(dayOfPeriod * 86_400_000))
  addSample(basis, to, sample({ timeNs, quantity: scaled(value), key: compositeKey('s', `${timeNs}`), cell }))
}

const amountOf = (basis: ChargeBasis, accumulator: Accumulator): string =>
  formatScaled(chargeOf(basis, accumulator).amount)

describe('an accumulator', () => {
  it('counts its events and knows the first and the last time', () => {
    const basis = basisOf('sum', perUnit)
    const accumulator = newAccumulator(basis)
    add(basis, accumulator, 3, '1')
    add(basis, accumulator, 1, '1')
    add(basis, accumulator, 2, '1')
    const { events, firstMs, lastMs } = accumulator
    expect([events, firstMs, lastMs].map(n => (n - msOf(periodStartNs)) / 86_400_000).slice(1)).toEqual([
      1, 3,
    ])
    expect(events).toBe(3)
  })

  for (const aggregation of [
    'sum',
    'max',
    'latest',
    'first',
    'average',
    'unique_count',
    'weighted_sum',
    'time_average',
    'percentile',
  ]) {
    for (const price of [perUnit, percentage]) {
      it(`of ${aggregation} at ${price.model} goes on after a snapshot as if there had been none`, () => {
        const basis = basisOf(aggregation, price)
        const kept = newAccumulator(basis)
        for (const [day, value] of [2, 9, 4, 7].entries()) add(basis, kept, day + 2, `${value}0`)
        chargeOf(basis, kept)
        const restored = deserialize(serialize(kept)) as Accumulator
        for (const accumulator of [kept, restored]) {
          add(basis, accumulator, 1, '33')
          add(basis, accumulator, 20, '55')
        }
        expect(chargeOf(basis, restored)).toEqual(chargeOf(basis, kept))
        expect(restored).toEqual(kept)
      })
    }
  }

  it('of a percentage price remembers no more events than its free ones and one', () => {
    const basis = basisOf('sum', { ...percentage, free_events: 5, fixed_amount: '1', per_event_minimum: '2' })
    const accumulator = newAccumulator(basis)
    for (let n = 0; n < 500; n += 1) add(basis, accumulator, ((n * 7) % 500) / 20, '0.5')
    const { state } = accumulator
    if (state.kind !== 'percentage') throw new Error(state.kind)
    expect(state.head.times).toHaveLength(6)
    expect(state.tailEvents).toBe(494)
    expect(amountOf(basis, accumulator)).toBe('990')
  })

  it('refuses a negative event of a percentage price whose meter does not allow one', () => {
    const basis = basisOf('sum', percentage)
    expect(() => add(basis, newAccumulator(basis), 1, '-1')).toThrow('negative')
  })
})

describe('a level', () => {
  const first = { fromNs: periodStartNs, untilNs: periodStartNs + periodNs / 2n }
  const second = { fromNs: periodStartNs + periodNs / 2n, untilNs: periodStartNs + periodNs }

  for (const aggregation of ['weighted_sum', 'time_average']) {
    for (const price of [perUnit, { ...percentage, free_units: '0', rate: '100' }]) {
      it(`of ${aggregation} at ${price.model} carried from one segment to the next gives what one segment gives`, () => {
        const whole = basisOf(aggregation, price)
        const one = newAccumulator(whole)
        const parts = [basisOf(aggregation, price, first), basisOf(aggregation, price, second)] as const
        const [a, b] = parts.map(newAccumulator) as [Accumulator, Accumulator]
        for (const [day, value] of [
          [3, '12'],
          [9, '30'],
          [18, '6'],
        ] as const) {
          add(whole, one, day, value)
          add(parts[day < 15 ? 0 : 1], day < 15 ? a : b, day, value)
        }
        b.levelsAtStart = new Map([[0, scaled(aggregation === 'weighted_sum' ? '42' : '30')]])
        const total = chargeOf(parts[0], a).amount + chargeOf(parts[1], b).amount
        expect(formatScaled(total)).toBe(amountOf(whole, one))
      })

      it(`of ${aggregation} at ${price.model} learnt late changes what a later segment owes`, () => {
        const basis = basisOf(aggregation, price)
        const accumulator = newAccumulator(basis)
        add(basis, accumulator, 15, '0')
        expect(amountOf(basis, accumulator)).toBe('0')
        accumulator.levelsAtStart = new Map([[0, scaled('8')]])
        expect(amountOf(basis, accumulator)).toBe(aggregation === 'time_average' ? '4' : '8')
      })
    }
  }

  it('of a matrix price is carried cell by cell, without an event too', () => {
    const cells = [{ when: { region: 'eu' }, unit_amount: '2' }]
    const basis = basisOf('time_average', { model: 'matrix', cells, default_unit_amount: '3' }, second)
    const accumulator = newAccumulator(basis)
    accumulator.levelsAtStart = new Map([
      [0, scaled('10')],
      [-1, scaled('20')],
    ])
    expect(chargeOf(basis, accumulator)).toEqual({ quantity: scaled('15'), amount: scaled('40') })
  })
})

describe('cellOf', () => {
  const cells = Array.from({ length: 12 }, (_, n) => ({ when: { region: `r${n}` }, unit_amount: '1' }))

  it('finds the same cell in a long list as in a short one', () => {
    const long = priceOf({ price: 'p', kind: 'usage', meter: 'm', model: 'matrix', cells })
    const short = priceOf({
      price: 'p',
      kind: 'usage',
      meter: 'm',
      model: 'matrix',
      cells: cells.slice(0, 3),
    })
    for (const region of ['r0', 'r2']) {
      expect(cellOf(long, new Map([['region', region]]))).toBe(cellOf(short, new Map([['region', region]])))
    }
    expect(cellOf(long, new Map([['region', 'r11']]))).toBe(11)
  })

  it('is undefined without cell and default, -1 with a default, 0 for another model', () => {
    const bare = { price: 'p', kind: 'usage', meter: 'm', model: 'matrix', cells }
    const elsewhere = new Map([['region', 'nowhere']])
    expect(cellOf(priceOf(bare), elsewhere)).toBeUndefined()
    expect(cellOf(priceOf(bare), new Map())).toBeUndefined()
    expect(cellOf(priceOf({ ...bare, default_unit_amount: '1' }), elsewhere)).toBe(-1)
    expect(cellOf(priceOf({ price: 'p', kind: 'usage', meter: 'm', ...perUnit }), elsewhere)).toBe(0)
  })
})

describe('events at one time', () => {
  it('are ordered by id, and by source only when the ids are equal', () => {
    const order = (a: string, b: string): number => compareEvents(1n, a, 1n, b)
    expect(order(compositeKey('a-very-long-source', 'x'), compositeKey('b', 'y'))).toBeLessThan(0)
    expect(order(compositeKey('z', 'x'), compositeKey('a', 'y'))).toBeLessThan(0)
    expect(order(compositeKey('a', 'x'), compositeKey('b', 'x'))).toBeLessThan(0)
    expect(order(compositeKey('9:a3:b', 'c:d'), compositeKey('a', 'c:e'))).toBeLessThan(0)
    expect(order(compositeKey('a', 'x'), compositeKey('a', 'x'))).toBe(0)
  })
})
