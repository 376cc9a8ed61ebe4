// Tests percentiles over more values than one run holds.

import { expect, it } from 'vitest'
import { scaledOne } from '../../schemas/money/decimal.js'
import { sample } from '../testing/golden-vectors.js'
import { percentile, percentileOf } from './percentile.js'

it('finds every rank among more values than one run holds', () => {
  const state = percentile.start()
  const values = Array.from({ length: 3_000 }, (_, n) => BigInt((n * 7_919) % 1_501))
  for (const value of values) percentile.add(state, sample({ quantity: value }), 0n)
  const ascending = values.toSorted((a, b) => Number(a - b))
  expect(state.runs.length).toBeGreaterThan(4)
  for (let hundredths = 1; hundredths <= 10_000; hundredths += 1) {
    const percent = (BigInt(hundredths) * scaledOne) / 100n
    const rank = Math.ceil((hundredths * values.length) / 10_000)
    expect(percentileOf(state, percent)).toBe(ascending[rank - 1])
  }
})
